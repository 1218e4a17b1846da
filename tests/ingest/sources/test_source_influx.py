"""InfluxDB line protocol: its grammar, its types, and what is none of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.formats.influx import InfluxSource
from lakehouse.ingest.sources.line_layout import read_layout
from lakehouse.ingest.sources.line_protocol import read_points
from lakehouse.times import Interval

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


def read(place: Path, schema: Any, text: str, recipe: Any = None, **options: Any) -> pl.DataFrame:
    (place / "points.lp").write_bytes(text.encode())
    source = InfluxSource(place / "points.lp", recipe, **options)
    (chunk,) = source.chunks(schema, None, Interval())
    return pl.DataFrame(source.read(chunk, schema))


def test_tags_and_fields_become_columns(tmp_path: Path, contract: Any) -> None:
    schema = contract("venue string", "price float64", "size int64", "auction bool", "note string")
    text = (
        "# an export\n"
        'trades,symbol=IBM,venue=N price=161.14,size=100i,auction=t,note="open" 1704196800000000000\n'
        "\n"
        "trades,symbol=BRK\\ B price=-1e-3,size=2u 1704196800000000001\r\n"
    )
    frame = read(
        tmp_path,
        contract("venue string", "price float64", "auction bool", "note string"),
        text.replace(",size=100i", "").replace(",size=2u", ""),
    )
    assert frame.drop("time").rows() == [
        ("IBM", "N", 161.14, True, "open"), ("BRK B", None, -0.001, None, None)
    ]  # fmt: skip
    assert frame["time"].dt.epoch("ns").to_list() == [1704196800000000000, 1704196800000000001]
    with pytest.raises(
        SourceError, match=r"points\.lp, line 4: the field 'size' is unsigned, and was integer"
    ):
        read(tmp_path, schema, text)


@pytest.mark.parametrize(
    ("line", "measurement", "tags", "fields"),
    [
        (r"my\ cup\,s a=1", "my cup,s", {}, {"a": 1.0}),
        (r"m,t\=a\,g\ s=v\=a\,l\ u\e a=1", "m", {"t=a,g s": r"v=a,l u\e"}, {"a": 1.0}),
        (r'm a="say \"hi\", \\ = C:\temp"', "m", {}, {"a": r'say "hi", \ = C:\temp'}),
        ('m a="two\nlines",b=2i', "m", {}, {"a": "two\nlines", "b": 2}),
        (r"m f\,\=\ x=1i,y=T,z=FALSE,u=7u", "m", {}, {"f,= x": 1, "y": True, "z": False, "u": 7}),
        ("m a=.5,b=5.,c=+1E3", "m", {}, {"a": 0.5, "b": 5.0, "c": 1000.0}),
        ('m a="",b="é 日"', "m", {}, {"a": "", "b": "é 日"}),
    ],
)
def test_escapes_and_types(line: str, measurement: str, tags: dict[str, str], fields: dict[str, Any]) -> None:
    (point,) = read_points(line + " 5\n")
    assert (point.measurement, point.tags, point.time) == (measurement, tags, 5)
    assert {key: value for key, (_, value) in point.fields.items()} == fields


VALUES = st.text('z,= \\"\né') | st.integers(-9, 9) | st.floats(-9, 9)


@given(
    st.dictionaries(st.text("ab,= \\\"é", min_size=1).filter(lambda text: not text.endswith("\\")),
                    st.text("xy,= \"é", min_size=1), max_size=3),
    st.dictionaries(st.text("cd,= é", min_size=1), VALUES,
                    min_size=1, max_size=3),
)  # fmt: skip
def test_what_is_written_by_the_rules_is_read_back(tags: dict[str, str], fields: dict[str, Any]) -> None:
    def name(text: str) -> str:
        return "".join(f"\\{letter}" if letter in ",= " else letter for letter in text)

    def value(item: Any) -> str:
        if isinstance(item, str):
            return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{item}i" if isinstance(item, int) else repr(item)

    tags = {key: text for key, text in tags.items() if "\\" not in key}  # a name can not escape a backslash
    written = "".join(f",{name(key)}={name(text)}" for key, text in tags.items())
    line = f"m{written} {','.join(f'{name(key)}={value(item)}' for key, item in fields.items())} 7\n"
    first, second = read_points(line * 2)
    assert first.tags == second.tags == tags
    assert {key: item for key, (_, item) in first.fields.items()} == fields
    assert second.number == 1 + line.count("\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("m", "line 2: expected a blank and fields, got 'the end of the line'"),
        ("m,t=1", "line 2: expected a blank and fields"),
        ("m,t= a=1", "line 2: expected a blank and fields, got ',t= a=1'"),
        ("m a", "line 2: expected a field, got 'a'"),
        ("m a=", "line 2: not a value: 'the end of the line'"),
        ("m a=1,", "line 2: expected a field"),
        ("m a=1x 5", "line 2: not a value: '1x 5'"),
        ("m a=nan 5", "line 2: not a value"),
        ("m a=1e400 5", "line 2: not a value"),
        ("m a=1.5i 5", "line 2: not a value"),
        ('m a="open 5', "line 2: not a value"),
        ("m a=1 noon", "line 2: expected a time or the end of the line, got ' noon'"),
        ("m a=1 5 6", "line 2: expected a time or the end of the line, got ' 6'"),
        (" m a=1", "line 2: there is no measurement before ' m a=1'"),
        ("m,t=1,t=2 a=1", "line 2: the tag 't' stands there twice"),
        ("m a=1,a=2", "line 2: the field 'a' stands there twice"),
        ("m b=9223372036854775808i 5", "line 2: the field 'b' is too large: 9223372036854775808"),
        ("m a=-1u 5", "line 2: not a value"),
        ("m time=1 5", "several columns called 'time'"),
        ("m,a=1 a=1 5", "several columns called 'a'"),
        ("m a=1 99999999999999999999", "points.lp: no time that nanoseconds can count"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, contract: Any, line: str, message: str) -> None:
    with pytest.raises(
        SourceError, match=r"points\.lp.*" + message.removeprefix("points.lp").replace("(", r"\(")
    ):
        read(tmp_path, contract("a float64"), f"m a=2 1\n{line}")


def test_the_precision_is_said_not_guessed(tmp_path: Path, contract: Any) -> None:
    text = "m,symbol=X a=1 1704196800\n"
    assert read(tmp_path, contract("a float64"), text, precision="s")["time"].to_list() == [NOON]
    assert read(tmp_path, contract("a float64"), text)["time"].dt.epoch("ns").to_list() == [1704196800]
    with pytest.raises(ArgumentError, match="precision must be one of s, ms, us, ns; got 'h'"):
        read(tmp_path, contract("a float64"), text, precision="h")


@given(
    st.lists(
        st.tuples(
            st.text("IBM日-", min_size=1), st.floats(allow_nan=False, allow_infinity=False),
            st.integers(-(2**63), 2**63 - 1), st.booleans(), st.integers(-(2**62), 2**62),
        ),
        min_size=1,
    )
)  # fmt: skip
def test_lines_that_are_all_alike_read_as_one_by_one(rows: list[tuple[Any, ...]]) -> None:
    text = "".join(f"m,s={s} p={p!r},n={n}i,f={str(f).lower()} {time}\n" for s, p, n, f, time in rows)
    layout = read_layout(text)
    assert layout is not None
    points = list(read_points(text))
    assert layout.tags["s"].to_list() == [point.tags["s"] for point in points] == [row[0] for row in rows]
    for place, name in enumerate("pnf", start=1):
        values = [point.fields[name][1] for point in points]
        assert layout.fields[name][1].to_list() == values == [row[place] for row in rows]
    assert layout.times.to_list() == [point.time for point in points]


@pytest.mark.parametrize(
    "second", ["m p=1 5", "m,s=X p=1i 5", "m,s=X p=1", 'm,s=X p="x" 5', "n,s=X p=1 5", ""]
)
def test_lines_of_another_layout_are_left_to_the_strict_reader(second: str) -> None:
    assert read_layout("m,s=X p=1 5\n" + second + "\n") is None


def test_one_measurement_is_chosen(tmp_path: Path, contract: Any) -> None:
    text = "cpu,symbol=X a=1 1\nmem,symbol=X b=2 1\n"
    with pytest.raises(SourceError, match=r"(?s)holds several measurements: cpu, mem.*measurement: cpu"):
        read(tmp_path, contract("a float64"), text)
    assert read(tmp_path, contract("b float64"), text, measurement="mem")["b"].to_list() == [2.0]
    with pytest.raises(SourceError, match="has no measurement 'disk'; it has cpu, mem"):
        read(tmp_path, contract("b float64"), text, measurement="disk")


def test_a_line_without_a_time_has_none(tmp_path: Path, contract: Any) -> None:
    frame = read(tmp_path, contract("a float64"), "m,symbol=X a=1\nm,symbol=X a=2 5\n")
    assert frame["time"].is_null().to_list() == [True, False]


def test_whole_numbers_do_not_become_text_nor_text_a_flag_unasked(tmp_path: Path, contract: Any) -> None:
    with pytest.raises(SourceError, match="column 'a' holds Int64, but the contract says string"):
        read(tmp_path, contract("a string"), "m,symbol=X a=1i 5\n")


def test_a_file_of_comments_has_no_rows(tmp_path: Path, contract: Any) -> None:
    assert read(tmp_path, contract("a float64"), "# nothing\n").height == 0


def test_a_contract_is_declared(tmp_path: Path) -> None:
    (tmp_path / "x.lp").write_text("m,symbol=X price=1.5,size=2i 5\n")
    contract = InfluxSource(f"{tmp_path}/x.lp?precision=s").contract()
    assert contract is not None
    assert [(column.name, column.type) for column in contract.schema.columns] == [
        ("time", "timestamp[ns]"), ("symbol", "string"), ("price", "float64"), ("size", "int64")
    ]  # fmt: skip
