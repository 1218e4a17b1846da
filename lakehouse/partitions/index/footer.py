"""A footer whose directory comes from the index: the file itself is opened when its pages are decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lakehouse.cached import cached_property
from lakehouse.partitions.footers import Footer, Integers, footer_of
from lakehouse.partitions.index.columns import DamagedIndexError
from lakehouse.partitions.index.part import Texts
from lakehouse.partitions.segments import RunStatistics, hex_digests
from lakehouse.partitions.sorting import run_starts

if TYPE_CHECKING:
    from pyarrow._parquet import FileMetaData

    from lakehouse.partitions.index.part import Part
    from lakehouse.store import Store

_FEW = 8


class IndexedFooter(Footer):
    """The footer of one file of a part; each fact is looked up on first use."""

    def __init__(self, store: Store, part: Part, number: int, time: str | None) -> None:
        """Take the pieces of a file.

        Raises:
            DamagedIndexError: the index was altered.
        """
        columns = part.columns
        runs = tuple(columns.span("file_runs", number, number + 2).tolist())
        ends = columns.span("run_pieces", runs[0], runs[1] + 1)
        rows, first, last, group = (
            columns.span(f"piece_{name}", int(ends[0]), int(ends[-1]))
            for name in ("rows", "first", "last", "group")
        )
        start = np.cumsum(rows) - rows
        facts = {
            "_store": store,
            "_part": part,
            "_number": number,
            "_time": time,
            "_run_ends": runs,
            "code": np.repeat(np.arange(len(ends) - 1), np.diff(ends)),
            "start": start,
            "rows": rows,
            "first": first,
            "last": last,
            "group": group.astype(np.int64),
            "group_starts": np.append(start[run_starts(group)], rows.sum()),
        }
        self.__dict__.update(facts)  # the base is frozen

    _store: Store
    _part: Part
    _number: int
    _time: str | None
    _run_ends: tuple[int, int]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the footer that it stands for."""
        return footer_of, (self._store, self._part.file(self._number), self._time)

    def is_for(self, store: Store, time: str | None) -> bool:
        """Say whether it was made for a store and a column of times."""
        return self._store is store and self._time == time

    @property
    def _read(self) -> Footer:
        """The footer itself, which is kept elsewhere, and not for as long as this one."""
        return footer_of(self._store, self._part.file(self._number), self._time)

    @property
    def metadata(self) -> FileMetaData:
        """See `Footer.metadata`: opens the file."""
        return self._read.metadata

    @property
    def checked(self) -> dict[str, set[int]]:
        """See `Footer.checked`."""
        return self._read.checked

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """See `Footer.symbols`."""
        try:
            codes = self._span("run_symbol").tolist()
            if len(codes) < _FEW:
                texts = Texts(self._part.columns, "symbol")
                return tuple(texts[code] for code in codes)
            return tuple(map(self._part.symbols.__getitem__, codes))
        except DamagedIndexError:
            return self._read.symbols

    @cached_property
    def counts(self) -> Integers:
        """See `Footer.counts`."""
        try:
            return self._span("run_rows")
        except DamagedIndexError:
            return self._read.counts

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """See `Footer.digests`."""
        try:
            return tuple(hex_digests(self._span("run_digest", 16)))
        except DamagedIndexError:
            return self._read.digests

    @cached_property
    def statistics(self) -> Mapping[str, RunStatistics]:
        """See `Footer.statistics`."""
        try:
            found = {
                name: RunStatistics(*(self._span(f"{side}:{name}") for side in ("low", "high", "missing")))
                for name in self._part.notes["statistics"]
            }
        except DamagedIndexError:
            return self._read.statistics
        return {name: each for name, each in found.items() if (each.missing >= 0).all()}

    def _span(self, name: str, width: int = 1) -> npt.NDArray[Any]:
        low, high = self._run_ends
        return self._part.columns.span(name, width * low, width * high)
