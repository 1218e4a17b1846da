"""Data folders of QuantConnect LEAN: `<type>/<market>/<resolution>`, as its readme files describe them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehouse.catalog.contract import Contract
from lakehouse.errors import ArgumentError
from lakehouse.ingest.sources.declaring import declare_columns
from lakehouse.ingest.sources.files import FileSource
from lakehouse.ingest.sources.formats.lean_zones import data_zone
from lakehouse.ingest.sources.formats.location import split_options
from lakehouse.ingest.sources.recipe import Recipe

TYPES = ("equity", "option", "future", "forex", "cfd", "crypto", "index")
RESOLUTIONS = ("tick", "second", "minute", "hour", "daily")
KINDS = ("trade", "quote", "openinterest")

_PLACE = re.compile(rf"^(.*?/)?({'|'.join(TYPES)})/([^/]+)/({'|'.join(RESOLUTIONS)})(?:/([^/]+))?/?$")
_WIDE = ("equity", "option")
"""Types whose prices are whole numbers of 1/10000."""
_FRACTIONAL = ("crypto", "forex", "cfd")
"""Types whose sizes have decimals."""
_PRICES = ("open", "high", "low", "close")
_BARS: Mapping[str, tuple[str, ...]] = {
    "trade": ("time", *_PRICES, "volume"),
    "quote": ("time", *(f"bid_{p}" for p in _PRICES), "bid_size", *(f"ask_{p}" for p in _PRICES), "ask_size"),
    "openinterest": ("time", "open_interest"),
}
_NOTES = ("exchange", "conditions", "suspicious")
_SIDES = ("time", "bid", "bid_size", "ask", "ask_size")
_TICKS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("equity", "trade"): ("time", "price", "size", *_NOTES),
    ("equity", "quote"): (*_SIDES, *_NOTES),
    ("future", "trade"): ("time", "price", "size", *_NOTES),
    ("crypto", "trade"): ("time", "price", "size"),
    ("crypto", "quote"): _SIDES,
    ("forex", "quote"): ("time", "bid", "ask"),
    ("cfd", "quote"): ("time", "bid", "ask"),
}
_DAILY = {"equity": "trade", "index": "trade", "forex": "quote", "cfd": "quote"}
"""Types whose files of days and hours have no kind in their names → the one kind that they hold."""
_ENTRIES = {"future": ("expiry",), "option": ("style", "right", "strike", "expiry")}
"""Types with many contracts in a zip → what tells them apart in the names of its entries."""


@dataclass(frozen=True, slots=True)
class _Set:
    """Files of one form."""

    type: str
    """such as `equity`"""
    market: str
    """such as `usa`"""
    resolution: str
    """such as `minute`"""
    kind: str
    """trade, quote or openinterest"""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order; LEAN writes none."""
        return _BARS[self.kind] if self.resolution != "tick" else _TICKS.get((self.type, self.kind), ())

    @property
    def daily(self) -> bool:
        """Whether one file holds all days of a symbol."""
        return self.resolution in ("hour", "daily")


