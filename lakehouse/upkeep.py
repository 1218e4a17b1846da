"""The maintenance of an open lake: each call explains first, and acts where it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.view import LakeView

if TYPE_CHECKING:
    from lakehouse.catalog.pinned import Snapshot
    from lakehouse.maintenance.drop import DropReport
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

    def pins(self) -> list[Snapshot]:
        """Return the pin of every lock file that was handed out, oldest first: who made it, when, why, of what."""
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

    def unpin(self, pin: str, *, dry_run: bool = True, author: str = "", message: str = "") -> DropReport:
        """Let go of what a lock file pins: the file can not be checked out any more.

        Args:
            pin: its id, as `pins()` and the lock file name it.
            dry_run: say who pinned it, and what it alone holds; nothing changes.
            author: who; empty for user@host.
            message: why.

        Raises:
            NotFoundError: there is no pin of that id, or it was dropped before.
        """
        from lakehouse.maintenance.drop import drop

        return drop(self.store, "lock", pin, dry_run=dry_run, author=author, message=message)
