"""The head of a table, even where its log is broken; and which older version is still intact."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from lakehouse.errors import LakehouseError
from lakehouse.maintenance.doctor.findings import Finding
from lakehouse.maintenance.doctor.log import LogReading
from lakehouse.names import ProductName
from lakehouse.partitions import digest as digests
from lakehouse.partitions.delta_log import read_metadata
from lakehouse.partitions.state import TableState
from lakehouse.partitions.table import Table, Terms
from lakehouse.schema import Column, TableSchema
from lakehouse.store import Store

_NO_TERMS = Terms(TableSchema((Column("unknown", "string"),)))
"""of a table whose log will tell a better one"""


def head_of(store: Store, name: ProductName, major: int, log: LogReading) -> TableState | None:
    """Return the version that readers see, None where they see none.

    From the log as the doctor read it; where that is broken, as readers find it from a checkpoint.
    """
    if log.newest < 0:
        return None
    if not log.whole:
        try:
            return _table(store, name, major).head()
        except LakehouseError:  # each broken entry is a finding of its own
            return None
    schema, layout, contract_version = read_metadata(log.last.metadata)
    files = tuple(log.last.files.values())
    digest = digests.add(digests.EMPTY, *(file.digest for file in files))
    return TableState(store, name, major, log.last.version, schema, layout, files, digest, contract_version)


def table_at(store: Store, path: str) -> Table:
    """Return a table by its path, also where no contract leads to it."""
    _, domain, product, major = path.split("/")
    return _table(store, ProductName(domain, product), int(major.removeprefix("v")))


def _table(store: Store, name: ProductName, major: int) -> Table:
    return Table(store, name, major, lambda: _NO_TERMS)


def with_advice(
    head: TableState | None, log: LogReading, damaged: Iterable[Finding], present: Collection[str]
) -> list[Finding]:
    """Add to damaged files of the head which older version is intact.

    Args:
        head: what readers see.
        log: of the table.
        damaged: findings about data files.
        present: paths of the objects in the table's folder.
    """
    found = list(damaged)
    live = {file.path for file in head.files} if head is not None else set()
    if head is None or not any(finding.path in live for finding in found):
        return found
    bad = {finding.path for finding in found} | {path for path in log.facts if path not in present}
    version = _newest_intact(log, bad)
    if version is None:
        advice = "No older version is intact: put the file back from a backup or an export."
    else:
        advice = (
            "Put it back from a copy, an export or a backup (lake doctor --source PATH --apply), or go back "
            f"to the newest intact version: lake restore {head.name} {version} --apply"
        )
    return [replace(each, advice=advice) if each.path in live else each for each in found]


def _newest_intact(log: LogReading, bad: Collection[str]) -> int | None:
    """Return the newest version all of whose files are there and as recorded; version 0 has none to lose."""
    lives = [life for life in log.lifetimes if life.path in bad]
    version = log.last.version
    while version > 0:
        covering = [life.added for life in lives if life.meets((version,))]
        if not covering:
            return version
        version = min(covering) - 1
    return None
