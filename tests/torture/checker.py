"""Prove from what processes said, and from the lake that they left, that every promise was kept.

The Delta log and the Parquet files are read without the library, and a model on plain lists says what each
commit must have made; the library's own reads are compared with both. Each objection is a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture import differences, healing, order, pins, reads, transactions, writes
from tests.torture.delta import Entry, Forked, read_log
from tests.torture.history import Operation, read_history
from tests.torture.model import PRODUCTS, ImpossibleError, Row, after, parts_of

NEUTRAL = {"create", "fence", "evolve", "compact", "layout"}
"""operations of commits that change no row"""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one product."""

    root: Path
    """the folder of the run; the lake is below it"""
    product: str
    """`domain.product`"""
    operations: Sequence[Operation]
    """those of every process, by the time of their invocation"""
    log: Sequence[Entry]
    """every entry of the log, by version"""
    repaired: bool = False
    """whether this is the look after a repair"""
    rows: dict[int, list[Row]] = field(default_factory=dict)
    """what the model says of each version"""

    @property
    def collected(self) -> bool:
        """Whether files of old versions may be gone."""
        return self.repaired or any(
            each.do == "gc" or (each.do == "doctor" and each.step["repair"]) for each in self.operations
        )


def check(root: Path) -> list[str]:
    """Return every objection to what happened below `root`; none if every promise was kept."""
    operations = read_history(root / "journals")
    found = _check(root, operations)
    if found:
        return found
    repaired, objections = healing.repair(root, operations)
    return [*objections, *(_check(root, operations, repaired=True) if repaired else [])]


def _check(root: Path, operations: Sequence[Operation], *, repaired: bool = False) -> list[str]:
    known, objections = [], list(reads.check_errors(operations))
    for product in PRODUCTS:
        try:
            facts = Facts(root, product, operations, read_log(root, product), repaired)
        except Forked as fork:
            objections.append(
                f"{product}: version {fork.version} was committed twice, with different entries"
            )
            continue
        objections += [f"{product}: {what}" for what in _check_product(facts)]
        known.append(facts)
    rows = {facts.product: facts.rows for facts in known}
    logs = {facts.product: facts.log for facts in known}
    objections += [*transactions.check(root, operations, logs), *differences.check(operations, rows)]
    return [*objections, *healing.check(operations), *pins.check(root, operations, rows)]


def _check_product(facts: Facts) -> Iterator[str]:
    if [entry.version for entry in facts.log] != list(range(len(facts.log))):
        yield f"the log has a hole: {[entry.version for entry in facts.log]}"
        return
    yield from _replay(facts)
    yield from writes.check(facts.operations, facts.log, facts.product)
    yield from order.check(facts.operations, facts.log, facts.product)
    yield from reads.check(facts.operations, facts.rows, facts.log, facts.product)
    yield from reads.check_stored(facts.root, facts.log, facts.rows, facts.product, facts.collected)
    yield from reads.check_head(facts.root, facts.log, facts.rows, facts.product)


def _replay(facts: Facts) -> Iterator[str]:
    """Fill in what the model says of each version, and object to what it would not have done."""
    steps = {operation.id: operation.step for operation in facts.operations}
    steps |= {
        key: {"id": key, **part} for operation in facts.operations for key, part in parts_of(operation.step)
    }
    rows: list[Row] = []
    for entry in facts.log:
        operation, message = entry.record.get("operation"), entry.record.get("message", "")
        step = steps.get(message)
        if step is not None and step.get("product") == facts.product:
            try:
                rows = after(rows, step, facts.rows)
            except ImpossibleError as error:
                yield str(error)
        elif transactions.is_taken_back(entry):
            rows = facts.rows[entry.version - 2]
            if facts.log[entry.version - 1].record.get("transaction") != entry.record["transaction"]:
                yield f"version {entry.version} takes back what another wrote"
        elif operation not in NEUTRAL:
            yield f"nobody asked for version {entry.version}, {operation} {message!r}"
        facts.rows[entry.version] = rows
