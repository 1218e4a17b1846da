"""One file's rows to columns of the contract: match the columns, convert each, keep the row order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import polars as pl
import pyarrow as pa

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.cells import Cells
from lakehouse.ingest.sources.columnar import ParquetRows, arrow_rows
from lakehouse.ingest.sources.dbn_rows import DbnRows
from lakehouse.ingest.sources.delimited import DelimitedRows
from lakehouse.ingest.sources.influx_rows import InfluxRows
from lakehouse.ingest.sources.instants import to_instants
from lakehouse.ingest.sources.json_rows import JsonRows
from lakehouse.ingest.sources.matching import Plan, match_columns, resolve
from lakehouse.ingest.sources.quantities import to_flag, to_number, to_scaled, to_string
from lakehouse.ingest.sources.recipe import CLOCK_FORMATS, EPOCH_FORMATS, Recipe, TimeRule
from lakehouse.ingest.sources.rows import Rows, Wish
from lakehouse.ingest.sources.template import fill, read_day
from lakehouse.ingest.sources.unpack import Payload, detect_format
from lakehouse.schema import RAW_PREFIX, TIME_TYPES, Column, TableSchema, arrow_type

_SYMBOL_NULLS = ("",)  # NA, NULL and NAN may each be a ticker


@dataclass(frozen=True, slots=True)
class FileName:
    """What the name of a file says about its rows."""

    parts: Mapping[str, str]
    """named parts of the path and of the zip entry"""
    symbol: str | None
    """the symbol that every row must have; None if the name does not tell"""
    fallback: str
    """the symbol of rows that tell it nowhere else: the recipe's constant, or the file's name without
    endings"""


@dataclass(frozen=True, slots=True)
class _Job:
    """The conversion of one file."""

    label: str
    """the file, for messages"""
    name: FileName
    """what it is called"""
    schema: TableSchema
    """the contract's"""
    recipe: Recipe
    """how to read it"""
    constants: Mapping[str, str]
    """contract column → text of every row"""
    scales: Mapping[str, Fraction]
    """contract column → factor"""
    textual: bool
    """whether the file writes null as a word"""


def open_rows(payload: Payload, recipe: Recipe) -> Rows:
    """Open the rows of one file by its format.

    Raises:
        SourceError: the file is damaged, or of no known format.
    """
    match recipe.format or detect_format(payload):
        case "parquet":
            return ParquetRows(payload)
        case "arrow":
            return arrow_rows(payload)
        case "influx":
            return InfluxRows(payload, recipe)
        case "dbn":
            return DbnRows(payload)
        case "json":
            return JsonRows(payload, recipe)
        case _:
            return DelimitedRows(payload, recipe)


def read_rows(rows: Rows, label: str, name: FileName, schema: TableSchema, recipe: Recipe) -> pl.DataFrame:
    """Return the columns of the contract, then `_raw_` columns, then those that the contract does not know.

    Args:
        rows: of one file.
        label: the file, for messages.
        name: what the file's name says.
        schema: the contract's.
        recipe: how to read it.

    Raises:
        ArgumentError: the recipe scales a column that nobody knows.
        SourceError: the rows are damaged, lack a column, or belong to another symbol.
    """
    _check_targets(schema, recipe, name)
    constants = _constants(name, schema, recipe, label)
    job = _Job(label, name, schema, recipe, constants, _scales(schema, recipe), rows.textual)
    if not rows.names:
        return _frame({column.name: Cells(pl.Series([], dtype=pl.Null)) for column in schema.columns}, {})
    given = {*constants, *([schema.symbol] if schema.symbol else [])}
    plan = match_columns(rows.names, schema, recipe, given, label)
    _check_constants(plan, job)
    columns = rows.columns(_wishes(plan, job))
    cells = {column.name: _cells(column, plan, columns, job) for column in schema.columns}
    _check_symbol(cells, job)
    extras = {extra: columns[position] for extra, position in plan.extras.items()}
    return _frame(
        cells, {extra: series for extra, series in extras.items() if not _is_void(extra, series, rows)}
    )


