from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.rule import LEVELS, NUMBERS, RULE_KINDS, Rule
from lakehouse.names import ProductName, is_plain_name
from lakehouse.schema import TYPES, Column, TableSchema

TRICKY = [
    "NO",
    "NA",
    "1e5",
    "null",
    "y",
    "0x1F",
    "1:30",
    "2024-01-02",
    "~",
    ".5",
    "a: b",
    "- x",
    "#x",
    " x ",
    "日経225",
]

texts = st.one_of(st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
some_texts = texts.filter(bool)
plain_names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(is_plain_name)
numbers = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
versions = st.tuples(st.integers(1, 99), st.integers(0, 99), st.integers(0, 99)).map(
    lambda parts: ".".join(map(str, parts))
)
spans = st.one_of(
    st.none(),
    st.tuples(st.integers(1, 99), st.sampled_from(["d", "w", "mo", "y"])).map("{0[0]}{0[1]}".format),
)


@st.composite
def schemas(draw: st.DrawFn) -> TableSchema:
    names = draw(
        st.lists(
            some_texts.filter(lambda name: not name.startswith("_")),
            min_size=3,
            max_size=7,
            unique_by=lambda name: name.casefold(),
        ).filter(lambda names: not {"partition_date", "symbol_bucket"} & {name.casefold() for name in names})
    )
    roles = [Column(names[0], "string", nullable=False), Column(names[1], "timestamp[ns]", nullable=False)]
    others = [
        Column(
            name,
            draw(st.sampled_from(list(TYPES))),
            draw(st.booleans()),
            draw(st.none() | texts),
            draw(texts),
        )
        for name in names[2:]
    ]
    columns = tuple(draw(st.permutations([*roles, *others])))
    key = tuple(draw(st.permutations([column.name for column in columns if not column.nullable])))
    return TableSchema(
        columns, draw(st.sampled_from([names[0], None])), names[1], key[: draw(st.integers(0, 3))]
    )


@st.composite
def rules(draw: st.DrawFn, schema: TableSchema, name: str) -> Rule:
    numeric = [column.name for column in schema.columns if column.type in NUMBERS]
    usable = {"not_null", "gap", "monotonic_time", "sql"} | (
        {"positive", "range", "spike"} if numeric else set()
    )
    kind = draw(st.sampled_from(sorted(usable)))
    columns = {
        "not_null": schema.names[:2],
        "positive": tuple(numeric),
        "range": tuple(numeric[:1]),
        "spike": tuple(numeric[:1]),
    }.get(kind, ())
    possible: dict[str, dict[str, Any]] = {
        "range": {"min": draw(numbers)},
        "spike": {"window": draw(st.integers(3, 100)), "threshold": draw(st.floats(0.1, 1e300))},
        "gap": {"max_gap": "36h"},
        "sql": {"expression": draw(st.sampled_from(["a <= b", "a = 'NO: (x'", "  a\n  > 1 "]))},
    }
    arguments = possible.get(kind, {})
    return Rule(name, kind, columns, arguments, draw(st.sampled_from(LEVELS)), draw(texts))


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    schema = draw(schemas())
    names = draw(st.lists(plain_names, max_size=4, unique=True))
    return Contract(
        ProductName(draw(plain_names), draw(plain_names)),
        draw(versions),
        schema,
        owners=tuple(draw(st.lists(some_texts, max_size=3))),
        description=draw(texts),
        layout=draw(st.sampled_from(["auto", "date=month,symbol=bucket(16)"])),
        rules=tuple(draw(rules(schema, name)) for name in names),
        retention=draw(spans),
        freshness=draw(spans),
        on_bad_value=draw(st.sampled_from(["reject", "quarantine"])),
    )


@given(contracts())
def test_a_contract_comes_back_from_its_document(contract: Contract) -> None:
    assert Contract.from_yaml(contract.to_yaml()) == contract


@given(contracts())
def test_equal_contracts_give_equal_documents(contract: Contract) -> None:
    assert Contract.from_yaml(contract.to_yaml()).to_yaml() == contract.to_yaml()


def test_every_kind_of_rule_comes_back(bars: Contract) -> None:
    every = (
        Rule("ohlc", "ohlc"),
        Rule("positive", "positive", ("open",)),
        Rule("non_negative", "non_negative", ("volume",)),
        Rule("not_null", "not_null", ("symbol", "close")),
        Rule("range", "range", ("close",), {"min": 0, "max": 1.5e-9}),
        Rule("one_of", "one_of", ("symbol",), {"values": ("NO", "NA", "1e5")}),
        Rule("spike", "spike", ("close",), {"window": 21, "threshold": 8.5}),
        Rule("jump", "jump", ("close",), {"max_change": 0.5}),
        Rule("stale", "stale", ("close",), {"max_rows": 5}),
        Rule("spacing", "spacing", ("close",), {"min_gap": "14d"}),
        Rule("adjusted", "adjusted", ("close", "open", "volume"), {"tolerance": 0.001}),
        Rule("gap", "gap", (), {"max_gap": "3d", "calendar": "XNYS"}),
        Rule("session", "session", (), {"calendar": "mon-fri 09:30-16:00 America/New_York"}),
        Rule("volume", "volume"),
        Rule("distinct", "distinct", ("symbol", "close")),
        Rule("known", "known", ("symbol",), {"product": "reference.instruments", "column": "symbol"}),
        Rule("agrees", "agrees", ("close",), {"product": "vendor.bars", "absolute": 0.01}),
        Rule("monotonic_time", "monotonic_time"),
        Rule("sql", "sql", (), {"expression": "close >= low"}),
    )
    assert {rule.kind for rule in every} == set(RULE_KINDS)
    changed = replace(bars, rules=every)
    assert Contract.from_yaml(changed.to_yaml()) == changed


def test_the_document_follows_the_json_schema_of_the_standard(bars: Contract) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft201909Validator(schema).validate(yaml.safe_load(bars.to_yaml()))


def test_words_that_yaml_takes_for_other_types_are_quoted(bars: Contract) -> None:
    schema = TableSchema((Column("NO", "string"), Column("1e5", "string", unit="NA")))
    text = replace(bars, schema=schema, rules=()).to_yaml()
    assert "name: 'NO'" in text
    assert "name: '1e5'" in text
    assert "value: 'NA'" in text


def test_a_contract_that_another_tool_wrote_is_read() -> None:
    contract = Contract.from_yaml(
        """
        apiVersion: v3.0.2
        kind: DataContract
        id: 53581432-6c55-4ba2-a65f-72344a91553a
        version: 1.0.0
        status: active
        name: Closing prices
        dataProduct: closes
        domain: market_data
        tags: [prices]
        team: [{username: ada, role: owner}, {username: bob, role: Data Steward}]
        price: {priceAmount: 9.95, priceCurrency: USD}
        slaProperties:
        - {property: retention, value: 3, unit: years}
        - {property: timeOfAvailability, value: '09:00'}
        schema:
        - name: closes
          properties:
          - name: close
            physicalType: float64
            quality: [{type: custom, engine: lakehouse, implementation: {rule: positive}}]
        """
    )
    assert (str(contract.name), contract.owners, contract.retention) == ("market_data.closes", ("ada",), "3y")
    assert contract.rules == (Rule("positive", "positive", ("close",)),)


def test_key_columns_come_in_the_order_of_their_positions(bars: Contract) -> None:
    changed = replace(bars, schema=replace(bars.schema, key=("date", "symbol")))
    assert Contract.from_yaml(changed.to_yaml()).schema.key == ("date", "symbol")
