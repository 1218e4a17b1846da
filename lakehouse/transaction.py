"""Write several products, and publish what landed under one name.

Rows pass the gate as soon as they are handed in, and nothing is written before the block ends. Then every
write is checked against the present versions, the heads advance one product at a time, and last the snapshot
is published: readers of its name see all of the transaction or no such name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING

from lakehouse.catalog.snapshots import check_free
from lakehouse.errors import ArgumentError, LakehouseError, TransactionError
from lakehouse.names import ProductName
from lakehouse.pinning import snapshot_states
from lakehouse.writing import Writable

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.catalog.pinned import Snapshot
    from lakehouse.ingest.verbs import PendingWrite
    from lakehouse.lake import Lake
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.product import Product


@dataclass(frozen=True, slots=True)
class _Landed:
    """A commit of the transaction."""

    product: Product
    commit: Commit


class TransactionProduct(Writable[None]):
    """A product within a transaction: it takes writes, which are committed when the block ends."""

    def __init__(self, transaction: Transaction, product: Product) -> None:
        self._transaction = transaction
        self.product = product
        self.table = product.table

    @property
    def contract(self) -> Contract:
        """The contract against which rows are checked."""
        return self.product.contract

    def _take(self, pending: PendingWrite) -> None:
        self._transaction.add(self.product, pending)


class Transaction:
    """Several products under one name; use it in a `with` block, once.

    A block that raises writes nothing. A commit that fails afterwards publishes no name, takes back what
    landed before it where nobody has built on that yet, and says in a `TransactionError` what was taken back
    and what stays. Reads in the block see the lake without the transaction.
    """

    def __init__(
        self, lake: Lake, name: str, *, others: Sequence[str] = (), author: str = "", message: str = ""
    ) -> None:
        check_free(lake.store, name)
        self._lake = lake
        self._others = tuple(ProductName.parse(other) for other in others)
        self._author, self._message = author, message
        self._pending: list[tuple[Product, PendingWrite]] = []
        self._over = False
        self.name = name
        self.commits: tuple[Commit, ...] = ()
        """in the order of the writes, once the block has ended"""
        self.snapshot: Snapshot | None = None
        """once the block has ended"""

    def __getitem__(self, name: str | ProductName) -> TransactionProduct:
        """Return a product to write.

        Raises:
            NotFoundError: there is none of that name.
        """
        return TransactionProduct(self, self._lake[name])

    def add(self, product: Product, pending: PendingWrite) -> None:
        """Take a write of one product.

        Raises:
            TransactionError: the block has ended.
        """
        self._check_open()
        given = pending.provenance
        named = replace(
            given,
            transaction=self.name,
            author=given.author or self._author,
            message=given.message or self._message,
        )
        self._pending.append((product, replace(pending, provenance=named)))

    def __enter__(self) -> Transaction:
        """Begin."""
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or drop everything if the block raised.

        Raises:
            TransactionError: a commit or the snapshot failed; it says what landed and what was taken back.
            LakehouseError: what the first commit raised, such as a key that is stored with other values, or
                a disk that refuses; nothing was written.
        """
        self._over = True
        if kind is None:
            self._finish()

    def __repr__(self) -> str:
        """Name it, and say how far it is."""
        return f"<Transaction {self.name}: {len(self._pending)} writes, {'over' if self._over else 'open'}>"

    def _check_open(self) -> None:
        if self._over:
            raise TransactionError(f"The transaction {self.name} is over.", hint="Begin another one.")

    def _finish(self) -> None:
        if not self._pending:
            raise ArgumentError(f"The transaction {self.name} has written nothing.")
        self._check()
        landed: list[_Landed] = []
        try:
            for product, pending in self._pending:
                landed.append(_Landed(product, pending.commit()))
            states = [product.state(version=version) for product, version in self._versions(landed).items()]
            self.snapshot = snapshot_states(
                self._lake.store, self.name, states, author=self._author, message=self._message
            )
        except LakehouseError as error:
            if not landed:
                raise
            raise self._failed(landed, error) from error
        self.commits = tuple(each.commit for each in landed)

    def _check(self) -> None:
        """Let the first write of each product meet the stored rows before anything is written."""
        checked: set[ProductName] = set()
        for product, pending in self._pending:
            if product.name not in checked:
                pending.check()
            checked.add(product.name)

    def _versions(self, landed: Sequence[_Landed]) -> dict[Product, int]:
        """Return the version of each product that the name stands for: that of its last commit here."""
        written = {each.product.name: (each.product, each.commit.version) for each in landed}
        others = {name: (self._lake[name], self._lake[name].version) for name in self._others}
        return dict((others | written).values())

    def _failed(self, landed: Sequence[_Landed], error: LakehouseError) -> TransactionError:
        """Take back what can be, and say how it stands."""
        heads: dict[tuple[ProductName, int], int] = {}
        said = [self._take_back(each, heads) for each in reversed(landed)]
        message = f"The transaction {self.name} failed, and publishes no name: {error.message}"
        return TransactionError(f"{message} Before that: {'; '.join(said)}.", hint=error.hint)

    def _take_back(self, landed: _Landed, heads: dict[tuple[ProductName, int], int]) -> str:
        """Restore the version before a commit, and say how it went.

        Args:
            landed: the commit.
            heads: the versions that were restored already, and which new version each became.
        """
        from lakehouse.ingest.restore import restore
        from lakehouse.ingest.write import Provenance

        product, version, key = landed.product, landed.commit.version, landed.commit.idempotency_key
        if landed.commit.repeated:
            return f"version {version} of {product.name} was there already, and stays"
        provenance = Provenance(
            self._author, message=f"transaction {self.name} failed", transaction=self.name
        )
        try:
            # Before our commit, and not before our first look: what others wrote in between stays.
            old = product.state(version=version - 1)
            head = heads.get((product.name, version), version)
            undone = [key] if key is not None else []
            made = restore(product.table, old, provenance, only_from=head, undone=undone)
        except LakehouseError as error:
            return f"version {version} of {product.name} stays: {error.message}"
        heads[product.name, version - 1] = made.version
        return f"version {version} of {product.name} was taken back by version {made.version}"
