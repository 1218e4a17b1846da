from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.contract_diff import check_successor
from lakehouse.catalog.rule import Rule
from lakehouse.errors import ContractError
from lakehouse.names import ProductName
from lakehouse.schema import Column, TableSchema

Change = Callable[[Contract], Contract]


def _schema(**changes: Any) -> Change:
    return lambda contract: replace(contract, schema=replace(contract.schema, **changes), rules=())


def _columns(change: Callable[[tuple[Column, ...]], tuple[Column, ...]]) -> Change:
    return lambda contract: replace(
        contract, schema=replace(contract.schema, columns=change(contract.schema.columns))
    )


def _close(**changes: Any) -> Change:
    return _columns(lambda columns: (*columns[:5], replace(columns[5], **changes), *columns[6:]))


def _rules(*rules: Rule) -> Change:
    return lambda contract: replace(contract, rules=rules)


OHLC, POSITIVE = Rule("ohlc", "ohlc"), Rule("positive", "positive", ("close",))
BREAKING = [
    ("column volume was removed", _columns(lambda columns: columns[:-1])),
    ("column close changed its type from float64 to float32", _close(type="float32")),
    ("column close must no longer be null", _close(nullable=False)),
    ("column date may now be null", _columns(lambda c: (c[0], replace(c[1], nullable=True), *c[2:]))),
    ("column close changed its unit from USD per share to EUR per share", _close(unit="EUR per share")),
    ("column close changed its unit from USD per share to none", _close(unit=None)),
    (
        "column x was added and must not be null",
        _columns(lambda c: (*c, Column("x", "bool", nullable=False))),
    ),
    ("the key changed from \\(symbol, date\\) to none", _schema(key=())),
    ("the key changed", _schema(key=("date", "symbol"))),
    ("the time column changed from date to none", _schema(time=None)),
    ("the symbol column changed from symbol to none", _schema(symbol=None)),
]
COMPATIBLE = [
    ("nullable column vwap was added", _columns(lambda columns: (*columns, Column("vwap", "float64")))),
    ("columns stand in another order", _columns(lambda columns: columns[::-1])),
    ("rule ohlc was removed", _rules(POSITIVE)),
    ("rule extra was added", _rules(OHLC, POSITIVE, Rule("extra", "not_null", ("close",)))),
    ("rule ohlc changed", _rules(Rule("ohlc", "ohlc", level="warn"), POSITIVE)),
    ("retention changed from 10y to none", lambda contract: replace(contract, retention=None)),
    ("freshness changed from 1d to 2d", lambda contract: replace(contract, freshness="2d")),
    ("layout changed", lambda contract: replace(contract, layout="auto")),
    ("on_bad_value changed", lambda contract: replace(contract, on_bad_value="quarantine")),
]
PATCH = [
    ("column close has another description", _close(description="The last trade.")),
    ("rule ohlc has another description", _rules(Rule("ohlc", "ohlc", description="x"), POSITIVE)),
    ("rules stand in another order", _rules(POSITIVE, OHLC)),
    (
        "owners changed from \\(ada, grace\\) to \\(ada\\)",
        lambda contract: replace(contract, owners=("ada",)),
    ),
    ("the description changed", lambda contract: replace(contract, description="Bars.")),
]


@pytest.fixture
def old(bars: Contract) -> Contract:
    """Give a contract without a rule that a change of its columns would break."""
    columns = bars.schema.columns
    return replace(
        bars, rules=(OHLC, POSITIVE), schema=replace(bars.schema, columns=columns, key=("symbol", "date"))
    )


@pytest.mark.parametrize(
    ("level", "reason", "change"),
    [
        *[("breaking", *case) for case in BREAKING],
        *[("compatible", *case) for case in COMPATIBLE],
        *[("patch", *case) for case in PATCH],
    ],
)
def test_each_change_has_its_level_and_its_reason(
    old: Contract, level: str, reason: str, change: Change
) -> None:
    if "date may now be null" in reason:
        old = replace(old, schema=TableSchema(old.schema.columns, symbol="symbol"))
    found = old.diff(change(old))
    assert found.level == level
    with pytest.raises(ContractError, match=reason):
        check_successor(old, change(old))


def test_a_unit_where_none_was_named_is_a_patch(old: Contract) -> None:
    bare = _close(unit=None)(old)
    assert bare.diff(old).level == "patch"


def test_the_gravest_change_gives_the_level_and_comes_first(old: Contract) -> None:
    new = replace(_close(type="float32")(old), owners=(), retention=None)
    found = old.diff(new)
    assert found.level == "breaking"
    assert [reason.partition(":")[0] for reason in found.reasons] == ["breaking", "compatible", "patch"]


def test_equal_contracts_of_two_versions_have_no_difference(old: Contract) -> None:
    found = old.diff(replace(old, version="2.0.0"))
    assert (found.level, found.reasons) == ("equal", ())


def test_contracts_of_two_products_are_not_compared(old: Contract) -> None:
    with pytest.raises(ContractError, match="different products"):
        old.diff(replace(old, name=ProductName("market_data", "quotes")))


@pytest.mark.parametrize(
    ("change", "lowest"), [(BREAKING[0][1], "2.0.0"), (COMPATIBLE[0][1], "1.3.0"), (PATCH[0][1], "1.2.1")]
)
def test_the_version_must_rise_as_far_as_the_change_demands(
    old: Contract, change: Change, lowest: str
) -> None:
    for version in ("1.0.0", "1.2.0"):
        with pytest.raises(ContractError, match=f"can not follow 1.2.0.*\n.*{lowest}"):
            check_successor(old, replace(change(old), version=version))
    check_successor(old, replace(change(old), version=lowest))
    check_successor(old, replace(change(old), version="3.0.0"))


def test_versions_rise_as_numbers(old: Contract) -> None:
    check_successor(replace(old, version="1.9.0"), replace(old, version="1.10.0"))
