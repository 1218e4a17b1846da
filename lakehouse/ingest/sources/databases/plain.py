"""Columns as a library of a database gives them, in types that the conversion knows; nothing is rounded."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl
import pyarrow as pa

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.cells import keep
from lakehouse.ingest.sources.matching import match_columns
from lakehouse.ingest.sources.recipe import Recipe
from lakehouse.schema import TableSchema


def plain(table: pa.Table, rounded: Collection[str], exact: Collection[str], where: str) -> pa.Table:
    """Return the table with exact decimals as text, or as floats where the caller allows it.

    Args:
        table: as the database gave it.
        rounded: names of the columns of decimals that become the nearest float64.
        exact: names of columns that fill a float of the contract: their decimals must be among `rounded`.
        where: the table, for messages.

    Raises:
        SourceError: a column of decimals would lose digits, and nobody has allowed it.
    """
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if is_decimal(field.type):
            _check_allowed(field, rounded, exact, where)
            text = _text(column)
            column = _nearest(text, field.name, where) if field.name in rounded else text
        elif isinstance(field.type, pa.UuidType):
            column = pa.array(
                [None if cell is None else str(cell) for cell in column.to_pylist()], pa.string()
            )
        elif isinstance(field.type, pa.BaseExtensionType):
            column = column.cast(field.type.storage_type)
        table = table.set_column(place, field.name, column)
    return table


def is_decimal(kind: pa.DataType) -> bool:
    """Say whether a type holds decimals: PostgreSQL's numeric, or decimal(p, s).

    Examples:
        >>> is_decimal(pa.decimal128(12, 4)), is_decimal(pa.float64())
        (True, False)
    """
    opaque = isinstance(kind, pa.OpaqueType) and kind.type_name == "numeric"
    return opaque or bool(pa.types.is_decimal(kind))


def floats_of(names: Sequence[str], schema: TableSchema, recipe: Recipe, where: str) -> set[str]:
    """Return the columns of a table that fill a float of the contract.

    Raises:
        SourceError: a column of the contract has none that could fill it, or several.
    """
    given = {*recipe.constants, *([schema.symbol] if schema.symbol else [])}
    sources = match_columns(tuple(names), schema, recipe, given, where).sources
    floats = [column.name for column in schema.columns if column.type.startswith("float")]
    return {names[place] for name in floats for place in sources.get(name, ())}


def _check_allowed(field: pa.Field, rounded: Collection[str], exact: Collection[str], where: str) -> None:
    if field.name in exact and field.name not in rounded:
        raise SourceError(
            f"{where}, column {field.name!r} holds exact decimals, which a float does not keep.",
            hint=f"rounded=[{field.name!r}] takes the nearest float64; text keeps every digit.",
        )


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(column.type, pa.OpaqueType):
        return column.cast(column.type.storage_type)
    return column.cast(pa.string())


def _nearest(text: pa.ChunkedArray, name: str, where: str) -> pa.Array:
    cells = pl.Series(text)
    values = cells.cast(pl.Float64, strict=False)
    beyond = values.is_infinite() & ~cells.str.contains("(?i)inf")
    if beyond.any():
        raise SourceError(f"{where}, column {name!r}: {cells.filter(beyond)[0][:40]} is beyond any float64.")
    return keep(values, ~beyond).to_arrow() if beyond.has_nulls() else values.to_arrow()
