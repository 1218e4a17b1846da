from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.rule import Rule
from lakehouse.errors import ArgumentError, ContractError
from lakehouse.names import ProductName
from lakehouse.partitions.layout import Layout
from lakehouse.schema import Column, TableSchema

LAYOUTS = [
    "date=day,symbol=row_groups",
    "date=month",
    "symbol=identity",
    "symbol=bucket(64),date=none",
    "date=week",
    "date",
    "",
    "date=day,size=big",
    "symbol=bucket(0)",
]


def test_the_major_number_names_the_table(bars: Contract) -> None:
    assert replace(bars, version="12.3.4").major == 12


def test_lists_are_kept_as_tuples_and_one_owner_is_no_list_of_letters(bars: Contract) -> None:
    changed = replace(bars, owners="ada", rules=list(bars.rules))  # type: ignore[arg-type]
    assert changed.owners == ("ada",)
    assert changed.rules == bars.rules


def test_contracts_travel_to_other_processes(bars: Contract) -> None:
    assert pickle.loads(pickle.dumps(bars)) == bars


@pytest.mark.parametrize("text", LAYOUTS)
def test_the_contract_takes_the_layouts_that_partitions_read(bars: Contract, text: str) -> None:
    try:
        Layout.parse(text)
    except ContractError:
        with pytest.raises(ContractError, match="Unknown layout"):
            replace(bars, layout=text)
    else:
        assert replace(bars, layout=text).layout == text


@pytest.mark.parametrize(
    "version", ["1.0", "1", "v1.0.0", "0.9.0", "1.0.0-rc1", "01.0.0", "1.0.0\n", "", "१.0.0"]
)
def test_a_version_is_three_plain_numbers(bars: Contract, version: str) -> None:
    with pytest.raises(ContractError, match="Not a contract version"):
        replace(bars, version=version)


@pytest.mark.parametrize(
    ("part", "text"), [("retention", "10 years"), ("freshness", "1m"), ("retention", "0d")]
)
def test_a_span_of_time_is_a_number_and_a_known_unit(bars: Contract, part: str, text: str) -> None:
    with pytest.raises(ContractError, match=f"Not a {part}.*\n.*units: ns, us"):
        replace(bars, **{part: text})  # type: ignore[arg-type]  # any field


def test_a_span_of_time_beyond_nanoseconds_is_refused(bars: Contract) -> None:
    with pytest.raises(ContractError, match="longer than 292 years"):
        replace(bars, retention="300y")


def test_a_name_that_is_no_path_segment_is_refused(bars: Contract) -> None:
    with pytest.raises(ArgumentError, match="Not a product name"):
        replace(bars, name=ProductName("..", "bars"))


def test_bad_values_are_rejected_or_quarantined_and_nothing_else(bars: Contract) -> None:
    with pytest.raises(ContractError, match="on_bad_value is 'drop'"):
        replace(bars, on_bad_value="drop")  # type: ignore[arg-type]


def test_two_rules_of_one_name_are_refused(bars: Contract) -> None:
    with pytest.raises(ContractError, match="doubled: ohlc"):
        replace(bars, rules=(*bars.rules, Rule("ohlc", "not_null", ("close",))))


def test_a_key_that_names_a_column_twice_is_refused(bars: Contract) -> None:
    with pytest.raises(ContractError, match="twice: symbol, symbol"):
        replace(bars, schema=replace(bars.schema, key=("symbol", "symbol")))


@pytest.mark.parametrize("name", ["partition_date", "Symbol_Bucket"])
def test_names_of_partition_folders_are_kept(bars: Contract, name: str) -> None:
    with pytest.raises(ContractError, match="kept for the lake's own partition folders"):
        replace(bars, schema=TableSchema((Column(name, "date"),)), rules=())
