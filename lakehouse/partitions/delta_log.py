"""The words of the Delta log: actions as JSON, to and from our facts.

Only what the Delta protocol says (reader version 1, writer version 2); what is ours lies in places it
leaves free: `tags` of an add, `configuration` and field `metadata`, and `commitInfo.lakehouse`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from lakehouse.errors import IntegrityError
from lakehouse.partitions.layout import Layout, partition_columns
from lakehouse.partitions.state import DataFile
from lakehouse.schema import SEQUENCE, TYPES, Column, TableSchema

if TYPE_CHECKING:
    from lakehouse.partitions.commit_record import Commit

Action = dict[str, Any]

ENGINE = "quant-lakehouse"
FORMAT_VERSION = "1"
UNDONE = -1
"""version of a transaction id whose work was taken back, and may be done again"""
FILE_TAGS = ("lakehouse.sha256", "lakehouse.digest", "lakehouse.columns", "lakehouse.ranges")
"""what readers of ours need of a data file beyond the protocol"""

_RANGES = ("min_symbol", "max_symbol", "min_time", "max_time")
_ROWS_FIRST = re.compile(r'\{"numRecords": ?([0-9]+)[,}]')


def encode(actions: Iterable[Action]) -> bytes:
    """Write the actions of one commit."""
    return "\n".join(
        json.dumps(action, ensure_ascii=False, separators=(",", ":")) for action in actions
    ).encode("utf-8")


def decode(data: bytes, *, where: str) -> list[Action]:
    """Read the actions of one commit.

    Raises:
        IntegrityError: the entry is torn or not JSON.
    """
    try:
        actions = [json.loads(line) for line in data.decode("utf-8").split("\n") if line.strip()]
    except ValueError as error:
        raise IntegrityError(f"The log entry {where} can not be read: it is torn or altered.") from error
    if not actions:
        raise IntegrityError(f"The log entry {where} is empty: it is torn.")
    return actions


def protocol_action() -> Action:
    """Require the least of readers and writers."""
    return {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}


def metadata_action(
    schema: TableSchema,
    layout: Layout,
    *,
    contract_version: str,
    table_id: str,
    created_ms: int,
) -> Action:
    """Describe the table: its columns, their roles, and the contract."""
    partitions = partition_columns(layout, schema)
    fields = [_field(column) for column in schema.columns]
    if schema.has_sequence:
        fields.append({"name": SEQUENCE, "type": "integer", "nullable": False, "metadata": {}})
    fields += [
        {"name": name, "type": kind, "nullable": True, "metadata": {}}
        for name, kind in partitions
        if name not in schema.names
    ]
    configuration = {
        "delta.enableExpiredLogCleanup": "false",
        "lakehouse.format": FORMAT_VERSION,
        "lakehouse.layout": str(layout),
        "lakehouse.roles": json.dumps({"symbol": schema.symbol, "time": schema.time, "key": schema.key}),
        "lakehouse.contract": contract_version,
    }
    return {
        "metaData": {
            "id": table_id,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps({"type": "struct", "fields": fields}, ensure_ascii=False),
            "partitionColumns": [name for name, _ in partitions],
            "configuration": configuration,
            "createdTime": created_ms,
        }
    }


def read_metadata(metadata: Mapping[str, Any]) -> tuple[TableSchema, Layout, str]:
    """Return schema, layout and contract version.

    Raises:
        IntegrityError: the table was not made by this library, or by a later format.
    """
    configuration = dict(metadata["configuration"])
    if configuration.get("lakehouse.format") != FORMAT_VERSION:
        raise IntegrityError(
            f"This is no table of format {FORMAT_VERSION}: got {configuration.get('lakehouse.format')!r}.",
            hint="A newer quant-lakehouse may have written it: upgrade.",
        )
    roles = json.loads(configuration["lakehouse.roles"])
    columns = []
    for entry in json.loads(metadata["schemaString"])["fields"]:
        extra = entry["metadata"]
        if "lakehouse.type" in extra:
            unit, text = extra.get("lakehouse.unit"), extra.get("comment", "")
            columns.append(Column(entry["name"], extra["lakehouse.type"], entry["nullable"], unit, text))
    schema = TableSchema(tuple(columns), roles["symbol"], roles["time"], tuple(roles["key"]))
    layout = Layout.parse(configuration["lakehouse.layout"])
    return schema, layout, configuration["lakehouse.contract"]


def new_table_id() -> str:
    """Return a fresh Delta table id."""
    import uuid

    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Marks:
    """What the adds and the removes of one commit have in common."""

    table_path: str
    """folder of the table, relative to the root"""
    now_ms: int
    """when, UTC"""
    data_change: bool = True
    """False where the same rows move to other files"""


def add_action(file: DataFile, marks: Marks, *, statistics: Mapping[str, Any]) -> Action:
    """Add a data file; what readers of ours need beyond the protocol is in its tags."""
    ranges = {name: getattr(file, name) for name in _RANGES if getattr(file, name) is not None}
    tags = dict(zip(FILE_TAGS, (file.sha256, file.digest, _json(file.columns), _json(ranges)), strict=True))
    return {
        "add": {
            "path": _log_path(file, marks.table_path),
            "partitionValues": dict(file.partition),
            "size": file.size,
            "modificationTime": marks.now_ms,
            "dataChange": marks.data_change,
            "stats": _json(statistics),
            "tags": tags,
        }
    }


def read_add(add: Mapping[str, Any], *, table_path: str) -> DataFile:
    """Read an add action.

    Raises:
        IntegrityError: another writer added the file without our tags.
    """
    tags = dict(add.get("tags") or ())
    return file_of(
        table_path,
        add["path"],
        int(add["size"]),
        add["stats"],
        tuple(dict(add["partitionValues"]).items()),
        *(tags.get(name) for name in FILE_TAGS),
    )


def file_of(
    table_path: str,
    path: str,
    size: int,
    statistics: str,
    partition: tuple[tuple[str, str | None], ...],
    *tags: str | None,
) -> DataFile:
    """Return the facts of a data file from the words of the log; the tags in the order of `FILE_TAGS`.

    Raises:
        IntegrityError: another writer added the file without our tags.
    """
    sha256, digest, columns, ranges = tags
    if sha256 is None or digest is None or columns is None or ranges is None:
        raise IntegrityError(
            f"The file {path!r} was added by another Delta writer, past the lake's checks.",
            hint="Restore the version before it, and write through the lake.",
        )
    limits = json.loads(ranges)
    return DataFile(
        f"{table_path}/{unquote(path)}",
        size,
        _row_count(statistics),
        sha256,
        digest,
        partition,
        limits.get("min_symbol"),
        limits.get("max_symbol"),
        limits.get("min_time"),
        limits.get("max_time"),
        _names(columns),
    )


def _row_count(statistics: str) -> int:
    """Return the number of rows; the ranges behind it, which may be long, are not parsed if we wrote them."""
    found = _ROWS_FIRST.match(statistics)
    return int(found[1] if found else json.loads(statistics)["numRecords"])


@lru_cache(maxsize=1024)
def _names(text: str) -> tuple[str, ...]:
    """Return a list of column names, which many files share."""
    return tuple(json.loads(text))


def remove_action(file: DataFile, marks: Marks) -> Action:
    """Take a data file out of the table; its bytes stay."""
    return {
        "remove": {
            "path": _log_path(file, marks.table_path),
            "deletionTimestamp": marks.now_ms,
            "dataChange": marks.data_change,
            "extendedFileMetadata": True,
            "partitionValues": dict(file.partition),
            "size": file.size,
        }
    }


def transaction_action(key: str, version: int, *, now_ms: int) -> Action:
    """Record that the work called `key` is done, where a checkpoint keeps it."""
    return {"txn": {"appId": key, "version": version, "lastUpdated": now_ms}}


def commit_info(record: Commit, *, now_ms: int) -> Action:
    """Describe the commit, for any reader's `history` and for ours."""
    return {
        "commitInfo": {
            "timestamp": now_ms,
            "operation": record.operation.upper(),
            "operationParameters": {},
            "engineInfo": ENGINE,
            "lakehouse": record.to_dict(),
        }
    }


def _log_path(file: DataFile, table_path: str) -> str:
    """Return a path relative to its table, URL-encoded as the protocol asks: '%' on disk becomes '%25'."""
    return quote(file.path.removeprefix(table_path + "/"), safe="/=~!$&'()*+,;@-._")


def _field(column: Column) -> Action:
    extra: dict[str, Any] = {"lakehouse.type": column.type}
    if column.unit:
        extra["lakehouse.unit"] = column.unit
    if column.description:
        extra["comment"] = column.description
    return {
        "name": column.name,
        "type": TYPES[column.type].delta,
        "nullable": column.nullable,
        "metadata": extra,
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
