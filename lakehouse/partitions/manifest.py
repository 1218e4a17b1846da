"""A version as one Parquet file: every data file with its size, rows, hash and digest.

With a manifest, a snapshot needs neither the Delta log nor a listing: the manifest names the bytes. Paths
are relative to the root of the lake, so that a lake can be moved or copied.
"""

from __future__ import annotations

import dataclasses
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import IntegrityError
from lakehouse.names import ProductName
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.schema import Column, TableSchema
from lakehouse.store import Store

FORMAT = 1
_KEY = b"lakehouse.table"
_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("partition", pa.string(), nullable=False),
        pa.field("min_symbol", pa.string()),
        pa.field("max_symbol", pa.string()),
        pa.field("min_time", pa.int64()),
        pa.field("max_time", pa.int64()),
        pa.field("columns", pa.string(), nullable=False),
    ]
)


def encode_manifest(state: TableState) -> bytes:
    """Write a version; equal versions give equal bytes."""
    rows = [
        dataclasses.asdict(file) | {"partition": _json(dict(file.partition)), "columns": _json(file.columns)}
        for file in sorted(state.files, key=lambda file: file.path)
    ]
    table = {
        "format": FORMAT,
        "product": str(state.name),
        "major": state.major,
        "version": state.version,
        "digest": state.digest,
        "contract": state.contract_version,
        "time_ns": state.time_ns,
        "layout": None if state.layout is None else str(state.layout),
        "symbol": state.schema.symbol,
        "time": state.schema.time,
        "key": state.schema.key,
        "columns": [dataclasses.asdict(column) for column in state.schema.columns],
    }
    schema = _SCHEMA.with_metadata({_KEY: _json(table).encode("utf-8")})
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
    return sink.getvalue()


def decode_manifest(store: Store, data: bytes, *, where: str) -> TableState:
    """Read a version.

    Raises:
        IntegrityError: the manifest is torn, altered, or of a later format.
    """
    try:
        rows = pq.read_table(io.BytesIO(data))
        table = json.loads(rows.schema.metadata[_KEY])
        if table["format"] != FORMAT:
            raise IntegrityError(
                f"The manifest {where} has format {table['format']}, not {FORMAT}.",
                hint="Upgrade quant-lakehouse.",
            )
        return _state(store, table, rows.to_pylist())
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, IntegrityError):
            raise
        raise IntegrityError(f"The manifest {where} is torn or altered.") from error


def manifest_paths(data: bytes, *, where: str) -> list[str]:
    """Return the data files that a manifest names, and read nothing else of it.

    Raises:
        IntegrityError: the manifest is torn or altered.
    """
    try:
        return list(pq.read_table(io.BytesIO(data), columns=["path"]).column("path").to_pylist())
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise IntegrityError(f"The manifest {where} is torn or altered.") from error


def _state(store: Store, table: dict[str, Any], rows: list[dict[str, Any]]) -> TableState:
    columns = tuple(Column(**column) for column in table["columns"])
    files = tuple(
        DataFile(
            **row
            | {
                "partition": tuple(json.loads(row["partition"]).items()),
                "columns": tuple(json.loads(row["columns"])),
            }
        )
        for row in rows
    )
    return TableState(
        store=store,
        name=ProductName.parse(table["product"]),
        major=table["major"],
        version=table["version"],
        schema=TableSchema(columns, table["symbol"], table["time"], tuple(table["key"])),
        layout=None if table["layout"] is None else Layout.parse(table["layout"]),
        files=files,
        digest=table["digest"],
        contract_version=table["contract"],
        time_ns=table["time_ns"],
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
