"""Where the rows of the demo come from: five real US stocks, or the user's own files."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.infer import infer_contract
from lakehouse.catalog.starter import starter_files
from lakehouse.errors import ArgumentError, MissingExtraError, SourceError
from lakehouse.ingest.sources import FileSource, Recipe, TimeRule
from lakehouse.ingest.sources.matching import match_columns
from lakehouse.ingest.sources.reading import open_rows
from lakehouse.ingest.sources.rows import Rows
from lakehouse.ingest.sources.unpack import DATA_SUFFIXES, unpack
from lakehouse.schema import RAW_PREFIX, Column, TableSchema, arrow_schema
from lakehouse.times import Interval

if TYPE_CHECKING:
    import pyarrow as pa

SYMBOL = "symbol"
PRICES = ("open", "high", "low", "close")
ADJUSTED = "adjusted_close"
_ADJUSTED_COLUMN = Column(
    ADJUSTED,
    "float64",
    unit="quote currency per unit",
    description="The close as if every later split and dividend had been known.",
)
_STARTER = "catalog/products/market_data/bars_1d/1.0.0.yaml"


@dataclass(frozen=True)
class Input:
    """What the demo loads."""

    title: str
    """what it is, for the report"""
    path: Path
    """a file or a folder"""
    recipe: Recipe
    """how to read the files, where their headers do not say it"""
    contracts: tuple[Contract, ...]
    """what the rows must be: the versions of one contract, oldest first"""

    @property
    def contract(self) -> Contract:
        """The newest version of the contract."""
        return self.contracts[-1]

    @property
    def price(self) -> str:
        """The column whose changes are returns: corrected for splits and dividends where the data say so."""
        return ADJUSTED if ADJUSTED in self.contract.schema.names else "close"

    @property
    def corrected(self) -> tuple[str, ...]:
        """The columns that a later split or dividend changes: the adjusted price, or else every price."""
        names = self.contract.schema.names
        return (ADJUSTED,) if ADJUSTED in names else tuple(name for name in PRICES if name in names)

    @property
    def time(self) -> str:
        """The name of the time column."""
        return str(self.contract.schema.time)


def sample_input() -> Input:
    """Return the daily bars of AAPL, FB, GOOG, IBM and MSFT, 2000 to 2013, of bokeh-sampledata.

    They come under the starter contract `market_data.bars_1d`, and under its next version, which adds the
    adjusted close that this source has.

    Raises:
        MissingExtraError: the package is not installed.
    """
    found = importlib.util.find_spec("bokeh_sampledata")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError.of("bokeh-sampledata", "demo")
    path = Path(found.submodule_search_locations[0], "_data", "stocks.csv.gz")
    starter = Contract.from_yaml(dict(starter_files())[_STARTER].decode("utf-8"))
    adjusted = replace(starter.schema, columns=(*starter.schema.columns, _ADJUSTED_COLUMN))
    contracts = (starter, replace(starter, version="1.1.0", schema=adjusted))
    return Input("daily bars of five US stocks, from the package bokeh-sampledata", path, Recipe(), contracts)


def own_input(path: Path, *, time_zone: str | None = None) -> Input:
    """Return the user's files, with a contract made from the columns of the first one.

    Args:
        path: a file or a folder of CSV, Parquet, JSON or Feather files of bars: a time, at least a close, and
            a symbol column or one file a symbol.
        time_zone: IANA zone of local times; None where they are dates or carry their zone.

    Raises:
        ArgumentError: the first file has no time or no close.
        SourceError: there are no files, or the first can not be read.
    """
    recipe = Recipe(extra="ignore", time=TimeRule(time_zone=time_zone))
    schema = _schema_of(_first_file(path), recipe)
    contract = infer_contract(f"market_data.{_product(schema)}", arrow_schema(schema))
    return Input(f"your own files, {path}", path, recipe, (replace(contract, schema=schema),))


def _product(schema: TableSchema) -> str:
    return "bars_1d" if schema.time is not None and schema[schema.time].type == "date" else "bars"


def _first_file(path: Path) -> Path:
    if path.is_file():
        return path
    files = sorted(file for file in path.rglob("*") if file.name.lower().endswith(DATA_SUFFIXES))
    if not files:
        raise SourceError(
            f"There are no data files in {path}.", hint="Give a folder of CSV or Parquet files."
        )
    return files[0]


def _schema_of(file: Path, recipe: Recipe) -> TableSchema:
    """Return symbol, time, and the prices and volume that the file has, under the lake's own names."""
    rows = open_rows(unpack(file.name, file.read_bytes())[0], recipe)
    wanted = tuple(Column(name, "float64") for name in (*PRICES, ADJUSTED, "volume"))
    draft = _with_roles(wanted, "date")
    there = match_columns(rows.names, draft, recipe, (SYMBOL,), file.name).sources
    if "close" not in there:
        raise ArgumentError(
            f"{file.name} has no column for the closing price; it has {', '.join(rows.names)}.",
            hint="Name one of its columns close.",
        )
    kept = tuple(
        Column(
            column.name, "int64" if column.name == "volume" and _whole(rows, there["volume"]) else "float64"
        )
        for column in wanted
        if column.name in there
    )
    return _with_time_type(kept, file, recipe)


def _with_time_type(columns: tuple[Column, ...], file: Path, recipe: Recipe) -> TableSchema:
    """Take the times for dates where every one of them is a date, and for instants where not."""
    dates, instants = _with_roles(columns, "date"), _with_roles(columns, "timestamp[ns]")
    if f"{RAW_PREFIX}date" not in _read(file, recipe, dates).column_names:
        return dates
    try:
        _read(file, recipe, instants)
    except SourceError as error:
        if recipe.time.time_zone is not None:
            raise
        # Raises what else is wrong, where it was not the zone.
        _read(file, replace(recipe, time=TimeRule(time_zone="UTC")), instants)
        hint = "Name their zone: --time-zone America/New_York, or UTC."
        raise SourceError(error.message, hint=hint) from error
    return instants


def _read(file: Path, recipe: Recipe, schema: TableSchema) -> pa.Table:
    source = FileSource(file, recipe)
    return source.read(source.chunks(schema, None, Interval())[0], schema)


def _with_roles(columns: tuple[Column, ...], time_type: str) -> TableSchema:
    name = "date" if time_type == "date" else "time"
    symbol, time = Column(SYMBOL, "string", nullable=False), Column(name, time_type, nullable=False)
    return TableSchema((symbol, time, *columns), SYMBOL, name, (SYMBOL, name))


def _whole(rows: Rows, positions: tuple[int, ...]) -> bool:
    return rows.columns({positions[0]: "integer"})[positions[0]].dtype.is_integer()
