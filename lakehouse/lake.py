"""The door: open a folder or bucket as a lake. Each method calls the room that does the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.loading import Loading
from lakehouse.names import ProductName
from lakehouse.product import Product
from lakehouse.scoring import Scoring
from lakehouse.store import Store

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.catalog.domains import Domain
    from lakehouse.catalog.locks import Lock
    from lakehouse.catalog.pinned import Snapshot
    from lakehouse.checkouts import Checkout
    from lakehouse.comparison import LakeDifference
    from lakehouse.ingest.streaming.journal import Durability
    from lakehouse.ingest.streaming.stream import Stream
    from lakehouse.partitions.table import Terms
    from lakehouse.partitions.verify import Verification
    from lakehouse.transaction import Transaction


class Lake(Scoring, Loading):
    """A lake: products to read and write, SQL, snapshots and locks; any number of processes may open one.

    Examples:
        >>> import lakehouse, tempfile
        >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
        >>> lake.products()
        []
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._tables: dict[tuple[ProductName, str], Product] = {}

    @property
    def url(self) -> str:
        """The root: a local path or `s3://bucket/prefix`."""
        return self.store.url

    @property
    def id(self) -> str:
        """The identity of the lake, the same wherever it is copied."""
        from lakehouse.catalog.lake_document import read_lake

        return read_lake(self.store).id

    def products(self) -> list[str]:
        """Return the names of all products, sorted."""
        from lakehouse.catalog.product_names import list_products

        return [str(name) for name in list_products(self.store)]

    def __getitem__(self, name: str | ProductName) -> Product:
        """Return a product under its newest contract.

        Raises:
            NotFoundError: there is none of that name; the nearest ones are in the hint.
            ArgumentError: it is no `domain.product`.
        """
        from lakehouse.catalog.product_names import contract_versions

        parsed = ProductName.parse(name)
        return self._product(parsed, contract_versions(self.store, parsed)[-1])

    def product(self, name: str | ProductName, *, major: int) -> Product:
        """Return a product under the newest contract of an older major version, whose table it still has.

        Raises:
            NotFoundError: there is no such product or major version.
        """
        from lakehouse.catalog.product_names import choose_version

        parsed = ProductName.parse(name)
        return self._product(parsed, choose_version(self.store, parsed, major=major))

    def domains(self) -> list[Domain]:
        """Return every domain with its owners and retention."""
        from lakehouse.catalog.domains import list_domains

        return list_domains(self.store)

    def add_domain(self, domain: Domain) -> Domain:
        """Publish a domain; the same one twice changes nothing.

        Raises:
            AlreadyExistsError: there is another domain of that name.
        """
        from lakehouse.catalog.domains import publish_domain

        publish_domain(self.store, domain)
        return domain

    def create(
        self,
        contract: Contract | str,
        /,
        *,
        like: Any = None,
        key: Sequence[str] | None = None,
        **changes: Any,
    ) -> Product:
        """Make a product from a contract, or from a name and a frame that shows its columns.

        Args:
            contract: a contract, or `domain.product` together with `like`.
            like: a frame, whose column names and types become the contract, or a `Source` that declares
                one; no row is stored.
            key: columns whose values together are unique; None infers it.
            changes: other fields of the inferred contract, such as `layout=` or `owners=`.

        Raises:
            AlreadyExistsError: there is a product of that name.
            SchemaError: a column of `like` has no type of ours, such as a time without a zone.
            ArgumentError: the source declares no contract.
        """
        from lakehouse.ingest.contracts import create_from

        made = create_from(self.store, contract, like=like, key=key, changes=changes)
        return self._product(made.name, made.version, made)

    def apply(self, contract: Contract) -> Product:
        """Publish the next version of a contract, or make a new product; the same one twice is no change.

        Raises:
            ContractError: the version number does not fit the change; the reasons are named.
        """
        from lakehouse.ingest.contracts import apply_contract

        apply_contract(self.store, contract)
        return self[contract.name]

    def transaction(
        self, name: str, *, others: Sequence[str] = (), author: str = "", message: str = ""
    ) -> Transaction:
        """Write several products in a `with` block, and publish what landed as the snapshot `name`.

        Rows pass the gate in the block, and are committed when it ends: heads advance one product at a time,
        readers of the name see all or nothing.

        Args:
            name: of the snapshot.
            others: products that are named too, at their present versions.
            author: who; empty for user@host.
            message: why.

        Raises:
            ArgumentError: the name is not legal.
            AlreadyExistsError: the name is taken.

        Examples:
            >>> import lakehouse, polars, tempfile
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> rates = polars.DataFrame({"symbol": ["EURUSD"], "rate": [1.1]})
            >>> for name in ("fx.spot", "fx.forward"):
            ...     product = lake.create(name, like=rates, key=["symbol"])
            >>> with lake.transaction("close") as transaction:
            ...     transaction["fx.spot"].append(rates)
            ...     transaction["fx.forward"].append(rates)
            >>> lake.checkout("close").products()
            ['fx.forward', 'fx.spot']
        """
        from lakehouse.transaction import Transaction

        return Transaction(self, name, others=others, author=author, message=message)

    def snapshots(self) -> list[Snapshot]:
        """Return all snapshots, oldest first."""
        from lakehouse.catalog.snapshots import list_snapshots

        return list_snapshots(self.store)

    def lock(
        self,
        path: str | Path,
        products: Sequence[str] | Mapping[str, int] | str | None = None,
        *,
        author: str = "",
        message: str = "",
        overwrite: bool = False,
    ) -> Lock:
        """Write a lock file: the exact data of a backtest, for `lakehouse.checkout(path)` years later.

        The lake first publishes a pin, so that the data stay; the file is a copy of it.

        Args:
            path: of the file.
            products: names; names and versions; the name of a snapshot; None for all.
            author: who; empty for user@host.
            message: why.
            overwrite: replace a different lock file.

        Raises:
            AlreadyExistsError: there is another file, and `overwrite` is False.
            NotFoundError: a product, version or snapshot does not exist.
        """
        from lakehouse.pinning import make_lock

        return make_lock(self, path, products, author=author, message=message, overwrite=overwrite)

    def checkout(self, what: Any) -> Checkout:
        """Return a read-only lake at a snapshot, a lock file, or a time.

        Args:
            what: the name of a snapshot, the path of a lock file, or an instant (str, datetime, Timestamp).

        Raises:
            NotFoundError: there is no such snapshot.
            IntegrityError: the lock does not fit what this lake holds.
        """
        from lakehouse.checkouts import checkout_of

        return checkout_of(self, what)

    def diff(self, before: Any, after: Any, products: Sequence[str] | None = None) -> LakeDifference:
        """Return what differs between two locks, snapshots or checkouts, and the commit behind each row.

        Products, files and partitions of equal digest are not read.

        Args:
            before: a snapshot's name, a lock or its path, a time, or a checkout of this lake.
            after: another.
            products: names; None for all that either of both has.

        Raises:
            NotFoundError: there is no such snapshot or lock, or neither has such a product.
            IntegrityError: a lock is of another lake, or a file that has to be read is missing or altered.
        """
        from lakehouse.comparison import compare

        return compare(self, before, after, products)

    def verify(self, products: Sequence[str] | None = None, *, quick: bool = False) -> Verification:
        """Recompute hashes and digests of the newest versions, and name what differs."""
        from lakehouse.pinning import verify_products

        return verify_products(self, products, quick=quick)

    def stream(
        self,
        name: str,
        *,
        durability: Durability = "each",
        seal_rows: int = 1_000_000,
        seal_seconds: float = 900.0,
        unsealed_bytes: int = 256 << 20,
    ) -> Stream:
        """Write live rows: durable, and visible to readers of every process, when a write returns.

        They become versions by size and time. What streams left whose process died is sealed first. The rows
        of a lake in a bucket lie on this machine alone until then. `async with` gives the asyncio form, whose
        `write` is awaited.

        Args:
            name: of the product; several streams may write one, also of several processes.
            durability: `each` write is on the disk when it returns; `group`, likewise, and many threads share
                a flush; `none`: the operating system has it, and a crash of the machine may lose it.
            seal_rows: rows after which they become a version.
            seal_seconds: time after which rows become a version.
            unsealed_bytes: what may wait for a version; then writes wait too, and nothing is lost.

        Raises:
            NotFoundError: there is no such product.
            ArgumentError: the durability is unknown, or a number is not above zero.
            StorageError: the disk refused, or has no locks.
        """
        from lakehouse.ingest.streaming.stream import Stream, StreamSettings

        settings = StreamSettings(durability, seal_rows, seal_seconds, unsealed_bytes)
        return Stream(partial(self.product, name, major=self[name].contract.major), self.id, settings)

    def export(self, lock: str | Path | Lock, target: str | Path) -> Lake:
        """Make a smaller lake of just the pinned data, with equal digests, for a colleague.

        Raises:
            AlreadyExistsError: there is a lake at the target.
            IntegrityError: a pinned file is missing or altered.
        """
        from lakehouse.export import export_lock

        return Lake(export_lock(self, lock, target))

    def __repr__(self) -> str:
        """Name the lake."""
        return f"<Lake {self.url}>"

    def _product(self, name: ProductName, version: str, known: Contract | None = None) -> Product:
        """Return a product; the table of one contract version is shared, so that its state stays warm.

        The contract is read on first use: the log of a table says all that a reader needs.
        """
        from lakehouse.catalog.versions import major_of
        from lakehouse.partitions.table import Table

        key = (name, version)
        if key not in self._tables:
            contract = cache(lambda: known or _load_contract(self.store, name, version))
            table = Table(self.store, name, major_of(version), lambda: _terms_of(contract()))
            self._tables[key] = Product(table, contract)
        return self._tables[key]


def _load_contract(store: Store, name: ProductName, version: str) -> Contract:
    from lakehouse.catalog.products import load_contract

    return load_contract(store, name, version)


def _terms_of(contract: Contract) -> Terms:
    from lakehouse.maintenance.tables import terms_of

    return terms_of(contract)
