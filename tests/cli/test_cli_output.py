from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.cli.progress import progress_bar, progress_text
from lakehouse.cli.render import print_reply
from lakehouse.cli.reply import Facts, Grid, Reply, Rows
from lakehouse.cli.table import Table, cell_width
from lakehouse.cli.text import cell_text, size_text
from lakehouse.cli.values import column_values, json_rows
from lakehouse.ingest.backfill import Progress
from lakehouse.queries.result import Result


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def printed(reply: Reply, stream: io.StringIO | None = None, *, as_json: bool = False) -> str:
    chosen = io.StringIO() if stream is None else stream
    print_reply(reply, as_json=as_json, stream=chosen)
    return chosen.getvalue()


def _plain(text: str) -> str:
    """Return what a terminal shows, without the codes of colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def rows(count: int, columns: Sequence[str] = ("n",)) -> Result:
    return Result(pa.Table.from_arrays([pa.array(range(count), pa.int64())] * len(columns), list(columns)))


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array([1, None]).cast(pa.timestamp("ns", "UTC")), ["1970-01-01T00:00:00.000000001Z", None]),
        (pa.array([1]).cast(pa.timestamp("us")), ["1970-01-01T00:00:00.000001Z"]),
        (pa.array([2**62]).cast(pa.timestamp("s")), [f"{2**62} s since 1970"]),
        (pa.array([0], pa.int32()).cast(pa.date32()), ["1970-01-01"]),
        (pa.array([1_500_000_000]).cast(pa.duration("ns")), [1.5]),
        (pa.array([3_600_000_000]).cast(pa.time64("us")), ["01:00:00.000000"]),
        (pa.array([1.1], pa.float32()), [1.1]),
        (pa.array([Decimal("12345678901234567890")]), [12345678901234567890]),
        (pa.array([Decimal("1.50")]), [1.5]),
        (pa.array([b"\x01\xff"]), ["01ff"]),
        (pa.array(["a", None]).dictionary_encode(), ["a", None]),
        (pa.array([[1.5, None], None, []]), [[1.5, None], None, []]),
        (pa.array([{"a": 1}, None]), [{"a": 1}, None]),
        (pa.array([True, None]), [True, None]),
        (pa.array([None, None]), [None, None]),
    ],
)
def test_each_type_of_arrow_has_a_plain_value(array: pa.Array, values: list[Any]) -> None:
    assert column_values(array) == values
    assert column_values(pa.chunked_array([array])) == values
    json.dumps(values)


def test_nested_times_keep_their_nanoseconds() -> None:
    times = pa.array([1, 2]).cast(pa.timestamp("ns", "UTC"))
    lists = pa.ListArray.from_arrays(pa.array([0, 2], pa.int32()), times)

    assert column_values(lists) == [["1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00.000000002Z"]]


@given(st.lists(st.one_of(st.none(), st.floats(width=32))))
def test_float32_values_read_back_the_same(values: list[float | None]) -> None:
    array = pa.array(values, pa.float32())

    assert pa.array(column_values(array), pa.float32()).equals(array) or any(
        v != v for v in values if v is not None
    )


@given(st.lists(st.integers(-(2**63) + 1, 2**63 - 1)))
def test_every_instant_reads_back_from_its_text(values: list[int]) -> None:
    from lakehouse.times import to_nanoseconds

    texts = column_values(pa.array(values, pa.int64()).cast(pa.timestamp("ns", "UTC")))

    assert [to_nanoseconds(text) for text in texts] == values


def test_rows_of_columns_with_one_name_keep_all_values() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["a", "a", "a_2"])

    assert json_rows(table) == [{"a": 1, "a_2": 2, "a_2_2": 3}]


def test_a_pipe_gets_all_rows_and_a_terminal_the_first_and_last() -> None:
    piped = printed(Reply(blocks=[Rows(rows(1000))]))
    shown = printed(Reply(blocks=[Rows(rows(1000))]), Terminal())

    assert len(piped.splitlines()) == 1001
    assert "1,000 rows, 1 column" in shown
    assert len(shown.splitlines()) < 50
    assert "…" in shown


def test_a_pipe_gets_no_colour_and_no_frame() -> None:
    text = printed(
        Reply(
            blocks=["Title", Grid([{"a": 1, "b": "x"}], ("a", "b")), Facts({"key": "value", "empty": None})]
        )
    )

    assert text == "Title\n\na  b\n1  x\n\nkey  value\n"


def test_a_terminal_loses_columns_from_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    names = [f"column_{number}" for number in range(20)]
    shown = printed(Reply(blocks=[Rows(rows(3, names))]), Terminal())

    assert "column_0" in shown
    assert "column_19" in shown
    assert "column_10" not in shown
    assert "3 rows, 20 columns" in shown
    assert max(map(len, _plain(shown).splitlines())) <= 60


def test_a_grid_wraps_its_sentences_or_cuts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    rows = [
        {
            "name": "market_data.order_book",
            "what": "Changes of the order book, one row a price level or order",
        }
    ]
    wrapped = _plain(printed(Reply(blocks=[Grid(rows, ("name", "what"))]), Terminal())).splitlines()
    cut = _plain(
        printed(Reply(blocks=[Grid(rows, ("name", "what"), one_line=True)]), Terminal())
    ).splitlines()

    assert (len(wrapped), len(cut)) == (4, 3)
    assert cut[2].rstrip().endswith("…")
    assert max(map(len, [*wrapped, *cut])) <= 60
    assert wrapped[2].startswith("market_data.order_book ")


@given(
    st.integers(1, 200),
    st.lists(st.integers(1, 30), min_size=1, max_size=12),
    st.sampled_from(["middle", "last"]),
)
def test_a_fitted_table_fits_where_its_first_column_does(
    width: int, sizes: list[int], lose: Literal["middle", "last"]
) -> None:
    table = Table(["x" * size for size in sizes], [["1"]] * len(sizes), [True] * len(sizes))
    fitted = table.fitted(width, lose=lose)

    assert fitted.names[0] == table.names[0]
    assert sum(size + 3 for size in fitted.widths()) <= max(width, sizes[0] + 7)


def test_null_and_nan_can_be_told_apart_in_text() -> None:
    table = pa.Table.from_arrays([pa.array([None, float("nan"), 0.1 + 0.2])], ["x"])

    assert printed(Reply(blocks=[Rows(Result(table))])).split() == ["x", "null", "NaN", "0.3"]


def test_text_with_control_characters_stays_on_its_line() -> None:
    assert cell_text("a\nb\x1b[31mc") == "a\\nb\\x1b[31mc"


def test_markup_of_rich_is_shown_as_it_is() -> None:
    table = pa.Table.from_arrays([pa.array(["[red]x[/red]"])], ["[b]name[/b]"])

    assert "[red]x[/red]" in (shown := printed(Reply(blocks=[Rows(Result(table))]), Terminal()))
    assert "[b]name[/b]" in shown


def test_wide_letters_keep_the_columns_aligned() -> None:
    grid = Grid([{"s": "日経225", "n": 1}, {"s": "IBM", "n": 22}], ("s", "n"))
    lines = list(Table.of_grid(grid).lines())

    assert {cell_width(line) for line in lines[1:]} == {11}


def test_sizes_are_for_people() -> None:
    assert [size_text(size) for size in (0, 999, 1000, 1_234_567, 5e12)] == [
        "0 B",
        "999 B",
        "1 kB",
        "1.23 MB",
        "5 TB",
    ]


def progress(**changes: Any) -> Progress:
    facts = {
        "chunks": 10,
        "done": 4,
        "skipped": 1,
        "failed": 0,
        "rows": 2_000_000,
        "quarantined": 3,
        "bytes": 100,
        "bytes_done": 40,
        "seconds": 2.0,
    }
    return Progress(**{**facts, **changes})


def test_progress_tells_rate_remaining_time_and_quarantined_rows() -> None:
    assert progress_text(progress()) == (
        "5/10 chunks, 2.00M rows, 1.00M rows/s, 40B, 3 quarantined, 0:03 left"
    )
    assert "1 failed" in progress_text(progress(failed=1))


def test_the_progress_bar_is_drawn_on_a_terminal_alone() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        with progress_bar(stream, "backfill market_data.bars_1d") as move:
            if move is not None:
                move(progress(bytes_done=100))

    assert "100%" in terminal.getvalue()
    assert "1.00M rows/s" in terminal.getvalue()
    assert pipe.getvalue() == ""
