"""A version as one Parquet file: every data file with its size, rows, hash and digest.

With a manifest, a snapshot needs neither the Delta log nor a listing: the manifest names the bytes. Paths
are relative to the root of the lake, so that a lake can be moved or copied.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterable, Sequence
from functools import cache, partial
from operator import attrgetter
from typing import Any

import pyarrow as pa

from lakehouse.errors import IntegrityError
from lakehouse.names import ProductName
from lakehouse.partitions.arrays import nullable_array
from lakehouse.partitions.index.pinned import PinnedFiles
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_reader import open_parquet, read_footer
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.schema import Column, TableSchema
from lakehouse.store import Store

FORMAT = 1
_KEY = b"lakehouse.table"
_ENCODED = ("partition", "columns")
_REPEATING = ["partition", "columns", "min_symbol", "max_symbol"]
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
    import pyarrow.parquet as pq

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
    columns = _columns(sorted(state.files, key=attrgetter("path")))
    arrays = [nullable_array(columns[field.name], field.type) for field in schema]
    sink = io.BytesIO()
    pq.write_table(
        pa.Table.from_arrays(arrays, schema=schema),
        sink,
        compression="zstd",
        use_dictionary=_REPEATING,
        write_statistics=False,
    )
    return sink.getvalue()


def decode_manifest(store: Store, data: bytes, *, where: str) -> TableState:
    """Read a version; its list of files is decoded when somebody looks at one.

    Raises:
        IntegrityError: the manifest is torn, altered, or of a later format.
    """
    try:
        metadata = read_footer(pa.py_buffer(data))
        table = json.loads(metadata.metadata[_KEY])
        if table["format"] != FORMAT:
            raise IntegrityError(
                f"The manifest {where} has format {table['format']}, not {FORMAT}.",
                hint="Upgrade quant-lakehouse.",
            )
        return _state(store, table, PinnedFiles(data, metadata.num_rows, partial(_files, data, where)))
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, IntegrityError):
            raise
        raise _torn(where) from error


def manifest_paths(data: bytes, *, where: str) -> list[str]:
    """Return the data files that a manifest names, and read nothing else of it.

    Raises:
        IntegrityError: the manifest is torn or altered.
    """
    try:
        with open_parquet(pa.py_buffer(data)) as file:
            return list(file.read(["path"]).column("path").to_pylist())
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise _torn(where) from error


def _columns(files: Sequence[DataFile]) -> dict[str, list[Any]]:
    """Return the facts of files as columns; texts that many files share are written once."""
    text, partition_text = cache(_json), cache(lambda partition: _json(dict(partition)))
    columns: dict[str, list[Any]] = {
        name: list(map(attrgetter(name), files)) for name in _SCHEMA.names if name not in _ENCODED
    }
    columns["partition"] = [partition_text(file.partition) for file in files]
    columns["columns"] = [text(file.columns) for file in files]
    return columns


def _files(data: bytes, where: str) -> tuple[DataFile, ...]:
    """Make the facts of every file.

    Raises:
        IntegrityError: the manifest is torn or altered.
    """
    partition_of = cache(lambda text: tuple(json.loads(text).items()))
    columns_of = cache(lambda text: tuple(json.loads(text)))
    try:
        with open_parquet(pa.py_buffer(data)) as file:
            rows = file.read(_SCHEMA.names)
        columns: dict[str, Iterable[Any]] = {name: rows.column(name).to_pylist() for name in _SCHEMA.names}
        columns["partition"] = map(partition_of, columns["partition"])
        columns["columns"] = map(columns_of, columns["columns"])
        return tuple(map(DataFile, *(columns[field.name] for field in dataclasses.fields(DataFile))))
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise _torn(where) from error


def _state(store: Store, table: dict[str, Any], files: PinnedFiles) -> TableState:
    columns = tuple(Column(**column) for column in table["columns"])
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


def _torn(where: str) -> IntegrityError:
    return IntegrityError(f"The manifest {where} is torn or altered.")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
