"""The maintenance of an open lake: each call explains first, and acts where it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.view import LakeView

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lakehouse.maintenance.doctor import Diagnosis
    from lakehouse.maintenance.gc import GarbageReport


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
