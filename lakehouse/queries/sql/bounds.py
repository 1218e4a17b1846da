"""What is certain about the rows that a query can use: bounds of columns, and facts that lead to them.

Bounds are always a superset: they may admit rows that the query drops, never the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal

from lakehouse.times import MAX_NS, MIN_NS

Kind = Literal["symbol", "date", "timestamp[us]", "timestamp[ns]"]
"""the columns that prune: the symbol column, and the time column by its type"""

Key = tuple[int, int]
"""a column in FROM: (rank of the source, rank of its column)"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values that a column, or the symbol and time of a table, can have.

    Examples:
        >>> Bounds(frozenset(["A", "B"])).meet(Bounds(frozenset(["B", "C"]))).symbols
        frozenset({'B'})
        >>> Bounds(first=5).join(Bounds(first=3, last=9)).first
        3
    """

    symbols: frozenset[str] | None = None
    """None: any"""
    first: int = MIN_NS
    """first possible instant, UTC nanoseconds"""
    last: int = MAX_NS
    """last possible instant, inclusive"""

    @property
    def empty(self) -> bool:
        """Whether no row can be within."""
        return self.first > self.last or (self.symbols is not None and not self.symbols)

    def meet(self, other: Bounds) -> Bounds:
        """Return what both admit."""
        symbols = self.symbols
        if other.symbols is not None:
            symbols = other.symbols if symbols is None else symbols & other.symbols
        return Bounds(symbols, max(self.first, other.first), min(self.last, other.last))

    def join(self, other: Bounds) -> Bounds:
        """Return the smallest bounds that admit all that either admits."""
        symbols = None if self.symbols is None or other.symbols is None else self.symbols | other.symbols
        return Bounds(symbols, min(self.first, other.first), max(self.last, other.last))


ANY = Bounds()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a condition says about the rows for which it is true."""

    bounds: Mapping[Key, Bounds] = field(default_factory=dict)
    """bounds of single columns, which are not null"""
    equal: tuple[tuple[Key, Key], ...] = ()
    """columns that are equal"""
    ordered: tuple[tuple[Key, Key], ...] = ()
    """time columns of which the first is not after the second"""
    never: bool = False
    """whether the condition is true for no row"""

    def both(self, other: Facts) -> Facts:
        """Return what holds where both conditions are true."""
        bounds = dict(self.bounds)
        for key, each in other.bounds.items():
            bounds[key] = bounds.get(key, ANY).meet(each)
        return Facts(
            bounds, self.equal + other.equal, self.ordered + other.ordered, self.never or other.never
        )

    def either(self, other: Facts) -> Facts:
        """Return what holds where at least one condition is true."""
        if self.never or other.never:
            return other if self.never else self
        shared = self.bounds.keys() & other.bounds.keys()
        return Facts({key: self.bounds[key].join(other.bounds[key]) for key in shared})

    def solved(self) -> Facts:
        """Carry bounds along equal and ordered columns, and notice contradictions."""
        bounds = dict(self.bounds)
        for _ in range(len(self.equal) + len(self.ordered) + 1):
            before = dict(bounds)
            for left, right in self.equal:
                met = bounds.get(left, ANY).meet(bounds.get(right, ANY))
                bounds[left] = bounds[right] = met
            for left, right in self.ordered:
                early, late = bounds.get(left, ANY), bounds.get(right, ANY)
                bounds[left] = early.meet(Bounds(last=late.last))
                bounds[right] = late.meet(Bounds(first=early.first))
            if bounds == before:
                break
        never = self.never or any(each.empty for each in bounds.values())
        return replace(self, bounds=bounds, never=never)

    def of_sources(self, sources: frozenset[int]) -> Facts:
        """Return the bounds alone of the columns of some sources, solved."""
        solved = self.solved()
        kept = {key: each for key, each in solved.bounds.items() if key[0] in sources}
        return Facts(kept, never=solved.never)

    def links(self) -> Facts:
        """Return the relations between columns alone."""
        return Facts(equal=self.equal, ordered=self.ordered)


NOTHING = Facts()
"""says nothing"""
NEVER = Facts(never=True)
"""is true for no row"""


def all_of(facts: list[Facts]) -> Facts:
    """Return what holds where every condition is true."""
    return reduce(Facts.both, facts, NOTHING)


def any_of(facts: list[Facts]) -> Facts:
    """Return what holds where at least one condition is true."""
    return reduce(Facts.either, facts, NEVER)
