"""The zone of the times in LEAN's files: its market-hours database knows; the usual markets stand here."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from lakehouse.errors import ArgumentError

_DATABASE = ("market-hours/market-hours-database.json", "market-hours/market-hours-database.json.gz")
_USUAL = {
    ("equity", "usa"): "America/New_York",
    ("option", "usa"): "America/New_York",
    ("forex", "oanda"): "UTC",
    ("cfd", "oanda"): "UTC",
    ("future", "cme"): "UTC",
    ("future", "cbot"): "UTC",
    ("future", "comex"): "UTC",
    ("future", "nymex"): "UTC",
}
_OFFSET = re.compile(r"UTC([+-])0?(\d{1,2})")


def data_zone(root: str, type_: str, market: str, symbol: str | None) -> str:
    """Return the zone of the files of a market, or of one symbol in it.

    Args:
        root: of the data folder, which may hold the market-hours database; may be a URL.
        type_: as in the path.
        market: as in the path.
        symbol: as in the path; None for the whole market.

    Raises:
        ArgumentError: nobody knows it, or symbols of the market differ.
    """
    zones = _listed(Path(root), type_, market, symbol) if "://" not in root else set()
    if not zones:
        zones = {"UTC"} if type_ == "crypto" else {_USUAL.get((type_, market), "")} - {""}
    if len(zones) == 1:
        return _iana(zones.pop())
    problem = (
        f"is in several zones: {', '.join(sorted(zones))}" if zones else "is in no zone that is known here"
    )
    raise ArgumentError(
        f"LEAN data of {type_}/{market} {problem}.",
        hint="Say it: time_zone=…, or open the folder of one symbol.",
    )


def _listed(root: Path, type_: str, market: str, symbol: str | None) -> set[str]:
    """Return what the database says: of the symbol, else of all its market."""
    file = next((root / name for name in _DATABASE if (root / name).is_file()), None)
    if file is None:
        return set()
    data = file.read_bytes()
    try:
        entries = json.loads(gzip.decompress(data) if file.suffix == ".gz" else data)["entries"]
        zones = {key.casefold(): entry["dataTimeZone"] for key, entry in entries.items()}
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ArgumentError(f"{file} is no market-hours database of LEAN: {error!r}.") from error
    start = f"{type_}-{market}-".casefold()
    mine = {key.removeprefix(start): zone for key, zone in zones.items() if key.startswith(start)}
    stem = (symbol or "").partition(".")[0].partition("_")[0].casefold()
    if stem:
        one = mine.get(stem, mine.get("[*]"))
        return set() if one is None else {one}
    return set(mine.values())


def _iana(zone: str) -> str:
    """Return LEAN's fixed offsets under the names of the zone database, whose signs are reversed."""
    found = _OFFSET.fullmatch(zone)
    return zone if found is None else f"Etc/GMT{'-' if found[1] == '+' else '+'}{int(found[2])}"
