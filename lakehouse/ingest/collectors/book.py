"""One live order book, with prices and sizes as the exchange wrote them.

A checksum is of digits, so the texts are kept. `lakehouse.analytics.order_book` is the sibling for stored
rows: it rebuilds books by the million with a compiled kernel, for which a single message is too small.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import islice
from typing import Literal

Side = Literal["bid", "ask"]
Action = Literal["add", "change", "delete"]
Level = tuple[str, str]
"""price and size"""


class Book:
    """The levels of one book, of which the best `depth` a side are kept.

    Examples:
        >>> book = Book(depth=2)
        >>> [book.set("bid", price, "1.0") for price in ("99.0", "101.0", "100.0")]
        ['add', 'add', 'add']
        >>> book.cut("bid")
        [('99.0', '1.0')]
        >>> book.best("bid", 5)
        [('101.0', '1.0'), ('100.0', '1.0')]
    """

    def __init__(self, depth: int) -> None:
        """Begin empty; `depth` is what the feed maintains."""
        self._depth = depth
        self._sides: dict[Side, _Levels] = {"bid": _Levels(-1), "ask": _Levels(1)}

    def set(self, side: Side, price: str, size: str) -> Action:
        """Set what rests at a price, in the texts of the feed; size 0 removes it. Say what that did."""
        levels = self._sides[side]
        if float(size) == 0:
            levels.remove(price)
            return "delete"
        return "change" if levels.put(price, size) else "add"

    def cut(self, side: Side) -> list[Level]:
        """Remove the levels beyond the depth, and return them: the feed says nothing more of them."""
        return self._sides[side].cut(self._depth)

    def best(self, side: Side, count: int) -> list[Level]:
        """Return up to `count` levels, from the best."""
        return self._sides[side].first(count)


class _Levels:
    """The levels of one side, sorted from the best."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._order: list[float] = []
        self._levels: dict[float, Level] = {}

    def put(self, price: str, size: str) -> bool:
        """Set a level; say whether it was there."""
        rank = self._sign * float(price)
        known = rank in self._levels
        if not known:
            insort(self._order, rank)
        self._levels[rank] = price, size
        return known

    def remove(self, price: str) -> None:
        rank = self._sign * float(price)
        if self._levels.pop(rank, None) is not None:
            del self._order[bisect_left(self._order, rank)]

    def cut(self, depth: int) -> list[Level]:
        worst = self._order[depth:]
        del self._order[depth:]
        return [self._levels.pop(rank) for rank in worst]

    def first(self, count: int) -> list[Level]:
        return [self._levels[rank] for rank in islice(self._order, count)]
