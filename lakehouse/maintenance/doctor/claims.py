"""Leases, intents and condemned lists: what dead processes left, judged by the collector's own rule."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lakehouse.catalog import condemned as lists
from lakehouse.catalog.claims import INTENTS, LEASES, Intent, Lease, load_intent, load_lease
from lakehouse.catalog.condemned import Condemned, load_condemned
from lakehouse.catalog.documents import read_json
from lakehouse.catalog.process import Process
from lakehouse.maintenance.doctor.documents import try_read
from lakehouse.maintenance.doctor.findings import Finding, Repair
from lakehouse.maintenance.sessions import dead_sessions
from lakehouse.store import Store
from lakehouse.times import to_nanoseconds

COLLECT = Repair("collect", "run garbage collection, which buries dead processes and takes what they left")

_REFUSES = "Nobody knows what it holds, so garbage collection refuses to run."
_REMOVE = "Delete it where you know that its process has ended."
_LONG_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Claims:
    """Who uses the lake, as far as the documents can be read."""

    living: frozenset[str]
    """sessions that are not proven to be dead"""
    dead: frozenset[str]
    """sessions that are"""
    intents: tuple[Intent, ...]
    """of all sessions"""
    condemned: frozenset[str]
    """files that garbage collection has taken charge of"""
    findings: tuple[Finding, ...]
    """what is wrong with the documents themselves"""


def read_claims(store: Store, paths: Iterable[str]) -> Claims:
    """Read every claim; intents before leases, since a session publishes its lease first and deletes it last.

    Args:
        store: the lake.
        paths: of every object below `catalog`.
    """
    listed = sorted(paths)
    findings: list[Finding] = []
    intents: list[Intent] = []
    leases: dict[str, Lease] = {}
    found: list[Condemned] = []
    unknown: set[str] = set()
    for path in _below(listed, INTENTS):
        intent, fault = try_read(path, partial(load_intent, store, path), _REFUSES)
        findings += [_removable(fault)] if fault else []
        intents += [intent] if intent else []
    for path in [entry.path for entry in store.list(LEASES)]:
        lease, fault = try_read(path, partial(load_lease, store, path), _REFUSES)
        if fault:
            findings.append(_removable(fault))
            unknown.add(path.removeprefix(f"{LEASES}/").partition(".")[0])
        if lease and (lease.session not in leases or leases[lease.session].number < lease.number):
            leases[lease.session] = lease
    for path in _below(listed, lists.FOLDER):
        if not path.endswith(lists.FINAL):
            each, fault = try_read(path, partial(load_condemned, store, path), _REFUSES)
            findings += [fault] if fault else []
            found += [each] if each else []
    findings += _marks(store, listed, found)
    dead = frozenset(dead_sessions(leases.values(), intents, found)) - unknown
    return Claims(
        frozenset((leases.keys() - dead) | unknown),
        dead,
        tuple(intents),
        frozenset(file for each in found for file in each.files),
        (*findings, *_dead_leases(leases.values(), dead)),
    )


def dead_intents(claims: Claims, left: Iterable[str]) -> Iterator[Finding]:
    """Yield the intents of dead sessions, but for those whose files already wait for their deletion.

    Args:
        claims: of the lake.
        left: the sessions of which a file is condemned.
    """
    waiting = frozenset(left)
    for intent in claims.intents:
        if intent.session in claims.dead and intent.session not in waiting:
            what = f"the process of session {intent.session} died while it wrote {intent.table}"
            yield Finding("dead-intent", intent.path, what, repair=COLLECT)


def _dead_leases(leases: Iterable[Lease], dead: Iterable[str]) -> Iterator[Finding]:
    for lease in leases:
        if lease.session in dead:
            yield Finding("dead-lease", lease.path, f"the {lease} is that of a dead process", repair=COLLECT)


def _marks(store: Store, listed: Iterable[str], found: Iterable[Condemned]) -> Iterator[Finding]:
    """Yield the final lists that nobody works off, and the marks of lists that are worked off."""
    by_path = {each.path: each for each in found}
    for path in _below(listed, lists.FOLDER):
        if not path.endswith(lists.FINAL):
            continue
        of = lists.list_of_mark(path)
        document, fault = try_read(path, partial(read_json, store, path))
        if fault:
            yield fault
        if store.size(of) is None:
            repair = Repair("delete-mark", "delete the mark: ids of lists are never used again")
            yield Finding("stray-mark", path, "the mark of a list that was worked off", repair=repair)
        elif of in by_path and _is_abandoned(document or {}, by_path[of]):
            what = f"{by_path[of].author} was about to delete {len(by_path[of].files)} files, and stopped"
            yield Finding("half-collected", of, what, repair=COLLECT)


def _is_abandoned(mark: Mapping[str, Any], condemned: Condemned) -> bool:
    """Say whether the collector that marked a list is gone, or has had more time than deleting takes."""
    try:
        marked, process = to_nanoseconds(mark["time"]), Process(**mark["process"])
    except (KeyError, TypeError, ValueError):
        marked, process = time.time_ns(), condemned.process
    return process.is_gone or time.time_ns() - marked > _LONG_NS


def _removable(fault: Finding) -> Finding:
    return Finding(fault.kind, fault.path, fault.what, consequence=fault.consequence, advice=_REMOVE)


def _below(paths: Iterable[str], folder: str) -> list[str]:
    return [path for path in paths if path.startswith(f"{folder}/")]
