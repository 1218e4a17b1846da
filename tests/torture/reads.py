"""What was read is one whole version, whoever reads: a process back then, this one now, or plain Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

import lakehouse
from lakehouse.product import ReadableProduct
from tests.torture.delta import Entry, live_files, stored_rows, table_folder
from tests.torture.history import Operation
from tests.torture.model import KEYED, NS_PER_SLOT, Row, digest_of
from tests.torture.writes import PINNING, check_digest

Rows = Mapping[int, Sequence[Row]]

MAY_FAIL = {
    "append": {"KeyConflictError", "ConflictError"},
    "upsert": {"ConflictError"},
    "update": {"ConflictError"},
    "delete": {"ConflictError", "NotFoundError"},
    "restore": {"ConflictError", "NotFoundError", "IntegrityError"},
    "retain": {"ConflictError", "ArgumentError"},
    "compact": {"ConflictError"},
    "layout": {"ConflictError"},
    "read_old": {"NotFoundError", "IntegrityError"},
    "snapshot": {"AlreadyExistsError"},
    "create": {"AlreadyExistsError"},
    "drop": {"NotFoundError"},
    "hold": {"NotFoundError"},
    "unpin": {"NotFoundError"},
    "diff": {"NotFoundError"},
    "transaction": {"AlreadyExistsError", "KeyConflictError", "TransactionError"},
}
"""errors that are right in themselves: of rows that conflict, of versions and names that are gone"""
STOOD_STILL = "LeaseExpiredError"
"""right where the process stood still so long that it may be taken for dead"""


def check_errors(operations: Sequence[Operation]) -> Iterator[str]:
    """Object to errors that are no answer, such as a file that is missing under a reader."""
    for operation in operations:
        expected = MAY_FAIL.get(operation.do, set()) | ({STOOD_STILL} if operation.stood_still else set())
        if operation.error and operation.error not in expected:
            yield f"the {operation.do} {operation.id} raised {operation.error}: {operation.message}"
        if operation.do == "verify" and operation.result and operation.result["problems"]:
            yield f"the verify {operation.id} found {operation.result['problems']}"


def check(operations: Sequence[Operation], rows: Rows, log: Sequence[Entry], product: str) -> Iterator[str]:
    """Compare what processes read with the model."""
    first: dict[str, Any] = {}
    for operation in operations:
        result = operation.result or {}
        if operation.do in ("read", "read_old") and operation.product == product and result:
            yield from _check_read(operation, result, rows, log)
        if operation.do in ("hold", *PINNING) and product in result.get("seen", {}):
            first[operation.id] = result["seen"][product]
            yield from _check_facts(operation, result["seen"][product], log)
        for name, held in result.get("held", {}).items():
            if product not in held:
                continue
            yield from _check_read(operation, held[product], rows, log)
            if name in first and held[product]["digest"] != first[name]["digest"]:
                yield f"what {name} held has another digest in {operation.id} than at first"


def check_stored(
    root: Path, log: Sequence[Entry], rows: Rows, product: str, collected: bool
) -> Iterator[str]:
    """Read every version from its Parquet files; those of old versions may have been collected."""
    folder = table_folder(root / "lake", product)
    for entry in log:
        yield from check_digest(entry, rows[entry.version], product)
        files = [folder / path for path in live_files(list(log), entry.version)]
        missing = [file.name for file in files if not file.exists()]
        if missing and collected and entry is not log[-1]:
            continue
        if missing:
            yield f"files of version {entry.version} are missing: {missing}"
            continue
        try:
            found = stored_rows(files)
        except (OSError, pa.ArrowException) as error:
            yield f"a file of version {entry.version} can not be read: {error}"
            continue
        if [row for row, _ in found] != list(rows[entry.version]):
            yield f"the files of version {entry.version} have other rows than the model"
        ranks = None if product == KEYED else [rank for _, rank in found]
        if entry.version and digest_of([row for row, _ in found], ranks) != entry.record.get("digest"):
            yield f"the files of version {entry.version} have another digest than its record"
    yield from _check_hashes(folder, log)


def check_head(root: Path, log: Sequence[Entry], rows: Rows, product: str) -> Iterator[str]:
    """Let the library read the head."""
    if not log:
        return
    try:
        yield from _check_head(lakehouse.open(root / "lake")[product], log[-1], rows)
    except lakehouse.LakehouseError as error:
        yield f"the head can not be read: {type(error).__name__}: {error}"


def _check_head(found: lakehouse.Product, last: Entry, rows: Rows) -> Iterator[str]:
    if found.version != last.version:
        yield f"the head is at version {found.version}, and the log at {last.version}"
        return
    if found.digest != last.record.get("digest", found.digest):
        yield "the head has another digest than its record"
    if rows_of(found) != list(rows[last.version]):
        yield "the head has other rows than the model"
    yield from (f"verify says: {problem}" for problem in found.verify().problems)


def rows_of(product: ReadableProduct) -> list[Row]:
    """Let the library read all rows."""
    frame = product.read().to_polars().with_columns(pl.col("time").cast(pl.Int64) // NS_PER_SLOT)
    return [(str(row[0]), int(row[1]), float(row[2]), int(row[3])) for row in frame.iter_rows()]


def _check_hashes(folder: Path, log: Sequence[Entry]) -> Iterator[str]:
    for add in (action["add"] for entry in log for action in entry.actions if "add" in action):
        file = folder / add["path"]
        if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() != add["tags"]["lakehouse.sha256"]:
            yield f"the file {add['path']} was altered"


def _check_read(operation: Operation, seen: Any, rows: Rows, log: Sequence[Entry]) -> Iterator[str]:
    yield from _check_facts(operation, seen, log)
    if [tuple(row) for row in seen["rows"]] != list(rows.get(seen["version"], [])):
        yield f"the {operation.do} {operation.id} shows other rows than version {seen['version']} has"


def _check_facts(operation: Operation, seen: Any, log: Sequence[Entry]) -> Iterator[str]:
    version = seen["version"]
    if version >= len(log):
        if version:
            yield f"the {operation.do} {operation.id} saw version {version}, which is lost"
        return
    if seen["digest"] != log[version].record.get("digest", "0" * 32):
        yield f"the {operation.do} {operation.id} shows another digest than version {version} has"
