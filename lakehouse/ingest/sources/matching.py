"""Which source column fills which column of the contract: by recipe, by equal names, then by synonyms.

Names are compared without case, and with every run of other characters than letters and digits as one
underscore: 'Adj Close' is `adj_close`. Synonyms of the time and the symbol serve only the contract's columns
in these roles.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.recipe import Recipe, SourceColumn
from lakehouse.schema import TableSchema

TIME_NAMES = (
    "time", "timestamp", "datetime", "date", "date_time", "day", "ts", "t", "event_time", "time_period",
    "timestamp_utc", "datetime_utc", "observation_date", "ts_event",
)  # fmt: skip
"""Names of a time column."""

INDEX_NAMES = ("", "index", "index_level_0", "unnamed_0")
"""Names under which pandas writes its index, which is the time if no other column is."""

SYMBOL_NAMES = ("symbol", "ticker", "sym", "instrument", "instrument_id", "security", "pair")
"""Names of a symbol column."""

SYNONYMS = (
    ("open", "o", "open_price"),
    ("high", "h", "high_price"),
    ("low", "l", "low_price"),
    ("close", "c", "close_price"),
    ("adjusted_close", "adj_close", "adjclose", "adjusted", "close_adjusted"),
    ("volume", "vol", "v"),
    ("price", "last", "last_price", "trade_price", "px"),
    ("size", "qty", "quantity", "amount", "volume", "vol"),
    ("bid", "bid_price", "bidprice", "best_bid"),
    ("ask", "ask_price", "askprice", "best_ask", "offer"),
    ("bid_size", "bidsize", "bid_qty", "bid_volume", "bid_amount"),
    ("ask_size", "asksize", "ask_qty", "ask_volume", "ask_amount"),
    ("open_interest", "openinterest", "oi"),
    ("trade_count", "trades", "count", "number_of_trades", "n_trades"),
    ("trade_id", "tradeid", "id", "tid"),
    ("dividend", "dividends", "ex_dividend", "div_cash"),
    ("split", "splits", "stock_splits", "split_ratio"),
    ("exchange", "venue", "market"),
)
"""Groups of names that mean the same."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which positions of a file are read, and for what."""

    sources: Mapping[str, tuple[int, ...]]
    """contract column → positions; several are joined by a space"""
    extras: Mapping[str, int]
    """name → position of columns that the contract does not know"""


def match_columns(
    names: tuple[str, ...], schema: TableSchema, recipe: Recipe, given: Collection[str], label: str
) -> Plan:
    """Decide which column of a file fills which column of the contract.

    Args:
        names: of the file's columns, in order.
        schema: the contract's.
        recipe: its mappings come first.
        given: contract columns that are filled from elsewhere: constants, and the symbol in the file's name.
        label: the file, for messages.

    Raises:
        SourceError: the recipe names a column that the file lacks, two columns claim one, or one is missing.
    """
    finder = _Finder(names, label)
    explicit = _explicit(finder, schema, recipe)
    dropped = {
        position for text in recipe.drop if (position := finder.locate(text, missing_ok=True)) is not None
    }
    dropped |= {finder.find(column) for column, target in recipe.columns.items() if target is None}
    taken = dropped | {position for positions in explicit.values() for position in positions}
    free = {position: name for position, name in enumerate(names) if position not in taken}
    sources = {target: positions for target, positions in explicit.items() if target in schema.names}
    _match_names(sources, free, schema, label)
    extras = {target: positions[0] for target, positions in explicit.items() if target not in schema.names}
    extras |= _extras(free, {*sources, *given}, label)
    _check_missing(sources, given, schema, names, label)
    return Plan(sources, {} if recipe.extra == "ignore" else extras)


def resolve(target: str, schema: TableSchema) -> str:
    """Return the contract column that a recipe means: `time` and `symbol` stand for the roles."""
    roles = {"time": schema.time, "symbol": schema.symbol}
    if target not in schema.names and roles.get(target):
        return str(roles[target])
    return target


def find_symbol_column(names: tuple[str, ...], recipe: Recipe, own: str | None, label: str) -> int | None:
    """Return the position of a file's symbol column, or None; `own` is its name in the contract."""
    wanted = {*SYMBOL_NAMES, normalise(own or "symbol")}
    finder = _Finder(names, label)
    for column, target in recipe.columns.items():
        if target is not None and normalise(target) in wanted:
            return finder.find(column)
    found = [position for position, name in enumerate(names) if normalise(name) in wanted]
    return found[0] if found else None


