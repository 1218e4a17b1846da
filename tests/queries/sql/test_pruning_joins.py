"""Which side of a join a condition reaches."""

from __future__ import annotations

from typing import Any

import pytest

A = "\"symbol\" IN ('A')"
DAY_5 = 1_704_412_800_000_000_000
FROM_5, UNTIL_5 = f'"time" >= {DAY_5}', f'"time" <= {DAY_5}'
T, Q = "market_data.trades AS t", "market_data.quotes AS q"
ON = "ON t.symbol = q.symbol"
ASOF = "ON t.symbol = q.symbol AND t.time >= q.time"

CASES = [
    # text, conditions that reach trades, conditions that reach quotes
    (f"FROM {T} JOIN {Q} {ON} WHERE t.symbol = 'A'", (A,), (A,)),
    (f"FROM {T} JOIN {Q} {ON} AND q.symbol = 'A'", (A,), (A,)),
    (f"FROM {T}, {Q} WHERE t.symbol = q.symbol AND q.symbol = 'A'", (A,), (A,)),
    (f"FROM {T}, {Q} WHERE t.symbol = 'A'", (A,), ()),
    (f"FROM {T} CROSS JOIN {Q} WHERE t.symbol = 'A' AND q.time >= '2024-01-05'", (A,), (FROM_5,)),
    (f"FROM {T} JOIN {Q} USING (symbol) WHERE symbol = 'A'", (A,), (A,)),
    (f"SELECT t.price FROM {T} NATURAL JOIN {Q} WHERE t.symbol = 'A'", (A,), (A,)),
    (f"FROM {T} JOIN {Q} ON t.time >= q.time WHERE q.time >= '2024-01-05'", (FROM_5,), (FROM_5,)),
    (f"FROM {T} JOIN {Q} ON t.time >= q.time WHERE t.time <= '2024-01-05'", (UNTIL_5,), (UNTIL_5,)),
    (f"FROM {T} JOIN {Q} ON t.time >= q.time WHERE t.time >= '2024-01-05'", (FROM_5,), ()),
    # the preserved side of an outer join gets WHERE, the filled side gets ON
    (f"FROM {T} LEFT JOIN {Q} {ON} WHERE t.symbol = 'A'", (A,), (A,)),
    (f"FROM {T} LEFT JOIN {Q} {ON} AND q.time >= '2024-01-05'", (), (FROM_5,)),
    (f"FROM {T} LEFT JOIN {Q} {ON} AND t.symbol = 'A'", (), (A,)),
    (f"FROM {T} LEFT JOIN {Q} {ON} WHERE q.time >= '2024-01-05'", (), ()),
    (f"FROM {T} LEFT JOIN {Q} {ON} WHERE q.symbol IS NULL", (), ()),
    (f"FROM {T} RIGHT JOIN {Q} {ON} WHERE q.symbol = 'A'", (A,), (A,)),
    (f"FROM {T} RIGHT JOIN {Q} {ON} AND t.time >= '2024-01-05'", (FROM_5,), ()),
    (f"FROM {T} RIGHT JOIN {Q} {ON} WHERE t.time >= '2024-01-05'", (), ()),
    (f"FROM {T} FULL JOIN {Q} {ON} AND t.symbol = 'A' WHERE t.symbol = 'A'", (), ()),
    (f"SELECT t.price FROM {T} FULL JOIN {Q} USING (symbol) WHERE symbol = 'A'", (), ()),
    (f"FROM {T} SEMI JOIN {Q} {ON} AND q.time >= '2024-01-05' WHERE t.symbol = 'A'", (A,), (A, FROM_5)),
    (f"FROM {T} ANTI JOIN {Q} {ON} AND t.time >= '2024-01-05' WHERE t.symbol = 'A'", (A,), (A,)),
    (f"FROM {T} ANTI JOIN {Q} {ON} AND q.time >= '2024-01-05'", (), (FROM_5,)),
    # an as-of join must see older rows: only the end of the interval and the symbol reach what is looked up
    (f"FROM {T} ASOF JOIN {Q} {ASOF} WHERE t.symbol = 'A'", (A,), (A,)),
    (f"FROM {T} ASOF JOIN {Q} {ASOF} WHERE t.time >= '2024-01-05'", (FROM_5,), ()),
    (f"FROM {T} ASOF JOIN {Q} {ASOF} WHERE t.time <= '2024-01-05'", (UNTIL_5,), (UNTIL_5,)),
    (
        f"FROM {T} ASOF LEFT JOIN {Q} {ASOF} WHERE t.symbol = 'A' AND t.time <= '2024-01-05'",
        (A, UNTIL_5),
        (A, UNTIL_5),
    ),
    (f"FROM {T} ASOF JOIN {Q} {ASOF} WHERE q.time <= '2024-01-05'", (), ()),
    (f"FROM {T} ASOF JOIN {Q} {ASOF} WHERE q.bid > 5 AND q.time >= '2024-01-05'", (FROM_5,), ()),
    (
        f"SELECT bid FROM {T} ASOF JOIN {Q} USING (symbol, time) WHERE symbol = 'A' AND time <= '2024-01-05'",
        (A, UNTIL_5),
        (A, UNTIL_5),
    ),
    # joins of joins
    (
        f"FROM {T} JOIN {Q} {ON} JOIN (VALUES ('A')) AS v(s) ON v.s = t.symbol WHERE q.symbol = 'A'",
        (A,),
        (A,),
    ),
    (
        f"FROM (SELECT 1 AS one) AS o LEFT JOIN ({T} JOIN {Q} {ON}) ON true WHERE t.symbol = 'A'",
        (),
        (),
    ),
    (
        f"WITH j AS (SELECT t.symbol AS s, t.time, q.bid FROM {T} ASOF JOIN {Q} {ASOF}) FROM j WHERE s = 'A'",
        (A,),
        (A,),
    ),
    (
        f"WITH j AS (SELECT t.*, q.bid FROM {T} ASOF LEFT JOIN {Q} {ASOF}) FROM j WHERE symbol = 'A'",
        (A,),
        (A,),
    ),
]


@pytest.mark.parametrize(("text", "trades", "quotes"), CASES)
def test_a_condition_reaches(desk: Any, text: str, trades: tuple[str, ...], quotes: tuple[str, ...]) -> None:
    if text.startswith("FROM"):
        text = f"SELECT count(*) {text}"
    assert desk.listed(text) == {"market_data.trades": trades, "market_data.quotes": quotes}
    assert sorted(map(repr, desk.rows(text))) == sorted(map(repr, desk.rows(text, prune=False)))


def test_names_that_could_mean_two_tables_prune_neither(desk: Any) -> None:
    text = f"SELECT * FROM {T} WHERE EXISTS (SELECT 1 FROM range(3) AS r WHERE symbol = 'A')"
    assert desk.listed(text)["market_data.trades"] == ()
