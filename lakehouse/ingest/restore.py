"""Make an old version the newest again, as a commit of its own."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from lakehouse.catalog.authors import author_of
from lakehouse.catalog.documents import storable
from lakehouse.catalog.session import session_of
from lakehouse.errors import AlreadyExistsError, ConflictError, IntegrityError, LeaseExpiredError
from lakehouse.ingest.write import ATTEMPTS, Provenance, repeated
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.table import Change

if TYPE_CHECKING:
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table


def restore(
    table: Table,
    old: TableState,
    provenance: Provenance,
    *,
    only_from: int | None = None,
    undone: Sequence[str] = (),
) -> Commit:
    """Commit the files of an old version; a version that equals the head makes a commit too.

    Files that lie in another layout bring it back with them: no file of the head can be one of theirs.

    Args:
        table: where to commit; a table whose log is gone is begun anew.
        old: the version, from the log or from a manifest.
        provenance: who and why.
        only_from: the version that must be the head; None for any.
        undone: idempotency keys of the commits that this takes back, which may then be done again.

    Raises:
        IntegrityError: a file of it is gone.
        LeaseExpiredError: this process stood still and was taken for dead, so a file of it may be gone.
        ConflictError: other machines won every attempt, or the head is not `only_from`.
    """
    session = session_of(table.store)
    writer = session.intend(table.path)
    session.confirm([old], f"version {old.version} of {table.name}")
    missing = [file.path for file in old.files if table.store.size(file.path) != file.size]
    if missing:
        raise IntegrityError(
            f"{len(missing)} files of version {old.version} are gone, such as {missing[0]}.",
            hint="Restore a later version.",
        )
    if not table.exists:
        with suppress(AlreadyExistsError):
            table.create(old.layout or Layout())
    for _ in range(ATTEMPTS):
        with table.queue():
            head = table.head()
            done = repeated(table, head, provenance)
            if done is not None:
                return done
            if only_from not in (None, head.version):
                raise ConflictError(f"{table.name} is at version {head.version}, not {only_from}.")
            if session.is_fenced(writer, head.transactions):
                raise LeaseExpiredError.of(f"version {old.version} of {table.name}")
            try:
                change = _change(old, head, provenance, undone)
                return table.commit(head, change, _record(old, head, provenance))
            except AlreadyExistsError:  # a writer on another machine was faster: look again
                continue
    raise ConflictError(f"Other machines wrote {table.name} before each of {ATTEMPTS} attempts.")


def _change(old: TableState, head: TableState, provenance: Provenance, undone: Sequence[str]) -> Change:
    before, after = {file.path for file in head.files}, {file.path for file in old.files}
    return Change(
        readd=tuple(file for file in old.files if file.path not in before),
        remove=tuple(file for file in head.files if file.path not in after),
        transactions={provenance.idempotency_key: 0} if provenance.idempotency_key else {},
        undone=undone,
        layout=old.layout if old.files and old.layout != head.layout else None,
    )


def _record(old: TableState, head: TableState, provenance: Provenance) -> Commit:
    shared = {file.path for file in head.files} & {file.path for file in old.files}
    return Commit(
        product="",
        version=0,
        operation="restore",
        time="",
        id=uuid.uuid4().hex,
        removed=sum(file.rows for file in head.files if file.path not in shared),
        author=author_of(provenance.author),
        source=storable(provenance.source or f"version {old.version}"),
        message=storable(provenance.message),
        transaction=provenance.transaction,
        idempotency_key=provenance.idempotency_key,
    )
