"""One look at one table: its log, its files, what lies among them, and what would better it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakehouse.catalog.contract import Contract
from lakehouse.maintenance.doctor.advice import advise
from lakehouse.maintenance.doctor.checkpoints import check_checkpoints, checkpoint_versions
from lakehouse.maintenance.doctor.claims import Claims
from lakehouse.maintenance.doctor.files import Recorded, check_files
from lakehouse.maintenance.doctor.findings import Finding
from lakehouse.maintenance.doctor.heads import head_of, with_advice
from lakehouse.maintenance.doctor.log import read_log
from lakehouse.maintenance.doctor.recorded import recorded_files
from lakehouse.maintenance.doctor.schemas import check_schema_of
from lakehouse.maintenance.doctor.sets import PinnedState
from lakehouse.maintenance.doctor.strays import check_strays, is_ours
from lakehouse.maintenance.garbage import writer_of
from lakehouse.names import ProductName
from lakehouse.store import Entry, Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the look at a table needs of the rest of the lake."""

    contracts: Mapping[str, Contract | None]
    """each version of the product's contract; None for a broken one"""
    claims: Claims
    """of the lake"""
    pinned: Sequence[PinnedState]
    """the versions of the table that snapshots and locks hold"""


def product_of(table: str) -> ProductName:
    """Return the product of a table's path."""
    _, domain, product, _ = table.split("/")
    return ProductName(domain, product)


def check_table(
    store: Store,
    table: str,
    listing: Sequence[Entry],
    around: Surroundings,
    *,
    read: bool,
    only: Collection[str] | None = None,
) -> tuple[list[Finding], int]:
    """Look at a table.

    Args:
        store: the lake.
        table: its path.
        listing: of the objects in its folder.
        around: the rest of the lake.
        read: also read data files.
        only: the data files to read; None for all.

    Returns:
        The findings, and the number of files that are recorded.
    """
    of_log = [entry for entry in listing if entry.path.startswith(f"{table}/_delta_log/")]
    checkpoints = checkpoint_versions(of_log, quick=not read)
    log = read_log(store, table, of_log, moments=checkpoints)
    head = head_of(store, product_of(table), int(table.rpartition("/v")[2]), log)
    recorded = recorded_files(head, log, around.pinned)
    sizes = {entry.path: entry.size for entry in listing}
    damaged = list(_check_files(store, recorded, sizes, read=read, only=only))
    findings = [*log.findings, *check_checkpoints(store, table, of_log, log, checkpoints)]
    findings += with_advice(head, log, damaged, sizes)
    named = log.named.union(each.path for each in recorded)
    lost = log.newest < 0 and (bool(around.pinned) or _has_commits(table, sizes, named, around.claims))
    if lost:
        what = "there are data files, and no log that names them"
        advice = "Take _delta_log from a backup; snapshots and locks are readable without it."
        findings.append(Finding("log-hole", f"{table}/_delta_log", what, advice=advice))
    whole = not lost and (log.whole or log.newest < 0)
    findings += check_strays(table, sizes, named, around.claims, log_is_whole=whole)
    if head is not None:
        findings += check_schema_of(table, head, around.contracts)
        findings += advise(table, head)
    return findings, len(recorded)


def _check_files(
    store: Store,
    recorded: Sequence[Recorded],
    sizes: Mapping[str, int],
    *,
    read: bool,
    only: Collection[str] | None,
) -> Iterator[Finding]:
    if only is None or not read:
        yield from check_files(store, recorded, sizes, read=read)
        return
    chosen = [each for each in recorded if each.path in only]
    yield from check_files(store, chosen, sizes, read=True)
    yield from check_files(store, [e for e in recorded if e.path not in only], sizes, read=False)


def _has_commits(table: str, paths: Collection[str], named: Collection[str], claims: Claims) -> bool:
    """Say whether files lie there that a commit must have named: their writers have ended in order."""
    writers = {intent.session for intent in claims.intents if intent.table == table} | claims.living
    return any(
        is_ours(path)
        and path not in named
        and writer_of(path) not in writers
        and path not in claims.condemned
        for path in paths
    )
