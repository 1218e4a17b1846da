"""What readers see of a tail, for any rows in any pieces, is what was written above the watermark."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.partitions.tail import open_tail
from lakehouse.partitions.tail.folder import tail_folder
from lakehouse.partitions.tail.frames import BATCH, REFUSED_BATCH, ROWS
from lakehouse.partitions.tail.log import TailLog
from lakehouse.partitions.tail.segment import SegmentHeader
from lakehouse.schema import Column, TableSchema
from lakehouse.store.local import LocalStore
from lakehouse.times import Interval

SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[us]", nullable=False),
        Column("number", "int64"),
        Column("text", "string"),
    ),
    symbol="symbol",
    time="time",
)
WIDER = TableSchema((*SCHEMA.columns, Column("later", "float64")), symbol="symbol", time="time")
TABLE = "partitions/a/b/v1"

Row = tuple[str, int, bool]
ROWS_OF_ONE_WRITE = st.lists(
    st.tuples(st.sampled_from("ABC"), st.integers(0, 9), st.booleans()), min_size=1, max_size=5
)
WRITES = st.lists(st.tuples(st.sampled_from(["rows", "frame", "close"]), ROWS_OF_ONE_WRITE), max_size=12)


def header(writer: str) -> SegmentHeader:
    return SegmentHeader("lake", "a.b", writer, "1.0.0", 0, SCHEMA)


def write(log: TailLog, how: str, rows: list[Row]) -> None:
    """Append rows in one frame; the third part of a row says whether it breaks a rule."""
    form = header("").rows
    values = [[symbol, time, log.next + place, None] for place, (symbol, time, _) in enumerate(rows)]
    if how == "rows":
        packed = [form.pack(row, refused=rows[place][2]) for place, row in enumerate(values)]
        log.append(ROWS, len(rows), b"".join([each[0] for each in packed] + [each[1] for each in packed]))
        return
    columns = [
        pa.array(column, kind)
        for column, kind in zip(zip(*values, strict=True), form.arrow.types, strict=True)
    ]
    batch, kind = form.batch_of(columns), BATCH
    if any(bad for *_, bad in rows):
        batch, kind = batch.append_column("_refused", pa.array([bad for *_, bad in rows])), REFUSED_BATCH
    log.append(kind, len(rows), batch.serialize().to_pybytes())


@given(
    WRITES, st.integers(0, 40), st.none() | st.lists(st.sampled_from("ABCD")), st.integers(0, 9), st.data()
)
def test_rows_above_the_watermark_are_seen_in_order(
    writes: list[tuple[str, list[Row]]], mark: int, symbols: list[str] | None, start: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as root:
        store, writer = LocalStore(Path(root)), secrets.token_hex(16)
        folder = Path(tail_folder(store, TABLE)) / writer
        folder.mkdir(parents=True)
        log = TailLog(folder, header(writer), 1, 1 << 14)
        expected: list[int] = []
        wanted = None if data.draw(st.booleans()) else Interval(start * 1_000, 8_000)
        for how, rows in writes:
            if how == "close":
                log.close_segment()
                continue
            for place, (symbol, time, bad) in enumerate(rows):
                inside = wanted is None or wanted.start <= time * 1_000 < wanted.end
                named = symbols is None or symbol in symbols
                if log.next + place > mark and inside and named and not bad:
                    expected.append(log.next + place)
            write(log, how, rows)
            if data.draw(st.booleans()):
                open_tail(store, TABLE)  # what is kept of this look must not matter for the next
        tail = open_tail(store, TABLE)
        seen: Any = []
        if tail is not None:
            found = tail.unsealed(WIDER, {f"tail:{writer}": mark}, symbols, wanted)
            found.validate(full=True)
            seen = found.column("number").to_pylist()
            assert found.column_names == list(WIDER.names)
            assert found.column("later").null_count == found.num_rows
        assert seen == expected


def test_a_table_without_a_tail_has_none(tmp_path: Path) -> None:
    assert open_tail(LocalStore(tmp_path), TABLE) is None


def test_rows_stay_readable_after_their_segment_was_deleted(tmp_path: Path) -> None:
    store, writer = LocalStore(tmp_path), secrets.token_hex(16)
    folder = Path(tail_folder(store, TABLE)) / writer
    folder.mkdir(parents=True)
    log = TailLog(folder, header(writer), 1, 1 << 14)
    write(log, "rows", [("A", 1, False)])
    write(log, "frame", [("A", 2, False)])
    tail = open_tail(store, TABLE)
    assert tail is not None
    for file in folder.glob("*.log"):
        file.unlink()
    assert open_tail(store, TABLE) is None
    assert tail.unsealed(SCHEMA, {}).column("number").to_pylist() == [1, 2]
    assert tail.signature == ((writer, 1, 2),)
