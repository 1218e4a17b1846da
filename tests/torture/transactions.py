"""Transactions: a write is there whole or not at all, and a name holds exactly the versions of one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.torture.delta import Entry
from tests.torture.history import Operation
from tests.torture.model import parts_of

Logs = Mapping[str, Sequence[Entry]]


def is_taken_back(entry: Entry) -> bool:
    """Say whether an entry takes back a write of a failed transaction."""
    record = entry.record
    message = f"transaction {record.get('transaction')} failed"
    return record.get("operation") == "restore" and record.get("message") == message


def check(root: Path, operations: Sequence[Operation], logs: Logs) -> Iterator[str]:
    """Compare the names in the lake with the log, and what was said with both."""
    made = {
        (product, entry.record.get("message")): entry.version
        for product, log in logs.items()
        for entry in log
        if not is_taken_back(entry)
    }
    mine = [operation for operation in operations if operation.do == "transaction"]
    for operation in mine:
        parts = {part["product"]: made.get((part["product"], key)) for key, part in parts_of(operation.step)}
        yield from _check_name(root, operation, parts)
        if operation.result is not None:
            said = {product: commit["version"] for product, commit in operation.result["commits"].items()}
            if said != parts:
                yield f"the transaction {operation.id} says {said}, and the log {parts}"
    failed = {each.id for each in mine} - {
        each.id for each in mine if each.error in (None, "TransactionError")
    }
    for operation in mine:
        if operation.id in failed:
            for key, part in parts_of(operation.step):
                if (part["product"], key) in made:
                    yield f"the transaction {operation.id} was refused, and {key} is in the log"


def _check_name(root: Path, operation: Operation, parts: Mapping[str, int | None]) -> Iterator[str]:
    document = root / "lake" / "catalog" / "snapshots" / f"{operation.step['name']}.json"
    if not document.exists():
        return
    products = json.loads(document.read_text())["products"]
    named = {each["name"]: each["version"] for each in products}
    if named != parts:
        yield f"the name of transaction {operation.id} holds {named}, and the log says {parts}"