def normalise(name: str) -> str:
    """Return a name as it is compared.

    Examples:
        >>> normalise("Adj Close"), normalise("OPEN")
        ('adj_close', 'open')
    """
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


class _Finder:
    """Find columns of one file by name or position."""

    def __init__(self, names: tuple[str, ...], label: str) -> None:
        self._names = names
        self._label = label

    def find(self, column: SourceColumn) -> int:
        """Return the position of a column that must be there."""
        position = self.locate(column, missing_ok=False)
        assert position is not None
        return position

    def locate(self, column: SourceColumn, *, missing_ok: bool) -> int | None:
        """Return the position of a column: by exact name, by the same name in other case, or as given."""
        if isinstance(column, int):
            if column < len(self._names):
                return column
        else:
            for equal in (lambda name: name == column, lambda name: normalise(name) == normalise(column)):
                found = [position for position, name in enumerate(self._names) if equal(name)]
                if len(found) > 1:
                    raise SourceError(f"{self._label} has {len(found)} columns called {column!r}.")
                if found:
                    return found[0]
        if missing_ok:
            return None
        raise SourceError(f"{self._label} has no column {column!r}; it has {_shown(self._names)}.")


def _explicit(finder: _Finder, schema: TableSchema, recipe: Recipe) -> dict[str, tuple[int, ...]]:
    mapped: dict[str, tuple[int, ...]] = {
        resolve(target, schema): (finder.find(column),)
        for column, target in recipe.columns.items()
        if target is not None
    }
    rules = {"time": recipe.time, **recipe.times}
    mapped |= {
        resolve(target, schema): tuple(finder.find(column) for column in rule.column)
        for target, rule in rules.items()
        if rule.column
    }
    return mapped


def _match_names(
    sources: dict[str, tuple[int, ...]], free: dict[int, str], schema: TableSchema, label: str
) -> None:
    """Fill the columns that the recipe left open, equal names before synonyms."""
    for choices in (_own_name, _synonyms, _index_names):
        for target in schema.names:
            if target in sources:
                continue
            wanted = choices(target, schema)
            found = [position for position, name in free.items() if normalise(name) in wanted]
            if len(found) > 1:
                claims = _shown(free[position] for position in found)
                raise SourceError(
                    f"{label}: columns {claims} could each be {target!r}.",
                    hint=f"Say which, columns: {{{free[found[0]]}: {target}}}, and drop the others; "
                    "a date and a time of day join by time: {column: [Date, Time]}.",
                )
            if found:
                sources[target] = (found[0],)
                del free[found[0]]


def _own_name(target: str, schema: TableSchema) -> Collection[str]:
    return (normalise(target),)


def _synonyms(target: str, schema: TableSchema) -> Collection[str]:
    if target == schema.time:
        return TIME_NAMES
    if target == schema.symbol:
        return SYMBOL_NAMES
    return {name for group in SYNONYMS if normalise(target) in group for name in group}


def _index_names(target: str, schema: TableSchema) -> Collection[str]:
    return INDEX_NAMES if target == schema.time else ()


def _extras(free: Mapping[int, str], filled: Collection[str], label: str) -> dict[str, int]:
    """Name the columns that are left over; one must not hide behind the name of a contract column."""
    extras: dict[str, int] = {}
    for position, name in free.items():
        chosen = name or f"column_{position}"
        if chosen in filled:
            raise SourceError(
                f"{label}: two columns claim {chosen!r}.",
                hint=f"Leave one out in the recipe: drop: [{chosen}].",
            )
        extras[chosen if chosen not in extras else f"{chosen}_{position}"] = position
    return extras


def _check_missing(
    sources: Collection[str], given: Collection[str], schema: TableSchema, names: tuple[str, ...], label: str
) -> None:
    there = {*sources, *given}
    missing = [column.name for column in schema.columns if not column.nullable and column.name not in there]
    if not missing and sources:
        return
    data = names and all(re.fullmatch(r"[\d.:,\- /+eE]*", name) for name in names)
    hint = "The first line looks like data: give the names in order, columns: [time, open, …]."
    raise SourceError(
        f"{label} has no column for {_shown(missing or schema.names)}; it has {_shown(names)}.",
        hint=hint if data else "Name the source column in the recipe, e.g. columns: {PRICE: close}.",
    )


def _shown(names: Iterable[str]) -> str:
    listed = [repr(name) for name in names]
    return ", ".join(listed[:12]) + (f", … ({len(listed)} in all)" if len(listed) > 12 else "")
