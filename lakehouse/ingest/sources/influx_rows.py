"""InfluxDB line protocol as rows: `time`, then a column for each tag and each field of one measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.line_layout import Layout, read_layout
from lakehouse.ingest.sources.line_protocol import LineError, Point, Value, read_points
from lakehouse.ingest.sources.recipe import EPOCH_FORMATS, Recipe
from lakehouse.ingest.sources.rows import Wish
from lakehouse.ingest.sources.unpack import Payload
from lakehouse.times import MAX_NS

_NS_PER_UNIT = dict(zip(EPOCH_FORMATS, (10**9, 10**6, 10**3, 1), strict=True))
_KINDS: Mapping[str, tuple[type[pl.DataType], pa.DataType, int]] = {
    "float": (pl.Float64, pa.float64(), 0),
    "integer": (pl.Int64, pa.int64(), 2**63),
    "unsigned": (pl.UInt64, pa.uint64(), 2**64),
    "text": (pl.String, pa.string(), 0),
    "flag": (pl.Boolean, pa.bool_(), 0),
}
"""Kind of a field → its type in frames, in Arrow, and the first whole number above it."""


class InfluxRows:
    """The rows of a file in line protocol; a tag or field that a line lacks is null there."""

    textual = False

    def __init__(self, payload: Payload, recipe: Recipe) -> None:
        """Parse the whole file.

        The recipe's `measurement` says which one is read, where the file holds several; the format of its
        `time` is the unit of the times, by default nanoseconds.

        Raises:
            SourceError: a line is none of the protocol, the measurement is not there or not told, or a field
                changes its kind.
        """
        self._label = payload.label
        text = self._decode(payload, recipe.encoding)
        layout = read_layout(text)
        if layout is None:
            points = self._chosen(self._parse(text), recipe.measurement)
            layout = self._gathered(points) if points else None
        elif recipe.measurement not in (None, layout.measurement):
            raise self._unknown(recipe.measurement, [layout.measurement])
        self.names: tuple[str, ...] = ()
        self.arrow_schema: pa.Schema | None = pa.schema([])
        if layout is not None:
            self._keep(layout, recipe.time.format)

    def columns(self, wishes: Mapping[int, Wish]) -> Mapping[int, pl.Series]:
        """See `Rows.columns`; types are those of the protocol."""
        return {position: self._columns[position] for position in wishes}

    def _keep(self, layout: Layout, form: str) -> None:
        self.names = ("time", *layout.tags, *layout.fields)
        doubled = sorted({name for name in self.names if self.names.count(name) > 1})
        if doubled:
            raise SourceError(
                f"{self._label} has several columns called {doubled[0]!r}: tags, fields and time."
            )
        types = [*[pa.string()] * len(layout.tags), *(_KINDS[kind][1] for kind, _ in layout.fields.values())]
        typed = zip(self.names, [pa.timestamp("ns", "UTC"), *types], strict=True)
        self.arrow_schema = pa.schema(list(typed))
        times = self._instants(layout.times, form if form in EPOCH_FORMATS else "ns")
        self._columns = [times, *layout.tags.values(), *(series for _, series in layout.fields.values())]

    def _gathered(self, points: Sequence[Point]) -> Layout:
        """Put points into columns; a tag or field that one lacks is null there."""
        kinds = self._kinds(points)
        tags = dict.fromkeys(key for point in points for key in point.tags)
        texts = {key: pl.Series([point.tags.get(key) for point in points], dtype=pl.String) for key in tags}
        fields = {key: (kind, _field(points, key, kind)) for key, kind in kinds.items()}
        for point in points:
            if point.time is not None and abs(point.time) >= MAX_NS:
                raise self._beyond(point.time)
        times = pl.Series([point.time for point in points], dtype=pl.Int64)
        return Layout(points[0].measurement, texts, fields, times)

    def _decode(self, payload: Payload, encoding: str) -> str:
        try:
            return payload.data.decode(encoding)
        except (UnicodeError, LookupError) as error:
            raise SourceError(f"{self._label} is not {encoding}: {error}.") from error

    def _parse(self, text: str) -> list[Point]:
        try:
            return list(read_points(text))
        except LineError as error:
            raise SourceError(f"{self._label}, {error}.") from error

    def _chosen(self, points: Sequence[Point], wanted: str | None) -> list[Point]:
        found = list(dict.fromkeys(point.measurement for point in points))
        if wanted is None and len(found) > 1:
            raise SourceError(
                f"{self._label} holds several measurements: {', '.join(found[:12])}.",
                hint=f"Choose one in the recipe: measurement: {found[0]}.",
            )
        if wanted is not None and found and wanted not in found:
            raise self._unknown(wanted, found)
        return [point for point in points if wanted is None or point.measurement == wanted]

    def _kinds(self, points: Sequence[Point]) -> dict[str, str]:
        kinds: dict[str, str] = {}
        for point in points:
            for key, (kind, value) in point.fields.items():
                if kinds.setdefault(key, kind) != kind:
                    raise SourceError(
                        f"{self._label}, line {point.number}: the field {key!r} is {kind}, "
                        f"and was {kinds[key]} before."
                    )
                self._check_size(key, kind, value, point.number)
        return kinds

    def _check_size(self, key: str, kind: str, value: Value, line: int) -> None:
        limit = _KINDS[kind][2]
        if limit and not (0 if kind == "unsigned" else -limit) <= int(value) < limit:
            raise SourceError(f"{self._label}, line {line}: the field {key!r} is too large: {value}.")

    def _instants(self, times: pl.Series, unit: str) -> pl.Series:
        size = _NS_PER_UNIT[unit]
        beyond = times.filter(times.is_not_null() & ~times.is_between(-(MAX_NS // size), MAX_NS // size))
        if beyond.len():
            raise self._beyond(beyond[0])
        return (times * size).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")

    def _beyond(self, time: int) -> SourceError:
        return SourceError(
            f"{self._label}: no time that nanoseconds can count: {time}.",
            hint="Say the unit in the recipe, e.g. time: {format: ms}.",
        )

    def _unknown(self, wanted: str | None, found: Sequence[str]) -> SourceError:
        return SourceError(f"{self._label} has no measurement {wanted!r}; it has {', '.join(found[:12])}.")


def _field(points: Sequence[Point], key: str, kind: str) -> pl.Series:
    values = [point.fields[key][1] if key in point.fields else None for point in points]
    return pl.Series(values, dtype=_KINDS[kind][0])
