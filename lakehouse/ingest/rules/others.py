"""Rules that compare rows with those of other products of the lake: known, agrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from lakehouse.catalog.product_names import choose_version
from lakehouse.catalog.products import load_contract
from lakehouse.catalog.session import session_of
from lakehouse.catalog.versions import major_of
from lakehouse.errors import NotFoundError
from lakehouse.ingest.rules.arguments import broken_rule, columns_of, time_of
from lakehouse.names import ProductName
from lakehouse.partitions.table import Table, Terms
from lakehouse.queries.known_symbols import known_symbols
from lakehouse.queries.scan import Scan
from lakehouse.schema import UNIT_NS
from lakehouse.times import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.catalog.rule import Rule
    from lakehouse.partitions.state import TableState
    from lakehouse.schema import TableSchema
    from lakehouse.store import Store


class Others:
    """The other products of a lake, each at the version that was its newest when it was first asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._states: dict[str, TableState] = {}

    @property
    def versions(self) -> Mapping[str, int]:
        """The products that were asked for, and the version of each."""
        return {name: state.version for name, state in self._states.items()}

    def state(self, rule: Rule) -> TableState:
        """Return the version of the product that a rule names.

        Raises:
            ContractError: there is no such product.
        """
        text = rule.arguments["product"]
        if text not in self._states:
            try:
                self._states[text] = _newest(self._store, ProductName.parse(text))
            except NotFoundError as error:
                raise broken_rule(rule, error.message, hint=error.hint) from error
        return self._states[text]


@dataclass(frozen=True, slots=True)
class OtherRule:
    """A rule that is ready to look at another product."""

    judge: Callable[[pl.DataFrame, Others], pl.Series]
    """says for each row of a frame whether it breaks the rule"""


def known(rule: Rule, schema: TableSchema) -> OtherRule:
    """Return where a value is none of those of a column of another product; null passes."""
    (column,) = columns_of(rule, schema)

    def judge(frame: pl.DataFrame, others: Others) -> pl.Series:
        state, name = others.state(rule), rule.arguments.get("column", column.name)
        _check_column(rule, state, name, column.type)
        values = frame[column.name]
        found = values.unique().drop_nulls()
        strange = found.filter(~found.cast(pl.String).is_in(_texts(state, name).implode()))
        if strange.is_empty():
            return pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
        return values.is_in(strange.implode()).fill_null(value=False)

    return OtherRule(judge)


def agrees(rule: Rule, schema: TableSchema) -> OtherRule:
    """Return where a number is too far from that of another product at the same symbol and time.

    Too far is more than both `absolute` and `relative` * |the other's|, of which one may be absent. Rows
    without a counterpart pass, and so do nulls and NaN on either side; of several rows of one symbol and
    time the last one counts. Without a symbol column in both, times alone are compared.
    """
    (column,) = columns_of(rule, schema)
    time = time_of(rule, schema)

    def judge(frame: pl.DataFrame, others: Others) -> pl.Series:
        state, name = others.state(rule), rule.arguments.get("column", column.name)
        _check_column(rule, state, name, None)
        if state.schema.time is None or state.schema[state.schema.time].type != time.type:
            raise broken_rule(rule, f"{state.name} has no time column of type {time.type}.")
        mine = _keyed(frame, schema, column.name, by_symbol=state.schema.symbol is not None)
        theirs = _counterparts(state, name, mine, by_symbol=schema.symbol is not None, unit=time.type)
        joined = mine.join(theirs, on=mine.columns[:-1], how="left", maintain_order="left")
        return _far_apart(rule, joined["value"], joined["other"])

    return OtherRule(judge)


def _far_apart(rule: Rule, values: pl.Series, others: pl.Series) -> pl.Series:
    allowed = np.maximum(
        rule.arguments.get("absolute", 0.0),
        rule.arguments.get("relative", 0.0) * np.abs(others.fill_null(np.nan).to_numpy()),
    )
    with np.errstate(invalid="ignore"):  # comparisons with NaN are false: what is missing passes
        far = np.abs(values.fill_null(np.nan).to_numpy() - others.fill_null(np.nan).to_numpy()) > allowed
    return pl.Series(far)


def _keyed(frame: pl.DataFrame, schema: TableSchema, column: str, *, by_symbol: bool) -> pl.DataFrame:
    """Return symbol, time and value of each row, the time as an integer in its own unit."""
    keys = [pl.col(schema.time or "").to_physical().cast(pl.Int64).alias("time")]
    if schema.symbol is not None and by_symbol:
        keys.insert(0, pl.col(schema.symbol).cast(pl.String).alias("symbol"))
    return frame.select(*keys, pl.col(column).cast(pl.Float64).alias("value"))


def _counterparts(
    state: TableState, column: str, mine: pl.DataFrame, *, by_symbol: bool, unit: str
) -> pl.DataFrame:
    """Return the rows of another product that may lie beside those of a frame, one a symbol and time."""
    length = UNIT_NS[unit]
    first, last = mine["time"].min(), mine["time"].max()
    interval = Interval(0, 0)
    if isinstance(first, int) and isinstance(last, int):
        interval = Interval(first * length, last * length + 1)
    names = [state.schema.time or "", column]
    symbols = None
    if state.schema.symbol is not None and by_symbol:
        names.insert(0, state.schema.symbol)
        symbols = _held(state, mine["symbol"].unique().drop_nulls().to_list())
    table = Scan(state, symbols=symbols, interval=interval, columns=names).read().to_polars()
    rows = _keyed(table, state.schema, column, by_symbol=by_symbol).rename({"value": "other"})
    if not state.schema.has_sequence and (symbols is not None or state.schema.symbol is None):
        return rows  # its key says that there is one row at most
    return rows.unique(rows.columns[:-1], keep="last", maintain_order=True)


def _held(state: TableState, symbols: Sequence[str]) -> list[str]:
    """Return those of the symbols that a version has."""
    held = known_symbols(state)
    return [symbol for symbol in symbols if symbol in held]


def _texts(state: TableState, column: str) -> pl.Series:
    """Return the values of a column as text."""
    if column == state.schema.symbol:
        return pl.Series(sorted(known_symbols(state)), dtype=pl.String)
    values = Scan(state, columns=[column]).read().to_polars()[column]
    return values.unique().drop_nulls().cast(pl.String)


def _check_column(rule: Rule, state: TableState, column: str, wanted: str | None) -> None:
    if column not in state.schema.names:
        unknown = NotFoundError.among(f"column of {state.name}", column, state.schema.names)
        raise broken_rule(rule, unknown.message, hint=unknown.hint)
    found = state.schema[column].type
    if (wanted is None and not found.startswith(("int", "float"))) or wanted not in (None, found):
        raise broken_rule(
            rule, f"column {column!r} of {state.name} is {found}; expected {wanted or 'numbers'}."
        )


def _newest(store: Store, name: ProductName) -> TableState:
    version = choose_version(store, name)

    def terms() -> Terms:
        contract = load_contract(store, name, version)
        return Terms(contract.schema, contract.version)

    table = Table(store, name, major_of(version), terms)
    state = table.head()
    session_of(store).hold(table.path, state)
    return state