def to_arrow(frame: pl.DataFrame, schema: TableSchema) -> pa.Table:
    """Return the frame as Arrow, in the exact types of the contract; every column may hold nulls."""
    table = frame.to_arrow()
    columns, fields = [], []
    for name in table.column_names:
        column = table.column(name)
        kind = arrow_type(schema[name].type) if name in schema.names else column.type
        kind = pa.string() if kind == pa.large_string() else kind
        columns.append(column.cast(kind))
        fields.append(pa.field(name, kind))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _constants(name: FileName, schema: TableSchema, recipe: Recipe, label: str) -> dict[str, str]:
    """Return the columns that the recipe, or a part of the file's name, fills with one value."""
    named = {part: value for part, value in name.parts.items() if part in schema.names and part != "date"}
    named.pop(schema.symbol or "", None)
    fixed = {
        resolve(target, schema): fill(value, name.parts, label) for target, value in recipe.constants.items()
    }
    unknown = sorted(target for target in fixed if target not in schema.names)
    if unknown:
        raise ArgumentError(
            f"The recipe's constants {unknown} are no columns; those are {', '.join(schema.names)}."
        )
    return {**named, **fixed}


def _check_targets(schema: TableSchema, recipe: Recipe, name: FileName) -> None:
    """Refuse a setting for a column that nobody knows: a misspelt divisor would leave prices as they are."""
    known = {*schema.names, *recipe.columns.values(), *name.parts}
    for key in ("divide", "multiply", "nulls", "as_text", "times"):
        unknown = sorted(target for target in getattr(recipe, key) if resolve(target, schema) not in known)
        if unknown:
            raise ArgumentError(
                f"The recipe's {key} names {', '.join(unknown)}, which is no column of the contract.",
                hint=f"Its columns are {', '.join(schema.names)}.",
            )


def _scales(schema: TableSchema, recipe: Recipe) -> dict[str, Fraction]:
    factors = {target: Fraction(factor) for target, factor in recipe.multiply.items()}
    factors |= {target: 1 / Fraction(divisor) for target, divisor in recipe.divide.items()}
    return {resolve(target, schema): factor for target, factor in factors.items()}


def _check_constants(plan: Plan, job: _Job) -> None:
    both = sorted({*plan.sources} & {*job.constants})
    if both:
        raise SourceError(
            f"{job.label} has columns {both}, and the recipe or the file's name gives them as well.",
            hint=f"Leave one out: drop: [{both[0]}].",
        )


def _wishes(plan: Plan, job: _Job) -> dict[int, Wish]:
    wishes: dict[int, Wish] = dict.fromkeys(plan.extras.values(), "text")
    for name, positions in plan.sources.items():
        wish: Wish = _wish(job.schema[name], job) if len(positions) == 1 else "text"
        wishes |= dict.fromkeys(positions, wish)
    return wishes


def _wish(column: Column, job: _Job) -> Wish:
    """Say what to parse the column into at once; a float32 is rounded from text, not from a float64."""
    if column.type in TIME_TYPES:
        counted = _rule(column, job).format in (*EPOCH_FORMATS, *CLOCK_FORMATS)
        return "integer" if counted else "text"
    if column.name in {resolve(target, job.schema) for target in job.recipe.nulls}:
        return "text"
    if column.type.startswith("int") or (column.type == "float64" and column.name in job.scales):
        return "integer"
    return "float" if column.type == "float64" else "text"


def _cells(column: Column, plan: Plan, columns: Mapping[int, pl.Series], job: _Job) -> Cells:
    """Convert one column from wherever it comes: the file, a constant, the file's name, or nowhere."""
    positions = plan.sources.get(column.name)
    if positions is not None:
        source = (
            columns[positions[0]] if len(positions) == 1 else _join([columns[place] for place in positions])
        )
        return _convert(column, source, job)
    height = next(iter(columns.values())).len()
    text = job.constants.get(column.name)
    if text is None and column.name == job.schema.symbol:
        text = job.name.symbol or job.name.fallback
    if text is None:
        return Cells(pl.Series([None], dtype=pl.Null).new_from_index(0, height))
    return _convert(column, pl.Series([text], dtype=pl.String).new_from_index(0, height), job)


