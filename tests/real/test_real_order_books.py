"""Order books of a session of Kraken: each change came with a checksum of the ten best levels behind it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from lakehouse import analytics

Rows = list[tuple[str, int, str, float, float]]
SIDES = {"a": "ask", "as": "ask", "b": "bid", "bs": "bid"}
SCHEMA = {"symbol": pl.String, "time": pl.Int64, "side": pl.String, "price": pl.Float64, "size": pl.Float64}


def session(path: Path) -> tuple[Rows, Rows, dict[tuple[str, int], int], dict[str, tuple[int, int]]]:
    """Read snapshots, changes, the checksum of each change, and the decimals of prices and sizes."""
    snapshots: Rows = []
    changes: Rows = []
    checksums: dict[tuple[str, int], int] = {}
    decimals: dict[str, tuple[int, int]] = {}
    with gzip.open(path, "rt") as lines:
        for number, line in enumerate(lines):
            received, _, text = line.partition(": ")
            message = json.loads(text) if text.startswith("[") else None
            if not isinstance(message, list):
                continue
            symbol, time = message[-1], int(float(received) * 1e6) * 1000 + number % 1000
            for part in message[1:-2]:
                for key, levels in part.items():
                    if key == "c":
                        checksums[symbol, time] = int(levels)
                        continue
                    price, size = levels[0][:2]
                    decimals.setdefault(symbol, (len(price.split(".")[1]), len(size.split(".")[1])))
                    rows = snapshots if key in ("as", "bs") else changes
                    rows += [(symbol, time, SIDES[key], float(level[0]), float(level[1])) for level in levels]
    return snapshots, changes, checksums, decimals


def frame(rows: Rows) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return table.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))


def checksum(row: dict[str, Any], decimals: tuple[int, int]) -> int:
    """Return the CRC-32 of the digits of ten asks and ten bids, as Kraken's documentation has it."""
    digits = [
        f"{row[f'{side}_{what}_{level}']:.{places}f}".replace(".", "").lstrip("0")
        for side in ("ask", "bid")
        for level in range(1, 11)
        for what, places in zip(("price", "size"), decimals, strict=True)
    ]
    return zlib.crc32("".join(digits).encode())


def test_every_checksum_of_the_exchange_is_met(shared_data: Callable[[str], Path]) -> None:
    snapshots, changes, checksums, decimals = session(shared_data("cryptofeed/KRAKEN.ws.50.0.gz"))
    books = (
        analytics.order_book(frame(snapshots), frame(changes), 10, keep=1000, check=True).read().to_polars()
    )
    books = books.with_columns(pl.col("time").cast(pl.Int64))
    found = {(row["symbol"], row["time"]): checksum(row, decimals[row["symbol"]]) for row in books.to_dicts()}
    assert len(checksums) == 4269
    assert {key: found[key] for key in checksums} == checksums
