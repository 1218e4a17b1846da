"""Parameters keep their values whole, and wrong ones are named."""

from __future__ import annotations

import decimal
import enum
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lakehouse.errors import QueryError


class Side(enum.StrEnum):
    BUY = "buy"


VALUES: list[tuple[Any, str, Any]] = [
    (None, '"NULL"', None),
    (True, "BOOLEAN", True),
    (5, "INTEGER", 5),
    (2**62, "BIGINT", 2**62),
    (0.1, "DOUBLE", 0.1),
    (np.float32(0.5), "DOUBLE", 0.5),
    (np.float64(0.1), "DOUBLE", 0.1),
    (np.int16(7), "INTEGER", 7),
    (np.bool_(True), "BOOLEAN", True),
    ("it's", "VARCHAR", "it's"),
    (np.str_("x"), "VARCHAR", "x"),
    (Side.BUY, "VARCHAR", "buy"),
    (b"\x00\x01", "BLOB", b"\x00\x01"),
    (decimal.Decimal("1.50"), "DECIMAL(3,2)", decimal.Decimal("1.50")),
    (timedelta(hours=1), "INTERVAL", None),
    (date(2024, 1, 2), "DATE", date(2024, 1, 2)),
    (datetime(2024, 1, 2, 3), "TIMESTAMP", datetime(2024, 1, 2, 3, tzinfo=UTC)),
    (
        datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))),
        "TIMESTAMP",
        datetime(2024, 1, 2, 1, tzinfo=UTC),
    ),
    (pd.NaT, '"NULL"', None),
    (np.datetime64("NaT"), '"NULL"', None),
    (pd.NA, '"NULL"', None),
    (["a", "b"], "VARCHAR[]", ["a", "b"]),
    (("a", None), "VARCHAR[]", ["a", None]),
    (np.array([1, 2]), "INTEGER[]", [1, 2]),
    (pd.Series(["a"]), "VARCHAR[]", ["a"]),
    (pl.Series(["a"]), "VARCHAR[]", ["a"]),
]


@pytest.mark.parametrize(("value", "kind", "expected"), VALUES, ids=repr)
def test_a_value_arrives_as(desk: Any, value: Any, kind: str, expected: Any) -> None:
    table = desk.table("SELECT typeof($value) AS kind, $value AS value", {"value": value})
    assert table.column("kind")[0].as_py() == kind
    if kind != "INTERVAL":
        assert pl.DataFrame(table)["value"].to_list() == [expected]


@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("2024-01-02T03:04:05.123456789"),
        pd.Timestamp("2024-01-02T03:04:05.123456789"),
        pd.Timestamp("2024-01-02T05:04:05.123456789", tz="Europe/Athens"),
    ],
    ids=repr,
)
def test_nanoseconds_stay_nanoseconds(desk: Any, value: Any) -> None:
    table = desk.table("SELECT epoch_ns($value) AS ns, $value AS value", {"value": value})
    assert table.column("ns").to_pylist() == [1_704_164_645_123_456_789]
    assert str(table.schema.field("value").type) == "timestamp[ns, tz=UTC]"


def test_they_are_given_by_name_or_in_order(desk: Any) -> None:
    assert desk.rows("SELECT $b, $a, $a", {"a": 1, "b": 2}) == [(2, 1, 1)]
    assert desk.rows("SELECT $A", {"$A": 1}) == [(1,)]
    assert desk.rows("SELECT ?, ?", [1, "x"]) == [(1, "x")]
    assert desk.rows("SELECT $2, $1", (1, 2)) == [(2, 1)]
    assert desk.rows("SELECT 1", {}) == [(1,)]


def test_no_value_can_become_sql(desk: Any) -> None:
    evil = "'; COPY (SELECT 1) TO 'x'; --"
    assert desk.rows("SELECT $x", {"x": evil}) == [(evil,)]
    assert desk.rows("SELECT count(*) FROM market_data.trades WHERE symbol = $x", {"x": evil}) == [(0,)]


@pytest.mark.parametrize(
    ("text", "parameters", "message"),
    [
        ("SELECT $a, $b", {"a": 1}, r"No value for the parameter \$b"),
        ("SELECT $a", None, r"No value for the parameter \$a"),
        ("SELECT ?, ?", [1], r"No value for the parameter \$2"),
        ("SELECT $a", {"a": 1, "c": 2}, r"does not use the parameter \$c.*\n.*Its parameters: \$a"),
        ("SELECT 1", [1], r"does not use the parameter \$1"),
        ("SELECT $a", "text", "must be a mapping or a sequence; got str"),
        ("SELECT $a", 5, "must be a mapping or a sequence; got int"),
        ("SELECT $a", {"a": object()}, r"'a' is a object"),
        ("SELECT $a", {"a": {"b": 1}}, r"'a' is a dict"),
        ("SELECT $a", {"a": np.datetime64("9999-01-01")}, "'a' can not be used: .*outside 1677"),
        ("SELECT $a, ?", {"a": 1}, "Mixing named and positional"),
    ],
)
def test_a_wrong_one_is_named(desk: Any, text: str, parameters: Any, message: str) -> None:
    with pytest.raises(QueryError, match=f"(?s){message}"):
        desk.run(text, parameters)
