"""Exports of InfluxDB in its line protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.errors import ArgumentError
from lakehouse.ingest.sources.files import FileSource
from lakehouse.ingest.sources.formats.location import split_options
from lakehouse.ingest.sources.recipe import EPOCH_FORMATS, Recipe


class InfluxSource(FileSource):
    """Line protocol of InfluxDB: tags and fields of one measurement are columns beside `time`.

    A line without a time has a null there, which a contract with a time refuses: the server would have given
    it one. A broken line fails the file, with its number.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder, "trades.lp")
        ...     _ = file.write_text("trades,symbol=IBM price=161.14 1704196800000")
        ...     InfluxSource(file, precision="ms").symbols()
        ('IBM',)
    """

    def __init__(
        self,
        path: str | Path,
        recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
        *,
        measurement: str | None = None,
        precision: str = "ns",
    ) -> None:
        """Find the files; see `FileSource`.

        Args:
            path: a file, folder, template or URL; `?measurement=trades&precision=ms` may follow.
            recipe: names of columns and the like.
            measurement: the one to read; None for the only one.
            precision: unit of the times, as the database was asked to write them: s, ms, us or ns.

        Raises:
            ArgumentError: there is no such unit, or the recipe can not mean anything.
            SourceError: there is nothing at the path.
        """
        place, options = split_options(path, ("measurement", "precision"))
        given = Recipe.load(recipe)
        precision = options.get("precision", precision)
        measurement = options.get("measurement", measurement)
        if precision not in EPOCH_FORMATS:
            raise ArgumentError(
                f"The precision must be one of {', '.join(EPOCH_FORMATS)}; got {precision!r}."
            )
        unit = given.time.format if given.time.format != "auto" else precision
        super().__init__(
            place,
            dataclasses.replace(
                given,
                format="influx",
                measurement=measurement or given.measurement,
                time=dataclasses.replace(given.time, format=unit),
            ),
        )
