"""Which sessions are dead; and the burial: a fence in each table they wrote, then the end of their lease."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from lakehouse.catalog.claims import Intent, Lease, delete_lease, fence_key, list_leases
from lakehouse.catalog.condemned import Condemned
from lakehouse.errors import AlreadyExistsError
from lakehouse.maintenance.tables import open_table
from lakehouse.names import ProductName
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.table import Change, Table
from lakehouse.store import Store
from lakehouse.times import NS_PER_SECOND


def dead_sessions(leases: Iterable[Lease], intents: Iterable[Intent], seen: Sequence[Condemned]) -> set[str]:
    """Return the sessions that are proven to be dead.

    Args:
        leases: of all sessions.
        intents: of all sessions; one without a lease is left of a burial that was cut short.
        seen: the condemned lists, which say when a collector of this machine saw which renewal.
    """
    known = {lease.session: lease for lease in leases}
    dead = {session for session, lease in known.items() if _is_dead(lease, seen)}
    return dead | {intent.session for intent in intents if intent.session not in known}


def _is_dead(lease: Lease, seen: Sequence[Condemned]) -> bool:
    if lease.process.is_gone:
        return True
    time_to_live_ns = int(lease.time_to_live_s * NS_PER_SECOND)
    return any(
        each.sessions.get(lease.session) == lease.number and (each.seen_for_ns or 0) >= time_to_live_ns
        for each in seen
        if each.seen_for_ns is not None
    )


def bury(store: Store, session: str, intents: Iterable[Intent], *, author: str) -> bool:
    """End a session that was judged dead.

    Its tables are fenced first, so that whatever it still tries to commit is refused; then its lease goes. It
    lives after all if it renews its lease meanwhile: the fence then only makes its writers plan anew.

    Returns:
        Whether it is dead.
    """
    for intent in intents:
        if intent.session == session:
            fence(table_of(store, intent.table), session, author=author)
    delete_lease(store, session)
    return session not in list_leases(store)


def fence(table: Table, session: str, *, author: str) -> None:
    """Commit that a session can commit no more; a table that nobody created has nothing to fence.

    A commit is conditional on the head against which it was checked, so each one of the session either lies
    before the fence, or meets it.
    """
    record = Commit("", 0, "fence", "", id=uuid.uuid4().hex, author=author, message=f"session {session}")
    key = fence_key(session)
    while table.exists:
        with table.queue():
            head = table.head()
            if key in head.transactions:
                return
            try:
                table.commit(head, Change(transactions={key: 0}), record)
            except AlreadyExistsError:  # a writer on another machine was faster
                continue
            return


def table_of(store: Store, path: str) -> Table:
    """Return a fresh view of the table at a path.

    Raises:
        NotFoundError: the product is not in the catalog.
    """
    domain, product, major = path.removeprefix("partitions/").split("/")
    return open_table(store, ProductName(domain, product), int(major.removeprefix("v")))
