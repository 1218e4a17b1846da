"""Make one part of several, without the facts of their files as objects: arrays go through as they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from lakehouse.partitions.index.build import finished, packed
from lakehouse.partitions.index.columns import Array, Integers
from lakehouse.partitions.index.part import Part, Texts

_BY_FILE = ("key", "size", "rows", "timed", "min_time", "max_time", "file_run_count")
_BY_RUN = ("run_rows", "run_first", "run_last", "run_piece_count")
_BY_PIECE = ("piece_rows", "piece_first", "piece_last", "piece_group")


def merged(sources: Sequence[tuple[Part, Collection[int]]]) -> Part:
    """Return the files of several parts, in order, without those whose numbers are given as dead."""
    takes = [_Take(part, dead) for part, dead in sources]
    symbols, symbol_codes = _union([take.part.symbols for take in takes], ordered=True)
    values, value_codes = _union([Texts(take.part.columns, "value").all() for take in takes])
    shapes, shape_codes = _union([take.part.shapes for take in takes])
    sets, set_codes = _union([take.part.column_sets for take in takes])
    width = max(take.part.notes["width"] for take in takes)
    arrays = {name: _joined(take.files(name) for take in takes) for name in _BY_FILE}
    arrays |= {name: _joined(take.runs(name) for take in takes) for name in _BY_RUN}
    arrays |= {name: _joined(take.pieces(name) for take in takes) for name in _BY_PIECE}
    arrays |= {
        "sha256": _joined(take.files("sha256", 32) for take in takes),
        "digest": _joined(take.files("digest", 16) for take in takes),
        "run_digest": _joined(take.runs("run_digest", 16) for take in takes),
        "values": _joined(
            _coded(take.values(width), codes) for take, codes in zip(takes, value_codes, strict=True)
        ),
    }
    for name, kind, all_codes in (
        ("min_symbol", "files", symbol_codes),
        ("max_symbol", "files", symbol_codes),
        ("run_symbol", "runs", symbol_codes),
        ("shape", "files", shape_codes),
        ("column_set", "files", set_codes),
    ):
        arrays[name] = _joined(
            _coded(getattr(take, kind)(name), codes) for take, codes in zip(takes, all_codes, strict=True)
        )
    arrays |= packed("symbol", symbols) | packed("value", values) | _paths(takes)
    statistics = sorted({name for take in takes for name in take.part.notes["statistics"]})
    for name in statistics:
        arrays |= _statistics(name, takes)
    return finished(arrays, {"shapes": shapes, "column_sets": sets, "width": width}, statistics)


class _Take:
    """The live rows of each array of a part."""

    def __init__(self, part: Part, dead: Collection[int]) -> None:
        self.part = part
        self._all = not dead
        self._files = np.ones(part.count, np.bool_)
        self._files[list(dead)] = False
        columns = part.columns
        self._runs = np.repeat(self._files, columns.whole("file_run_count"))
        self._pieces = np.repeat(self._runs, columns.whole("run_piece_count"))

    def files(self, name: str, width: int = 1) -> Array:
        return self._kept(name, self._files, width)

    def runs(self, name: str, width: int = 1) -> Array:
        return self._kept(name, self._runs, width)

    def pieces(self, name: str) -> Array:
        return self._kept(name, self._pieces, 1)

    def values(self, width: int) -> Array:
        """Return the codes of the partition values, in rows of a given width."""
        own = int(self.part.notes["width"])
        codes = self.files("values", own).reshape(-1, own) if own else np.zeros((self._files.sum(), 0))
        padded = np.full((len(codes), width), -1, np.int32)
        padded[:, :own] = codes
        return padded.reshape(-1)

    def paths(self) -> tuple[Integers, Array]:
        """Return the length of each path, and the paths."""
        lengths = np.diff(self.part.columns.whole("path_ends"))
        text = self.part.columns.whole("path_text")
        return lengths[self._files], text if self._all else text[np.repeat(self._files, lengths)]

    def count_runs(self) -> int:
        return int(self._runs.sum())

    def _kept(self, name: str, keep: Array, width: int) -> Array:
        values = self.part.columns.whole(name)
        if self._all:
            return values
        return values.reshape(-1, width)[keep].reshape(-1) if width else values


def _paths(takes: Sequence[_Take]) -> dict[str, Array]:
    parts = [take.paths() for take in takes]
    ends = np.cumsum(np.concatenate([lengths for lengths, _ in parts]), dtype=np.int64)
    return {
        "path_ends": np.concatenate([np.zeros(1, np.int64), ends]),
        "path_text": np.concatenate([text for _, text in parts]),
    }


def _statistics(name: str, takes: Sequence[_Take]) -> dict[str, Array]:
    """Join the ranges of one column; where the parts have other types, the last one stands."""
    labels = [f"{side}:{name}" for side in ("low", "high", "missing")]
    has = [name in take.part.notes["statistics"] for take in takes]
    kind = [take.runs(labels[0]).dtype for take, there in zip(takes, has, strict=True) if there][-1]
    found: dict[str, list[Array]] = {label: [] for label in labels}
    for take, there in zip(takes, has, strict=True):
        if there and take.runs(labels[0]).dtype == kind:
            arrays = [take.runs(label) for label in labels]
        else:
            nothing = np.zeros(take.count_runs(), kind)
            arrays = [nothing, nothing, np.full(take.count_runs(), -1, np.int64)]
        for label, array in zip(labels, arrays, strict=True):
            found[label].append(array)
    return {label: np.concatenate(arrays) for label, arrays in found.items()}


def _union(lists: Sequence[Sequence[Any]], *, ordered: bool = False) -> tuple[list[Any], list[Array]]:
    """Return the distinct values of several lists, and for each list where its values went."""
    values = list(dict.fromkeys(value for values in lists for value in values))
    values = sorted(values) if ordered else values
    places = {value: place for place, value in enumerate(values)}
    return values, [np.array([*(places[value] for value in each), -1], np.int32) for each in lists]


def _coded(codes: Array, places: Array) -> Array:
    """Translate codes; -1, for none, stays: it takes the last of the places."""
    return places[codes]


def _joined(arrays: Any) -> Array:
    return np.concatenate(list(arrays))
