"""Make a smaller lake of just the data that a lock pins."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import AlreadyExistsError, IntegrityError

if TYPE_CHECKING:
    from lakehouse.catalog.locks import Lock
    from lakehouse.lake import Lake
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table
    from lakehouse.store import Store


def export_lock(lake: Lake, lock: str | Path | Lock, target: str | Path) -> Store:
    """Copy pinned files, contracts, named queries and the pin, so that the lock opens the copy too.

    The identity of the lake is copied with it, and `lake.json` is published last: a broken export is no
    lake. In the copy each product has one version, whose rows and digest are the pinned ones. An export that
    was cut short is completed by repeating it.

    Raises:
        AlreadyExistsError: there is a lake at the target, or a part of the export of another lock.
        IntegrityError: a pinned file is missing or altered.
        StorageError: the target can not be written, or is a bucket where two writers can both win.
    """
    from lakehouse.catalog.locks import Lock, read_lock
    from lakehouse.store import open_store
    from lakehouse.store.probe import require_safe

    read = lock if isinstance(lock, Lock) else read_lock(lock)
    store = open_store(target)
    if store.size("catalog/lake.json") is not None:
        raise AlreadyExistsError(f"There is a lake at {target} already.")
    require_safe(store)
    found = lake.checkout(read)
    problems = found.verify().problems
    if problems:
        raise IntegrityError(
            f"Can not export: {problems[0].path}: {problems[0].what}.", hint="lake verify names all problems."
        )
    for state in found.states.values():
        _copy_product(lake.store, store, state)
    for folder in (f"catalog/pins/{read.pin}", "catalog/domains", "queries"):
        _copy_folder(lake.store, store, folder)
    _copy(lake.store, store, f"catalog/pins/{read.pin}.json")
    _copy(lake.store, store, "catalog/lake.json")
    return store


def _copy_product(source: Store, target: Store, state: TableState) -> None:
    from lakehouse.partitions.table import Table, Terms

    for file in state.files:
        _copy(source, target, file.path)
    _copy_folder(source, target, f"catalog/products/{state.name.domain}/{state.name.product}")
    terms = Terms(state.schema, state.contract_version, state.layout)
    table = Table(target, state.name, state.major, lambda: terms)
    _commit_files(table, state, f"version {state.version} of {source.url}")


def _commit_files(table: Table, state: TableState, source: str) -> None:
    """Bring the copy's table to the pinned state, from wherever an export that was cut short left it."""
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.partitions.layout import Layout
    from lakehouse.partitions.table import Change

    layout = state.layout or Layout()
    head = table.head() if table.exists else table.create(layout)
    if (head.schema, head.layout) != (state.schema, layout) or (head.version and head.digest != state.digest):
        raise AlreadyExistsError(
            f"{table.store.url} holds other data of {state.name}: another lock's export was cut short.",
            hint="Export into an empty folder.",
        )
    if head.version:
        return
    record = Commit(
        "",
        0,
        "export",
        "",
        id=uuid.uuid4().hex,
        accepted=state.rows,
        rows_in=state.rows,
        source=source,
    )
    table.commit(head, Change(readd=state.files), record)


def _copy_folder(source: Store, target: Store, folder: str) -> None:
    for entry in source.list(folder):
        _copy(source, target, entry.path)


def _copy(source: Store, target: Store, path: str) -> None:
    if target.size(path) is None:
        # By handles: copyfile would name the source, and not the target's disk, where that is full.
        with (
            source.held(path) as local,
            target.stage(path) as temporary,
            local.open("rb") as reader,
            temporary.open("wb") as writer,
        ):
            shutil.copyfileobj(reader, writer)