def _convert(column: Column, source: pl.Series, job: _Job) -> Cells:
    kind, where = column.type, f"{job.label}, column {column.name!r}"
    further = {resolve(target, job.schema): texts for target, texts in job.recipe.nulls.items()}
    nulls = (*job.recipe.null_values, *further.get(column.name, ()))
    if kind == "string":
        return _to_string(column, source, nulls, job, where)
    if kind == "bool":
        return to_flag(source, nulls, where)
    if kind in TIME_TYPES:
        day = read_day(job.name.parts, job.label)
        return to_instants(source, _rule(column, job), kind, day=day, nulls=nulls, where=where)
    if column.name in job.scales:
        return to_scaled(source, kind, job.scales[column.name], nulls, where)
    return to_number(source, kind, nulls, where)


def _to_string(column: Column, source: pl.Series, nulls: tuple[str, ...], job: _Job, where: str) -> Cells:
    is_symbol = column.name == job.schema.symbol
    nulls = (_SYMBOL_NULLS if is_symbol else nulls) if job.textual else ()
    allowed = column.name in {resolve(target, job.schema) for target in job.recipe.as_text}
    cells = to_string(source, nulls, where, from_numbers=allowed)
    return Cells(in_case(cells.values, job.recipe)) if is_symbol else cells


def in_case(symbols: pl.Series, recipe: Recipe) -> pl.Series:
    """Return symbols in the letters that the recipe asks for."""
    match recipe.symbol_case:
        case "upper":
            return symbols.str.to_uppercase()
        case "lower":
            return symbols.str.to_lowercase()
        case _:
            return symbols


def _rule(column: Column, job: _Job) -> TimeRule:
    """Return how a time column is read; one without a rule shares the zone of the contract's time."""
    own = {resolve(target, job.schema): rule for target, rule in job.recipe.times.items()}
    main = job.recipe.time
    if column.name in own:
        return own[column.name]
    return main if column.name == job.schema.time else TimeRule(time_zone=main.time_zone, fold=main.fold)


def _join(columns: list[pl.Series]) -> pl.Series:
    """Join cells by a space; a missing one leaves the others, so that nothing vanishes."""
    texts = [column.cast(pl.String).fill_null("") for column in columns]
    joined = texts[0]
    for text in texts[1:]:
        joined = joined + " " + text
    return joined.str.strip_chars()


def _check_symbol(cells: Mapping[str, Cells], job: _Job) -> None:
    """Refuse a file whose rows are of another symbol than its name."""
    if job.name.symbol is None or job.schema.symbol is None:
        return
    values = cells[job.schema.symbol].values
    others = values.filter(values != job.name.symbol)
    if others.len():
        raise SourceError(
            f"{job.label} is {job.name.symbol!r} by its name, but {others.len()} rows are {others[0]!r}.",
            hint="Write * instead of {symbol} in the template to trust the column.",
        )


def _is_void(name: str, series: pl.Series, rows: Rows) -> bool:
    """Say whether an extra column is only the delimiter at the end of each line: no name and no cell."""
    unnamed = name not in rows.names
    return unnamed and series.dtype == pl.String and bool((series.fill_null("") == "").all())


def _frame(cells: Mapping[str, Cells], extras: Mapping[str, pl.Series]) -> pl.DataFrame:
    columns = [item.values.alias(name) for name, item in cells.items()]
    columns += [item.raw.alias(f"{RAW_PREFIX}{name}") for name, item in cells.items() if item.raw is not None]
    columns += [series.alias(name) for name, series in extras.items()]
    return pl.DataFrame(columns)
