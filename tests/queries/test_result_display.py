"""Results on a terminal and in a notebook."""

from __future__ import annotations

import html.parser

import pyarrow as pa
import pytest

from lakehouse.queries.result import Result

NS = 1_704_186_600_000_000_001


def numbers(rows: int) -> Result:
    return Result(pa.table({"n": pa.array(range(rows), pa.int64())}))


class Cells(html.parser.HTMLParser):
    """Count the tags of a page, and fail on one that does not close."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parse(result: Result) -> Cells:
    cells = Cells()
    cells.feed(result._repr_html_())
    assert not cells.open
    return cells


def test_a_small_result_shows_whole() -> None:
    assert repr(numbers(2)) == "Result: 2 rows x 1 column\n    n\nint64\n    0\n    1"


def test_a_large_result_shows_its_ends() -> None:
    lines = repr(numbers(1_234_567)).splitlines()
    assert lines[0] == "Result: 1,234,567 rows x 1 column"
    assert [line.strip() for line in lines[3:]] == [
        *("0", "1", "2", "3", "4"),
        "…",
        *("1234562", "1234563", "1234564", "1234565", "1234566"),
    ]


def test_times_show_in_utc_with_their_nanoseconds() -> None:
    table = pa.table({"time": pa.array([NS, 0, None], pa.timestamp("ns", "America/New_York"))})
    assert repr(Result(table)).split()[-3:] == [
        "2024-01-02T09:10:00.000000001Z",
        "1970-01-01T00:00:00Z",
        "null",
    ]


def test_times_beyond_the_calendar_show_as_numbers() -> None:
    table = pa.table({"time": pa.array([2**62], pa.timestamp("us"))})
    assert repr(Result(table)).splitlines()[-1] == "4611686018427387904 us"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (pa.array([0.1], pa.float64()), "0.1"),
        (pa.array([0.1], pa.float32()), "0.1"),
        (pa.array([float("nan")]), "nan"),
        (pa.array([None], pa.float64()), "null"),
        (pa.array([True]), "True"),
        (pa.array(["NA"]), "NA"),
        (pa.array([1], pa.time64("ns")), "00:00:00.000000001"),
        (pa.array([5], pa.duration("ns")), "5"),
        (pa.array([19_724], pa.int32()).cast(pa.date32()), "2024-01-02"),
        (pa.array([[1, 2]]), "[1, 2]"),
    ],
    ids=str,
)
def test_every_type_of_value_shows(value: pa.Array, shown: str) -> None:
    assert repr(Result(pa.table({"x": value}))).splitlines()[-1].strip() == shown


def test_characters_that_move_the_cursor_show_escaped() -> None:
    text = repr(Result(pa.table({"note\x1b[2J": ["a\nb\tc"]})))
    assert "a\\nb\\tc" in text
    assert "\x1b" not in text


def test_long_texts_are_cut() -> None:
    assert max(map(len, repr(Result(pa.table({"note": ["x" * 10_000]}))).splitlines())) == 40


def test_wide_characters_keep_the_columns_straight() -> None:
    table = pa.table({"symbol": ["日経225", "AAPL"], "close": ["x", "y"]})
    assert repr(Result(table)).splitlines()[-2:] == ["日経225  x", "AAPL     y"]


def test_a_wide_result_leaves_out_columns_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = repr(Result(pa.table({f"column_{n}": [n] for n in range(50)})))
    header = text.splitlines()[1].split()
    assert header == ["column_0", "column_1", "…", "column_49"]
    assert all(len(line) <= 40 for line in text.splitlines())


def test_a_result_without_columns_shows() -> None:
    assert repr(Result(pa.table({}))) == "Result: 0 rows x 0 columns"
    assert "0 rows x 0 columns" in "".join(parse(Result(pa.table({}))).texts)


def test_a_notebook_shows_twenty_rows_and_the_shape() -> None:
    cells = parse(numbers(1000))
    assert cells.tags.count("tr") == 1 + 10 + 1 + 10
    assert "1,000 rows x 1 column, times in UTC" in cells.texts


def test_a_notebook_shows_thirty_columns() -> None:
    cells = parse(Result(pa.table({f"column_{n}": [n] for n in range(100)})))
    assert cells.tags.count("th") == 31
    assert "column_99" in cells.texts


def test_a_notebook_escapes_names_and_values() -> None:
    evil = "<script>alert('x')</script>"
    cells = parse(Result(pa.table({evil: [evil]})))
    assert "script" not in cells.tags
    assert cells.texts.count(evil) == 2


def test_a_notebook_needs_nothing_from_elsewhere() -> None:
    page = numbers(3)._repr_html_()
    assert not any(word in page for word in ("http", "<link", "<style", "class="))