class LeanSource(FileSource):
    """Folders of QuantConnect LEAN, such as `data/equity/usa/minute`, or that of one symbol in it.

    Prices of equities and options are divided by 10,000 exactly; milliseconds since midnight and dates are
    times of the market's own zone, as LEAN's market-hours database beside the folder says. Bars are named by
    the time at which they begin. A quote tick has one side, the other is null. Symbols are in capitals; a
    future is `ES201312`, an option `AAPL_20150117_CALL_10000000`, with strike and expiry in further columns.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     place = Path(folder, "equity", "usa", "daily")
        ...     place.mkdir(parents=True)
        ...     _ = (place / "ibm.zip").write_bytes(b"")
        ...     source = LeanSource(place)
        ...     source.symbols(), source.recipe.time.time_zone
        (('IBM',), 'America/New_York')
    """

    def __init__(
        self,
        path: str | Path,
        *,
        kind: str | None = None,
        time_zone: str | None = None,
        extra: str = "refuse",
    ) -> None:
        """Find the folder.

        Args:
            path: of a resolution, or of a symbol in it; `?kind=quote` behind it is the same as the argument.
            kind: trade, quote or openinterest; None for quotes of forex and cfd, and trades of the others.
            time_zone: IANA name of the zone of the times; None for what LEAN says.
            extra: `ignore` leaves out columns that the contract does not know.

        Raises:
            ArgumentError: the path does not end in type, market and resolution; there is no such kind of data
                in that form; or nothing says which zone the times are in.
            SourceError: there is nothing at the path.
        """
        place, options = split_options(path, ("kind", "time_zone", "extra"))
        kind, time_zone = options.get("kind", kind), options.get("time_zone", time_zone)
        found = _PLACE.match(Path(place).as_posix() if "://" not in place else place)
        if found is None:
            raise ArgumentError(
                f"Not a LEAN data folder: {place!r}.",
                hint="It ends in type, market and resolution, as equity/usa/minute; "
                f"types are {', '.join(TYPES)}, resolutions {', '.join(RESOLUTIONS)}.",
            )
        root, type_, market, resolution, symbol = found.groups()
        self._set = _Set(
            type_, market, resolution, kind or ("quote" if type_ in ("forex", "cfd") else "trade")
        )
        zone = time_zone or data_zone(root or "", type_, market, symbol)
        super().__init__(place, Recipe.load(_recipe(self._set, zone, symbol, options.get("extra", extra))))

    def contract(self) -> Contract:
        """Return the contract of this form of data; bars have the key (symbol, time)."""
        parts = _ENTRIES.get(self._set.type, ())
        types = {"symbol": "string"} | {name: _type(name, self._set) for name in (*self._set.columns, *parts)}
        bars = self._set.resolution != "tick"
        return declare_columns(
            types, key=("symbol", "time") if bars else (), negative_prices=self._set.type == "future"
        )


def _recipe(form: _Set, zone: str, symbol: str | None, extra: str) -> dict[str, object]:
    """Write the recipe of a form; a symbol stands for a location that is the symbol's own folder or file."""
    only = _DAILY.get(form.type, form.kind) if form.daily else form.kind
    if not form.columns or form.kind != only:
        raise ArgumentError(f"LEAN has no {form.kind} data in {form.type}/{form.market}/{form.resolution}.")
    many = form.type in _ENTRIES
    scaled = [
        name
        for name in form.columns
        if _type(name, form) == "float64" and not name.endswith(("size", "volume"))
    ]
    recipe: dict[str, object] = {
        "files": _files(form, "root" if many else "symbol", inside=symbol is not None and not form.daily),
        "columns": list(form.columns),
        "symbol_case": "upper",
        "extra": extra,
        "time": {"format": "%Y%m%d %H:%M" if form.daily else "ms_since_midnight", "time_zone": zone},
    }
    if form.type in _WIDE:
        recipe["divide"] = dict.fromkeys([*scaled, *(["strike"] if form.type == "option" else [])], 10_000)
    if form.resolution == "tick" and form.type == "equity" and form.kind == "quote":
        recipe["nulls"] = {name: ["0"] for name in _SIDES[1:]}
    if many:
        recipe |= _entries(form, symbol)
    elif symbol is not None and not form.daily:
        recipe["constants"] = {"symbol": symbol}
    return recipe


def _files(form: _Set, name: str, *, inside: bool) -> str:
    style = "_*" if form.type == "option" else ""
    if not form.daily:
        return f"{'' if inside else f'{{{name}}}/'}{{date}}_{form.kind}{style}.zip"
    if form.type == "option":
        return f"{{{name}}}_*_{form.kind}_*.zip"
    return f"{{{name}}}_{form.kind}.zip" if form.type in ("crypto", "future") else f"{{{name}}}.zip"


def _entries(form: _Set, symbol: str | None) -> dict[str, object]:
    """Say how a contract is named: `20131006_es_minute_trade_201312.csv`, `es_trade_201312.csv`."""
    parts = [f"{{{part}}}" for part in _ENTRIES[form.type]]
    before = "*_" if form.daily else f"*_{form.resolution}_"
    root = "{root}" if symbol is None or form.daily else symbol
    name = root + "{expiry}" if form.type == "future" else f"{root}_{{expiry}}_{{right}}_{{strike}}"
    return {"entry": f"{before}{form.kind}_{'_'.join(parts)}.csv", "constants": {"symbol": name}}


def _type(name: str, form: _Set) -> str:
    if name in ("exchange", "conditions", "style", "right"):
        return "string"
    if name == "time":
        return "timestamp[ns]"
    if name == "expiry":
        return "string" if form.type == "future" else "date"
    if name == "suspicious":
        return "bool"
    whole = name.endswith("size") or name in ("volume", "open_interest")
    return "int64" if whole and form.type not in _FRACTIONAL else "float64"
