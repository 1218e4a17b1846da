"""A table, view or query, and the questions about its rows as SQL with parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.errors import ArgumentError
from lakehouse.ingest.sources.databases.clock import Condition
from lakehouse.ingest.sources.databases.engine import Engine, quoted

Question = tuple[str, list[Any]]
"""SQL, and the values of its placeholders in order."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Where rows come from inside a database."""

    name: str
    """for messages and the ledger"""
    sql: str
    """as it stands behind FROM"""

    @classmethod
    def of(cls, table: str | Sequence[str] | None, query: str | None) -> Relation:
        """Take a table by its name, whose parts are quoted, or a query as it is.

        Raises:
            ArgumentError: there are both, or neither.

        Examples:
            >>> Relation.of("desk.trades", None).sql
            '"desk"."trades"'
            >>> Relation.of(["a.b; drop table c"], None).sql
            '"a.b; drop table c"'
        """
        if (table is None) == (query is None):
            raise ArgumentError(
                "A database needs either a table or a query.", hint='Give table="desk.trades".'
            )
        if query is not None:
            digest = hashlib.sha256(query.encode()).hexdigest()[:12]
            return cls(f"query {digest}", f"(\n{query.rstrip().rstrip(';')}\n) as source")
        parts = str(table).split(".") if isinstance(table, str) else list(table or ())
        if not parts or not all(parts):
            raise ArgumentError(f"{table!r} is no name of a table.", hint='Write "trades" or "desk.trades".')
        return cls(".".join(parts), ".".join(quoted(part) for part in parts))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are asked for."""

    conditions: tuple[tuple[str, Condition], ...] = ()
    """quoted column, and what holds for it"""
    empty: str | None = None
    """quoted column that is null, if only such rows are asked for"""
    symbol: str | None = None
    """quoted symbol column"""
    symbols: tuple[str, ...] | None = None
    """values of it, beside null; None for all"""

    def sql(self, engine: Engine) -> Question:
        """Return the WHERE clause, which may be empty, and its parameters."""
        parts = [f"{self.empty} is null"] if self.empty else []
        values: list[Any] = []
        for column, (comparison, value) in self.conditions:
            values.append(value)
            parts.append(f"{column} {comparison} {engine.mark(len(values))}")
        if self.symbol is not None and self.symbols is not None:
            first = len(values) + 1
            values += self.symbols
            marks = ", ".join(engine.mark(first + place) for place in range(len(self.symbols)))
            chosen = f"{self.symbol} in ({marks}) or " if marks else ""
            parts.append(f"({chosen}{self.symbol} is null)")
        return (f" where {' and '.join(parts)}" if parts else ""), values
