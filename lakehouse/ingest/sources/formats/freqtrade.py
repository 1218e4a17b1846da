"""Data folders of freqtrade: `XRP_ETH-5m.feather`, `XRP_ETH-trades.json.gz`, `X_Y_Y-1h-mark.feather`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lakehouse.catalog.contract import Contract
from lakehouse.errors import ArgumentError
from lakehouse.ingest.sources.declaring import declare_columns
from lakehouse.ingest.sources.files import FileSource
from lakehouse.ingest.sources.formats.location import split_options

FORMATS = ("feather", "parquet", "json.gz", "json")
"""Endings that are read; HDF5 is not."""

_FILE = re.compile(r"[^/]+?-(?P<form>trades|\d+[mhdwM](?:-[a-z_]+)?)\.(?P<format>[a-z0-9.]+)")
_PAIR = re.compile(r"^([A-Za-z\d-]+)_([^_]+)(?:_(.+))?$")
_BARS = ("time", "open", "high", "low", "close", "volume")
_TRADES = {
    **{"time": "timestamp[ns]", "trade_id": "string", "type": "string", "side": "string"},
    **dict.fromkeys(("price", "size", "cost"), "float64"),
}
_TRADE_NAMES = {"timestamp": "time", "id": "trade_id", "amount": "size"}


class FreqtradeSource(FileSource):
    """One timeframe, or the trades, of a data folder of freqtrade; a file is a pair, spelled as by ccxt.

    A folder that holds one form of data needs no further word. Times are UTC. Of funding rates, which
    freqtrade writes as bars with the rate as `open`, the rate alone is read.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "BTC_USDT_USDT-1h-mark.json").write_text("[[1704196800000, 1, 1, 1, 1, 0]]")
        ...     FreqtradeSource(folder).symbols()
        ('BTC/USDT:USDT',)
    """

    def __init__(self, path: str | Path, *, form: str | None = None, format: str | None = None) -> None:
        """Find the folder.

        Args:
            path: of the folder; `?form=5m&format=feather` behind it is the same as the arguments.
            form: what stands behind the pair in the names: `5m`, `trades`, `1h-mark`, `8h-funding_rate`; None
                for the only one.
            format: feather, parquet, json.gz or json; None for the only one.

        Raises:
            ArgumentError: the folder holds several forms or formats, or not the one asked for.
            SourceError: there is nothing at the path.
        """
        place, options = split_options(path, ("form", "format"))
        self._form, ending = _choose(place, options.get("form", form), options.get("format", format))
        files = f"{{symbol}}-{self._form}.{ending}"
        super().__init__(place, {"files": files, **_recipe(self._form, typed=not ending.startswith("json"))})

    def contract(self) -> Contract:
        """Return the contract of the form; bars have the key (symbol, time), trades none."""
        if self._form == "trades":
            return declare_columns({"symbol": "string", **_TRADES})
        rate = self._form.endswith("funding_rate")
        columns = dict.fromkeys(("funding_rate",) if rate else _BARS[1:], "float64")
        types = {"symbol": "string", "time": "timestamp[ns]", **columns}
        return declare_columns(types, key=("symbol", "time"))

    def _parts(self, name: str) -> Mapping[str, str] | None:
        parts = super()._parts(name)
        return None if parts is None else {**parts, "symbol": _pair(parts["symbol"])}


def _choose(place: str, form: str | None, format_: str | None) -> tuple[str, str]:
    """Return the one form and format of the folder that was asked for, or that there is.

    Raises:
        ArgumentError: there are several, or none; the choices are named.
    """
    names = [found for name in FileSource(place).file_names() if (found := _FILE.fullmatch(name))]
    pairs = {(found["form"], found["format"]) for found in names if found["format"] in FORMATS}
    fitting = {pair for pair in pairs if form in (None, pair[0]) and format_ in (None, pair[1])}
    if len(fitting) == 1:
        return fitting.pop()
    shown = ", ".join(f"?form={one}&format={ending}" for one, ending in sorted(fitting or pairs)[:12])
    raise ArgumentError(
        f"{place} holds {'several forms' if fitting else 'no such form'} of freqtrade data.",
        hint=f"Choose one: {shown}."
        if shown
        else f"Files are called as XRP_ETH-5m.feather; {', '.join(FORMATS)}.",
    )


def _recipe(form: str, *, typed: bool) -> dict[str, object]:
    if form == "trades":
        columns: object = dict(_TRADE_NAMES) if typed else list(_TRADES)
    elif form.endswith("funding_rate"):
        names = ("date", *_BARS[1:]) if typed else range(6)
        columns = dict(zip(names, ("time", "funding_rate", None, None, None, None), strict=True))
    else:
        columns = {"date": "time"} if typed else list(_BARS)
    return {"columns": columns, "time": {} if typed and form != "trades" else {"format": "ms"}}


def _pair(name: str) -> str:
    """Return the pair of a file's name, as freqtrade itself does.

    Examples:
        >>> _pair("XRP_ETH"), _pair("XRP_USDT_USDT")
        ('XRP/ETH', 'XRP/USDT:USDT')
    """
    found = _PAIR.match(name)
    if found is None:
        return name
    return f"{found[1]}/{found[2]}" + (f":{found[3]}" if found[3] else "")
