"""The order of versions is an order in which everything can have happened: heads are linearizable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.torture.delta import Entry
from tests.torture.history import Operation
from tests.torture.writes import ONCE


@dataclass(frozen=True, slots=True)
class Sight:
    """An acknowledged operation, and the version of one product that it made or saw."""

    operation: Operation
    """which"""
    version: int
    """made or seen"""
    wrote: bool
    """whether it made it"""


def check(operations: Sequence[Operation], log: Sequence[Entry], product: str) -> Iterator[str]:
    """Compare the order of versions with the order of time: of two operations, the later sees the earlier."""
    sights = list(_sights(operations, product))
    ends = sorted(sights, key=lambda sight: sight.operation.ended or 0)
    newest, position = -1, 0
    for sight in sorted(sights, key=lambda sight: sight.operation.invoked):
        while position < len(ends) and (ends[position].operation.ended or 0) < sight.operation.invoked:
            newest = max(newest, ends[position].version)
            position += 1
        if sight.version < newest + sight.wrote:
            what = f"the {sight.operation.do} {sight.operation.id}"
            yield f"{what} is at version {sight.version}, though version {newest} was known before it began"
    yield from _check_no_foresight(operations, log, sights)


def _check_no_foresight(
    operations: Sequence[Operation], log: Sequence[Entry], sights: Sequence[Sight]
) -> Iterator[str]:
    begun: dict[str, int] = {}
    for operation in operations:
        begun.setdefault(operation.id, operation.invoked)
    for sight in sights:
        what = f"the {sight.operation.do} {sight.operation.id}"
        if sight.version >= max(1, len(log)):
            yield f"{what} saw version {sight.version}, which is lost"
            continue
        writer = log[sight.version].record.get("message", "") if log else ""
        if begun.get(writer, 0) > (sight.operation.ended or 0):
            yield f"{what} saw version {sight.version} before it was made"


def _sights(operations: Sequence[Operation], product: str) -> Iterator[Sight]:
    attempts = Counter(operation.id for operation in operations)
    for operation in operations:
        result = operation.result
        if result is None:
            continue
        if operation.do in ONCE and operation.product == product:
            if not result["repeated"] and attempts[operation.id] == 1:
                yield Sight(operation, result["version"], wrote=True)
        elif operation.do == "transaction" and product in result["commits"]:
            commit = result["commits"][product]
            if not commit["repeated"] and attempts[operation.id] == 1:
                yield Sight(operation, commit["version"], wrote=True)
        elif operation.do == "read" and operation.product == product:
            yield Sight(operation, result["version"], wrote=False)
        elif _saw_heads(operation) and product in result["seen"]:
            yield Sight(operation, result["seen"][product]["version"], wrote=False)


def _saw_heads(operation: Operation) -> bool:
    return operation.do in ("snapshot", "lock") or (operation.do == "hold" and "name" not in operation.step)
