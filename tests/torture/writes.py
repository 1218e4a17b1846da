"""An acknowledged write is in the log once, one that failed is not, one that was killed at most once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.torture.delta import Entry
from tests.torture.history import Operation
from tests.torture.model import KEYED, digest_of

ONCE = ("append", "upsert", "update", "delete")
AT_MOST_ONCE = (*ONCE, "restore", "retain")
PINNING = ("snapshot", "lock", "transaction")


def check(operations: Sequence[Operation], log: Sequence[Entry], product: str) -> Iterator[str]:
    """Compare what was said of writes with the entries of the log."""
    landed = Counter(entry.record.get("message") for entry in log)
    mine = [each for each in operations if each.product == product and each.do in AT_MOST_ONCE]
    for operation in {each.id: each for each in mine}.values():
        if landed[operation.id] > 1:
            yield f"the {operation.do} {operation.id} is in the log {landed[operation.id]} times"
    for operation in mine:
        if operation.result is not None and operation.do in ONCE:
            yield from _check_acknowledged(operation, log)
    failed = {each.id for each in mine} - {each.id for each in mine if each.error is None}
    for identity in failed & landed.keys():
        yield f"the operation {identity} raised, and is in the log"
    yield from _check_keys(log)


def _check_acknowledged(operation: Operation, log: Sequence[Entry]) -> Iterator[str]:
    assert operation.result is not None
    what, version = f"the {operation.do} {operation.id}", operation.result["version"]
    if not 0 < version < len(log):
        yield f"{what} was acknowledged as version {version}, and is lost"
        return
    record = log[version].record
    if record.get("message") != operation.id:
        yield f"{what} was acknowledged as version {version}, which is another's: {record.get('message')!r}"
    for fact in ("digest", "rows"):
        if record.get(fact, 0) != operation.result[fact]:
            yield f"{what} was acknowledged with another {fact} than version {version} has"


def _check_keys(log: Sequence[Entry]) -> Iterator[str]:
    """A key is committed once, until the commit of it is taken back."""
    standing: set[str] = set()
    for entry in log:
        for key, done in entry.keys:
            if done and key in standing:
                yield f"the idempotency key {key} was committed twice, again by version {entry.version}"
            if not done and key not in standing:
                yield f"version {entry.version} takes back the key {key}, which does not stand"
            (standing.add if done else standing.discard)(key)


def check_digest(entry: Entry, rows: Sequence[tuple[str, int, float, int]], product: str) -> Iterator[str]:
    """Compare a record with the rows of the model; a product with a key stores no ranks."""
    if entry.record.get("rows", 0) != len(rows):
        yield f"version {entry.version} says {entry.record.get('rows', 0)} rows, and has {len(rows)}"
    if product == KEYED and entry.version and entry.record.get("digest") != digest_of(rows):
        yield f"version {entry.version} has another digest than its rows"
