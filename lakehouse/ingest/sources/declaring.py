"""The contract that typed rows would have: the types of their file, under the names that the recipe gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pyarrow as pa

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.infer import infer_contract
from lakehouse.ingest.sources.matching import SYMBOL_NAMES, find_symbol_column, normalise
from lakehouse.ingest.sources.recipe import Recipe
from lakehouse.ingest.sources.rows import Rows
from lakehouse.schema import arrow_type

PROPOSED = "sources.rows"
"""the name of the contract, until a product gives it its own"""


def declare(rows: Rows, recipe: Recipe, label: str) -> Contract:
    """Return the contract of rows that have types; a file without a symbol column is named after its symbol.

    Args:
        rows: whose `arrow_schema` is not None.
        recipe: its names, its dropped columns and the zone of its times count.
        label: the file, for messages.

    Raises:
        SchemaError: a column has no type of ours, such as a time without a zone.
        SourceError: several columns have one name.
    """
    assert rows.arrow_schema is not None
    fields = list(_named(rows.arrow_schema, recipe).values())
    if find_symbol_column(rows.names, recipe, None, label) is None:
        fields.insert(0, pa.field("symbol", pa.string()))
    return infer_contract(PROPOSED, pa.schema([_as_symbol(field, recipe) for field in fields]))


def declare_table(table: pa.Table, recipe: Recipe) -> Contract:
    """Return the contract of rows at hand, which also tell whether there is a key.

    Args:
        table: the first rows.
        recipe: as for `declare`; the one column that it names for the time is called `time`.

    Raises:
        SchemaError: a column has no type of ours, such as a time without a zone.
    """
    if len(recipe.time.column) == 1 and "time" not in table.column_names:
        recipe = dataclasses.replace(recipe, columns={**recipe.columns, recipe.time.column[0]: "time"})
    found = {place: _as_symbol(field, recipe) for place, field in _named(table.schema, recipe).items()}
    columns = [table.column(place).cast(field.type) for place, field in found.items()]
    sample = pa.Table.from_arrays(columns, schema=pa.schema(list(found.values())))
    if "symbol" in recipe.constants and "symbol" not in sample.column_names:
        symbols = pa.array([recipe.constants["symbol"]] * table.num_rows, pa.string())
        sample = sample.add_column(0, "symbol", symbols)
    return infer_contract(PROPOSED, sample.schema, sample=sample)


def declare_columns(
    types: Mapping[str, str], *, key: tuple[str, ...] = (), negative_prices: bool = False
) -> Contract:
    """Return the contract of columns that are known by themselves.

    Args:
        types: column → type of ours, in order; `symbol` and `time` have their roles, and are never null.
        key: columns whose values together are unique.
        negative_prices: leave out the rule that prices are above zero, which any inferred contract has.
    """
    fields = [pa.field(name, arrow_type(kind), nullable=name not in key) for name, kind in types.items()]
    found = infer_contract(PROPOSED, pa.schema(fields))
    schema = dataclasses.replace(found.schema, key=key)
    rules = tuple(rule for rule in found.rules if not (negative_prices and rule.kind == "positive"))
    return dataclasses.replace(found, schema=schema, rules=rules)


def _named(schema: pa.Schema, recipe: Recipe) -> dict[int, pa.Field]:
    """Return the columns that are kept, by their position, under the names that the recipe gives."""
    given = {column: target for column, target in recipe.columns.items() if isinstance(column, str)}
    found = {}
    for position, field in enumerate(schema):
        target = given.get(field.name, recipe.columns.get(position, field.name))
        if target is not None and field.name not in recipe.drop:
            found[position] = pa.field(target, _in_zone(field.type, recipe), nullable=True)
    return found


def _in_zone(kind: pa.DataType, recipe: Recipe) -> pa.DataType:
    """Give a zone to times that have none, where the recipe names it: reading makes them UTC."""
    naive = pa.types.is_timestamp(kind) and kind.tz is None
    return pa.timestamp(kind.unit, "UTC") if naive and recipe.time.time_zone else kind


def _as_symbol(field: pa.Field, recipe: Recipe) -> pa.Field:
    """Let a symbol of digits be text, where the recipe says that it is."""
    text = normalise(field.name) in SYMBOL_NAMES and field.name in (*recipe.as_text, "symbol")
    return field.with_type(pa.string()) if text and pa.types.is_integer(field.type) else field
