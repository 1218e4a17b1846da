"""Which pieces of work were done by which version: idempotency keys and ledger chunks.

Readers never look at them, and a large backfill has thousands: so they are parsed when somebody does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lakehouse.partitions.delta_log import UNDONE


class Done(Mapping[str, int]):
    """Version at which each key was committed; equal to a dictionary of the same."""

    def __init__(
        self, load: Callable[[], Mapping[str, int]], changes: Mapping[str, int] | None = None
    ) -> None:
        """Take what reads the keys, and what came since."""
        self._load = load
        self._changes = changes or {}
        self._found: Mapping[str, int] | None = None

    @classmethod
    def of(cls, known: Mapping[str, int]) -> Done:
        """Return keys that are at hand."""
        return known if isinstance(known, cls) else cls(lambda: known)

    def after(self, changes: Mapping[str, int]) -> Done:
        """Return the keys after a commit; `UNDONE` takes one away."""
        if not changes:
            return self
        known = {key: version for key, version in self._changes.items() if key not in changes}
        return Done(self._load, {**known, **changes})

    def __getitem__(self, key: str) -> int:
        """Return the version of a key."""
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._all())

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        """Compare with any mapping."""
        return dict(self._all()) == (other._all() if isinstance(other, Done) else other)

    def __hash__(self) -> int:
        """Hash by the number: they are facts, and do not change."""
        return hash(len(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the keys themselves."""
        return Done.of, (dict(self._all()),)

    def _all(self) -> Mapping[str, int]:
        if self._found is None:
            kept = {key: version for key, version in self._load().items() if key not in self._changes}
            new = {key: version for key, version in self._changes.items() if version != UNDONE}
            self._found = kept | new
        return self._found
