"""Which maps of files a process keeps: so many, and so many bytes, since mapped pages count as its memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Resident(Generic[Key]):
    """Maps by the bytes of them that were used; whoever shares one holds a lock."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """Take the most maps, and the most bytes of all but the last that was used."""
        self._most, self._most_bytes = most, most_bytes
        self._sizes: OrderedDict[Key, int] = OrderedDict()
        self._bytes, self._turn = 0, 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sizes)

    def use(self, key: Key, more: int) -> list[Key]:
        """Note that a map is used, and `more` bytes of it for the first time; return those to be given up."""
        self._sizes[key] = self._sizes.get(key, 0) + more
        self._sizes.move_to_end(key)
        self._bytes += more
        given_up = []
        while len(self._sizes) > self._most:
            given_up.append(next(iter(self._sizes)))
            self.drop(given_up[-1])
        while self._bytes > self._most_bytes and len(self._sizes) > 1:
            given_up.append(self._any_other())
            self.drop(given_up[-1])
        return given_up

    def drop(self, key: Key) -> None:
        """Forget a map."""
        self._bytes -= self._sizes.pop(key, 0)

    def clear(self) -> None:
        """Forget all."""
        self._sizes.clear()
        self._bytes = 0

    def _any_other(self) -> Key:
        """Return one that was not used last: not the oldest, or what streams more would never find any."""
        self._turn = (5 * self._turn + 1) % 4096  # a generator of full period; `random` is slow to import
        return list(self._sizes)[self._turn % (len(self._sizes) - 1)]
