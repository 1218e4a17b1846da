"""The maintenance of an open lake: each call explains first, and acts where it is told to."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

from lakehouse.view import LakeView

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lakehouse.catalog.pinned import Snapshot
    from lakehouse.ingest.streaming.sealing import Recovery
    from lakehouse.maintenance.compact import CompactReport
    from lakehouse.maintenance.doctor import Diagnosis
    from lakehouse.maintenance.drop import DropReport
    from lakehouse.maintenance.gc import GarbageReport
    from lakehouse.maintenance.relayout import LayoutReport
    from lakehouse.maintenance.restore import RestoreReport
    from lakehouse.maintenance.retain import RetainReport
    from lakehouse.names import ProductName
    from lakehouse.product import Product


class Upkeep(LakeView):
    """Maintenance: what it would do is said by default, `dry_run=False` does it.

    No call takes away what a snapshot, a lock, an open reader or a writer in flight holds.
    """

    def gc(
        self, *, dry_run: bool = True, grace: str = "1h", history: str = "30d", author: str = ""
    ) -> GarbageReport:
        """Delete files that nothing reaches: no head, history, snapshot, lock, open reader or writer.

        A run condemns what is dead now, and deletes what an earlier run condemned longer than the grace ago;
        with a grace of "0s" both at once. Log entries, documents and files that the lake did not write stay.

        Args:
            dry_run: say what would be condemned, and who keeps the rest; nothing changes.
            grace: a courtesy to readers without a lease, such as polars on the Delta table.
            history: versions that were the head within this time stay readable without a snapshot.
            author: who; empty for user@host.

        Raises:
            ArgumentError: a duration can not be read.
            IntegrityError: a root can not be read, so nobody knows what it holds; nothing was deleted.

        Examples:
            >>> import lakehouse, tempfile
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> lake.gc().dead_files
            0
        """
        from lakehouse.catalog.durations import parse_span
        from lakehouse.maintenance.gc import collect

        return collect(
            self.store,
            dry_run=dry_run,
            grace_ns=parse_span(grace, of="grace"),
            history_ns=parse_span(history, of="history"),
            author=author,
        )

    def pins(self) -> list[Snapshot]:
        """Return the pin of every lock file that was handed out, oldest first, with who made it and why."""
        from lakehouse.catalog.pins import list_pins, load_pin

        pins = [load_pin(self.store, identity) for identity in list_pins(self.store)]
        return sorted(pins, key=lambda pin: (pin.created, pin.id))

    def drop_snapshot(
        self, name: str, *, dry_run: bool = True, author: str = "", message: str = ""
    ) -> DropReport:
        """Let go of a snapshot: garbage collection may then delete what it alone holds.

        Its document stays, and its name is never used again. Locks made from it keep what they pin.

        Args:
            name: of the snapshot.
            dry_run: say what it alone holds; nothing changes.
            author: who; empty for user@host.
            message: why, for whoever looks for it later.

        Raises:
            NotFoundError: there is none of that name, or it was dropped before.
        """
        from lakehouse.maintenance.drop import drop

        return drop(self.store, "snapshot", name, dry_run=dry_run, author=author, message=message)

    def unpin(
        self, pin: str | Path, *, dry_run: bool = True, author: str = "", message: str = ""
    ) -> DropReport:
        """Let go of what a lock file pins: the file can not be checked out any more.

        Args:
            pin: its id, as `pins()` names it, or the `Path` of the lock file.
            dry_run: say who pinned it, and what it alone holds; nothing changes.
            author: who; empty for user@host.
            message: why.

        Raises:
            NotFoundError: there is no pin of that id, or it was dropped before; or no such file.
            ArgumentError: the file is no lock.
            IntegrityError: the file was truncated or edited.
        """
        from pathlib import Path

        from lakehouse.catalog.locks import read_lock
        from lakehouse.maintenance.drop import drop

        if isinstance(pin, Path):
            pin = read_lock(pin).pin
        return drop(self.store, "lock", pin, dry_run=dry_run, author=author, message=message)

    @abstractmethod
    def __getitem__(self, name: str | ProductName) -> Product:
        """Return a product under its newest contract.

        Raises:
            NotFoundError: there is none of that name.
        """

    @abstractmethod
    def product(self, name: str | ProductName, *, major: int) -> Product:
        """Return a product under the newest contract of a major version.

        Raises:
            NotFoundError: there is no such product or major version.
        """

    def seal(self, name: str | None = None) -> list[Recovery]:
        """Make versions of the rows of this process's streams, and of what those left whose process died.

        The living streams of other processes seal their own rows. Snapshots and locks call it first.

        Args:
            name: of a product; None for all.

        Returns:
            What was sealed of each writer, and what of it could not be read.

        Raises:
            NotFoundError: there is no such product.
            StorageError: the disk refused, or has no locks.
            ConflictError: other writers won every attempt; the rows stay in the tail.

        Examples:
            >>> import lakehouse, tempfile
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> lake.seal()
            []
        """
        from lakehouse.catalog.product_names import contract_versions
        from lakehouse.catalog.versions import major_of
        from lakehouse.ingest.streaming.stream import seal_product
        from lakehouse.names import ProductName

        found = []
        for each in self.products() if name is None else [name]:
            versions = contract_versions(self.store, ProductName.parse(each))
            for major in sorted({major_of(version) for version in versions}):
                found += seal_product(partial(self.product, each, major=major))
        return found

    def compact(
        self, name: str, *, dry_run: bool = True, author: str = "", message: str = ""
    ) -> CompactReport:
        """Merge small files, and files that overlap because rows came late; the rows stay as they are.

        Each commit covers whole partitions where they fit, and is made only after the rows that were read and
        those that were written were proven equal to the recorded ones. The old files stay for old versions,
        snapshots and open readers; `gc` frees what nobody needs. What is well laid out is not touched, so
        the second of two calls does nothing. It may run beside any number of writers.

        Args:
            name: `domain.product`; the table of its newest major version.
            dry_run: say what is worth doing, and do nothing.
            author: who; empty for LAKEHOUSE_AUTHOR, or user@host.
            message: why, for the commits' records.

        Raises:
            NotFoundError: there is no such product.
            IntegrityError: a source is missing or altered, or what was written is not what was read; nothing
                of the commit at hand is visible.
            ConflictError: other writers rewrote the same files in every attempt.

        Examples:
            >>> import lakehouse, polars, tempfile
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> ticks = polars.DataFrame({"symbol": ["IBM"], "price": [1.0]})
            >>> product = lake.create("market_data.last", like=ticks, key=[])
            >>> for _ in range(3):
            ...     commit = product.append(ticks)
            >>> lake.compact("market_data.last").files_after
            1
            >>> lake.compact("market_data.last", dry_run=False).commits
            (4,)
        """
        from lakehouse.ingest.write import Provenance
        from lakehouse.maintenance.compact import compact

        return compact(self[name].table, Provenance(author, message=message), dry_run=dry_run)

    def change_layout(
        self, name: str, layout: str, *, dry_run: bool = True, author: str = "", message: str = ""
    ) -> LayoutReport:
        """Write the newest version anew in other folders; the rows, and so the digest, stay as they are.

        It is one commit, which says the new layout too, and is made only after the rows that were read and
        those that were written were proven equal to the recorded ones. Old versions, snapshots and locks keep
        the old files, and to restore one of them brings its layout back. `lake layout advise` measures first
        what a layout would bring.

        Args:
            name: `domain.product`; the table of its newest major version.
            layout: such as `date=week,symbol=row_groups`, in the grammar of contracts.
            dry_run: say what would be written anew, and do nothing.
            author: who; empty for LAKEHOUSE_AUTHOR, or user@host.
            message: why, for the commit's record.

        Raises:
            NotFoundError: there is no such product.
            ContractError: the layout is unknown, or the product has no rows yet.
            IntegrityError: a source is missing or altered, or what was written is not what was read; nothing
                was committed.
            ConflictError: other writers won every attempt.

        Examples:
            >>> import datetime, lakehouse, polars, tempfile
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> days = polars.DataFrame({"date": [datetime.date(2019, 1, 2), datetime.date(2024, 1, 2)]})
            >>> product = lake.create("macro.holidays", like=days, key=["date"])
            >>> commit = product.append(days)
            >>> report = lake.change_layout("macro.holidays", "date=year", dry_run=False)
            >>> report.before, report.commit, report.files_after
            ('date=none,symbol=row_groups', 2, 2)
        """
        from lakehouse.ingest.write import Provenance
        from lakehouse.maintenance.relayout import change_layout
        from lakehouse.partitions.layout import Layout

        provenance = Provenance(author, message=message)
        return change_layout(self[name].table, Layout.parse(layout), provenance, dry_run=dry_run)

    def retain(
        self,
        name: str,
        keep: str | None = None,
        *,
        before: Any = None,
        dry_run: bool = True,
        author: str = "",
        message: str = "",
    ) -> RetainReport:
        """Take out the rows whose time is before a cutoff; old versions, snapshots and locks keep them.

        Files that are older as a whole go without being read, those at the cutoff are written anew. The bytes
        stay on disk as long as a snapshot or a lock named in the report holds them.

        Args:
            name: `domain.product`; the table of its newest major version.
            keep: how long rows are kept, counted back from now, such as `5y` or `90d`; None takes the
                retention of the contract, else that of the domain.
            before: the cutoff itself, first instant that stays, instead of `keep`.
            dry_run: say what would go, and do nothing.
            author: who; empty for LAKEHOUSE_AUTHOR, or user@host.
            message: why, for the commit's record.

        Raises:
            ArgumentError: both `keep` and `before` are given, or neither and no retention is declared; the
                product has no time column; or `keep` would take out every row, as after a clock that jumped.
            ContractError: `keep` is no duration.
            NotFoundError: there is no such product.
            IntegrityError: a data file at the cutoff, or a snapshot or pin, can not be read.
            ConflictError: other writers won every attempt.

        Examples:
            >>> import datetime, lakehouse, polars, tempfile
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> days = polars.DataFrame({"date": [datetime.date(2019, 1, 2), datetime.date(2024, 1, 2)]})
            >>> product = lake.create("macro.holidays", like=days, key=["date"])
            >>> commit = product.append(days)
            >>> lake.retain("macro.holidays", before="2020-01-01").rows
            1
        """
        from lakehouse.ingest.write import Provenance
        from lakehouse.maintenance.retain import retain

        provenance = Provenance(author, message=message)
        return retain(self[name], keep, before=before, provenance=provenance, dry_run=dry_run)

    def restore(
        self,
        name: str,
        to: int | str | Path,
        *,
        dry_run: bool = True,
        author: str = "",
        message: str = "",
    ) -> RestoreReport:
        """Make an old version of a product the newest, as a commit of its own; nothing in between is lost.

        A snapshot or a lock names its files itself, so it can be restored where the Delta log of its version
        is gone.

        Args:
            name: `domain.product`.
            to: a version number, the name of a snapshot, or the path of a lock file; a text names a snapshot
                rather than a file.
            dry_run: say what would come and go, and do nothing.
            author: who; empty for LAKEHOUSE_AUTHOR, or user@host.
            message: why, for the commit's record.

        Raises:
            NotFoundError: there is no such product, version, snapshot or file, or the product is not in it.
            ContractError: the version is of another major contract version, or has columns or a layout that
                the table has not.
            IntegrityError: a file of the version is gone, or the lock was made in another lake.
            ConflictError: other machines won every attempt.

        Examples:
            >>> import lakehouse, polars, tempfile
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> ticks = polars.DataFrame({"symbol": ["IBM"], "price": [1.0]})
            >>> product = lake.create("market_data.last", like=ticks, key=["symbol"])
            >>> commit = product.append(ticks), product.delete("IBM")
            >>> lake.restore("market_data.last", 1).rows_come
            1
            >>> lake.restore("market_data.last", 1, dry_run=False).commit
            3
        """
        from lakehouse.ingest.write import Provenance
        from lakehouse.maintenance.restore import restore

        return restore(self.store, self[name], to, Provenance(author, message=message), dry_run=dry_run)

    def doctor(
        self,
        *,
        products: Sequence[str] | None = None,
        quick: bool = False,
        repair: bool = False,
        source: str | Path | None = None,
        author: str = "",
    ) -> Diagnosis:
        """Find what is missing, altered, torn, orphaned or foreign, and what would mend it.

        It reads a lake in which documents are broken, and one on a read-only disk. What only old versions
        name, and garbage collection has taken, is no finding. A repair looks again before it acts, never
        touches what is intact, and keeps the bytes that it replaces.

        Args:
            products: names; None for the whole lake, its documents, claims and named queries included.
            quick: names, sizes, logs and documents; by default also every byte of every data file.
            repair: run the repairs that the findings name, and then look again.
            source: another lake, export or backup to put lost files back from.
            author: who repairs; empty for user@host.

        Returns:
            The findings; after a repair, those that remain, and what was done.

        Raises:
            NotFoundError: there is no such product, or no lake at `source`.
            StorageError: the disk or bucket can not be listed.

        Examples:
            >>> import lakehouse, tempfile
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> lake.doctor().ok
            True
        """
        from lakehouse.maintenance.doctor import diagnose, open_source

        return diagnose(
            self.store,
            products=products,
            quick=quick,
            repair=repair,
            source=None if source is None else open_source(source),
            author=author,
        )
