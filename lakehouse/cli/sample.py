"""A file as a frame that shows columns and types, before there is a contract to read it by."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import ArgumentError, SourceError

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.ingest.sources.unpack import Payload

_DELIMITERS = ",;\t|"


def read_sample(path: str, *, time_zone: str | None, name_as_symbol: bool) -> pa.Table:
    """Read a CSV, JSON, Parquet or Feather file, also gzipped or zipped; of a zip the first table.

    Args:
        path: of the file.
        time_zone: IANA zone of times that carry none; None leaves them without.
        name_as_symbol: add a column `symbol` with the file's name without endings.

    Raises:
        SourceError: the file can not be read.
        ArgumentError: the zone is unknown, or there is a column `symbol` already.
    """
    import pyarrow as pa

    from lakehouse.ingest.sources.remote import shown
    from lakehouse.ingest.sources.unpack import bare_stem, unpack

    file = Path(path)
    try:
        payload = unpack(file.name, file.read_bytes())[0]
    except OSError as error:
        raise SourceError(f"Can not open {shown(path)}: {error.strerror or error}.") from error
    try:
        table = _read(payload)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{payload.label} can not be read: {str(error).splitlines()[0]}") from error
    table = _in_zone(table, time_zone) if time_zone else table
    if not name_as_symbol:
        return table
    if "symbol" in table.column_names:
        raise ArgumentError(f"{path} has a column `symbol` already.", hint="Leave --symbol-from-name out.")
    names = pa.array([bare_stem(file.name)] * table.num_rows, pa.string())
    return table.add_column(0, "symbol", names)


def _read(payload: Payload) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv, parquet
    from pyarrow import json as lines

    from lakehouse.ingest.sources.unpack import detect_format

    match detect_format(payload):
        case "parquet":
            return parquet.read_table(io.BytesIO(payload.data))
        case "arrow":
            return pa.ipc.open_file(io.BytesIO(payload.data)).read_all()
        case "dbn" | "influx":
            return _without_rows(payload)
        case "json":
            return lines.read_json(io.BytesIO(_as_lines(payload)))
        case _:
            head = payload.data.partition(b"\n")[0].decode("utf-8", "replace")
            delimiter = max(_DELIMITERS, key=head.count)
            return csv.read_csv(io.BytesIO(payload.data), parse_options=csv.ParseOptions(delimiter=delimiter))


def _without_rows(payload: Payload) -> pa.Table:
    from lakehouse.ingest.sources import Recipe
    from lakehouse.ingest.sources.reading import open_rows

    schema = open_rows(payload, Recipe()).arrow_schema
    assert schema is not None  # both have types
    return schema.empty_table()


def _as_lines(payload: Payload) -> bytes:
    """Return a list of objects as one object a line, which is all that pyarrow reads."""
    import json

    if not payload.data.lstrip().startswith(b"["):
        return payload.data
    try:
        rows = json.loads(payload.data)
    except ValueError as error:
        raise SourceError(f"{payload.label} is not JSON: {error}.") from error
    return "\n".join(map(json.dumps, rows)).encode()


def _in_zone(table: pa.Table, time_zone: str) -> pa.Table:
    import pyarrow as pa

    _check_zone(time_zone)
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is None:
            # The instants do not matter here, only that the column has a zone.
            column = table.column(index).cast(pa.timestamp(field.type.unit, "UTC"))
            table = table.set_column(index, field.name, column)
    return table


def _check_zone(time_zone: str) -> None:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise ArgumentError(
            f"Unknown time zone {time_zone!r}.", hint="Write an IANA name: America/New_York."
        ) from error
