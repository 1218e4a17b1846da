"""Folders of pysystemtrade's futures data: prices by instrument, roll calendars and FX rates."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from lakehouse.catalog.contract import Contract
from lakehouse.errors import ArgumentError
from lakehouse.ingest.sources.declaring import declare_columns
from lakehouse.ingest.sources.files import FileSource
from lakehouse.ingest.sources.formats.location import split_options
from lakehouse.ingest.sources.recipe import Recipe

_SIDES = ("carry", "price", "forward")
_FOLDERS: Mapping[str, tuple[Any, Mapping[str, str]]] = {
    "multiple_prices_csv": (
        "pysystemtrade_multiple",
        {name: kind for side in _SIDES for name, kind in ((side, "float64"), (f"{side}_contract", "int64"))},
    ),
    "adjusted_prices_csv": ("pysystemtrade_adjusted", {"price": "float64"}),
    "fx_prices_csv": ("pysystemtrade_adjusted", {"price": "float64"}),
    "roll_calendars_csv": (
        {"columns": {"DATE_TIME": "time"}},
        dict.fromkeys(("current_contract", "next_contract", "carry_contract"), "int64"),
    ),
}
"""Name of a folder → recipe, and its columns beside symbol and time."""


class PysystemtradeSource(FileSource):
    r"""One folder of pysystemtrade's data/futures, such as `multiple_prices_csv`; a file is an instrument.

    The zone of the times is not documented. They are labels (23:00 is the daily close), so they are taken as
    UTC unless `time_zone` says otherwise. Prices may be negative, and are null where nothing was quoted.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     place = Path(folder, "adjusted_prices_csv")
        ...     place.mkdir()
        ...     _ = (place / "CORN.csv").write_text("DATETIME,price\n2024-01-02 23:00:00,-1.5\n")
        ...     PysystemtradeSource(str(place)).symbols()
        ('CORN',)
    """

    def __init__(self, path: str, *, time_zone: str = "UTC") -> None:
        """Find the folder.

        Args:
            path: of the folder, whose name says what it holds; `?time_zone=…` may follow.
            time_zone: IANA name of the zone of the times.

        Raises:
            ArgumentError: the folder has none of the names.
            SourceError: there is nothing at the path.
        """
        place, options = split_options(path, ("time_zone",))
        folder = PurePosixPath(place.replace("\\", "/")).name
        if folder not in _FOLDERS:
            raise ArgumentError(
                f"Not a folder of pysystemtrade prices: {place!r}.",
                hint=f"Its last part is one of {', '.join(_FOLDERS)}; other tables are read as files.",
            )
        recipe, self._types = _FOLDERS[folder]
        found = Recipe.load(recipe)
        time = dataclasses.replace(found.time, time_zone=options.get("time_zone", time_zone))
        super().__init__(place, dataclasses.replace(found, files="{symbol}.csv*", time=time))

    def contract(self) -> Contract:
        """Return the contract of the folder, with the key (symbol, time)."""
        types = {"symbol": "string", "time": "timestamp[ns]", **self._types}
        return declare_columns(types, key=("symbol", "time"), negative_prices=True)
