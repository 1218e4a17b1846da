"""The write API of a product: what it takes, and the arguments that reads and writes have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lakehouse.errors import ArgumentError
from lakehouse.times import Interval

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.ingest.verbs import PendingWrite
    from lakehouse.ingest.write import Provenance
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table

Symbols = str | Sequence[str] | None
Answer = TypeVar("Answer")

_OWN_KEYS = ("fence:", "replay:", "tail:")
"""prefixes of keys that the lake itself gives"""
_PROVENANCE = ("author", "source", "message", "idempotency_key")


class Writable(ABC, Generic[Answer]):
    """Append, upsert, update, delete: the rows pass the gate at once, `_take` says when they are committed.

    All take `author=`, `source=`, `message=` and `idempotency_key=`, for the record of the commit.
    """

    table: Table
    """where rows go"""

    @property
    @abstractmethod
    def contract(self) -> Contract:
        """The contract against which rows are checked."""

    @abstractmethod
    def _take(self, pending: PendingWrite) -> Answer:
        """Take a write whose rows have passed the gate."""

    def append(self, frame: Any, *, time_zone: str | None = None, **provenance: Any) -> Answer:
        """Add rows.

        With a key, rows that are stored already, equal in every column, count as duplicates.

        Args:
            frame: pandas, polars, Arrow, or anything with the Arrow C stream; rows in any order.
            time_zone: IANA zone of naive times; None refuses them.
            provenance: `author=`, `source=`, `message=`, `idempotency_key=`.

        Raises:
            KeyConflictError: a key is stored with other values; nothing was written.
            SchemaError: the frame does not fit the contract.
            ConflictError: other writers won every attempt.
        """
        from lakehouse.ingest import verbs

        given = provenance_of(provenance)
        return self._take(verbs.append(self.table, self.contract, frame, given, time_zone=time_zone))

    def upsert(self, frame: Any, *, time_zone: str | None = None, **provenance: Any) -> Answer:
        """Replace rows by key and add new ones; without a key, whole groups of equal symbol and time.

        Raises:
            SchemaError: the frame does not fit the contract.
            ConflictError: other writers won every attempt.
        """
        from lakehouse.ingest import verbs

        given = provenance_of(provenance)
        return self._take(verbs.upsert(self.table, self.contract, frame, given, time_zone=time_zone))

    def update(
        self,
        frame: Any,
        *,
        start: Any = None,
        end: Any = None,
        time_zone: str | None = None,
        **provenance: Any,
    ) -> Answer:
        """Replace [start, end) of the frame's symbols by its rows; by default its first to its last time.

        Raises:
            ArgumentError: a row lies outside the interval, or the product has no time column.
            SchemaError: the frame does not fit the contract.
            ConflictError: other writers won every attempt.
        """
        from lakehouse.ingest import verbs

        given = provenance_of(provenance)
        interval = None if start is None and end is None else Interval.of(start, end)
        return self._take(
            verbs.update(self.table, self.contract, frame, given, interval=interval, time_zone=time_zone)
        )

    def delete(
        self, symbols: Symbols = None, start: Any = None, end: Any = None, **provenance: Any
    ) -> Answer:
        """Take out the rows of some symbols, an interval, or both; old versions and snapshots keep them.

        Raises:
            ArgumentError: neither symbols nor an interval is given.
            ConflictError: other writers won every attempt.
        """
        from lakehouse.ingest import verbs
        from lakehouse.ingest.plans import Scope

        if symbols is None and start is None and end is None:
            raise ArgumentError(
                "Say what to delete: symbols, a start, or an end.", hint="For everything: start='1677-09-22'."
            )
        state = self.table.head()
        wanted = symbols_of(state, symbols)
        scope = Scope(None if wanted is None else tuple(wanted), interval_of(state, start, end))
        return self._take(verbs.delete(self.table, scope, provenance_of(provenance)))


def provenance_of(given: dict[str, Any]) -> Provenance:
    """Read the arguments that say who writes, from where and why.

    Raises:
        ArgumentError: one is unknown, is no text, or is a key that the lake keeps for itself.
    """
    from lakehouse.ingest.write import Provenance

    unknown = [name for name in given if name not in _PROVENANCE]
    if unknown:
        raise ArgumentError(f"Unknown argument {unknown[0]!r}; provenance takes {', '.join(_PROVENANCE)}.")
    wrong = [name for name, value in given.items() if not (isinstance(value, str) or value is None)]
    if wrong:
        raise ArgumentError(f"{wrong[0]} must be text, got {given[wrong[0]]!r}.")
    key = given.get("idempotency_key")
    if key is not None and (not key or key.startswith(_OWN_KEYS)):
        raise ArgumentError(f"Not an idempotency key: {key!r}.", hint="Give some text of your own.")
    return Provenance(**{name: value for name, value in given.items() if value is not None})


def symbols_of(state: TableState, symbols: Symbols) -> Sequence[str] | None:
    """Return the symbols that were asked for; None for all.

    Raises:
        ArgumentError: one is no text, or the product has no symbol column.
    """
    if symbols is None:
        return None
    if state.schema.symbol is None:
        raise ArgumentError(f"{state.name} has no symbol column, so no symbols to choose.")
    wanted = [symbols] if isinstance(symbols, str) else list(symbols)
    wrong = [symbol for symbol in wanted if not isinstance(symbol, str)]
    if wrong:
        raise ArgumentError(f"Symbols are text; got {wrong[0]!r}.")
    return wanted


def interval_of(state: TableState, start: Any, end: Any) -> Interval:
    """Return [start, end).

    Raises:
        ArgumentError: it can not be read, or the product has no time column.
    """
    interval = Interval.of(start, end)
    if state.schema.time is None and not interval.unbounded:
        raise ArgumentError(f"{state.name} has no time column, so no start and end.")
    return interval
