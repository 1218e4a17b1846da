"""`lake seal`: what streams left whose process died."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import lakehouse

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


def leave_a_bar() -> Path:
    """Stream a bar as a process that dies; return its segment."""
    dead = lakehouse.open(".").stream(BARS)
    prices = dict.fromkeys(("open", "high", "low", "close"), 1.0)
    dead.write({"symbol": "IBM", "date": date(2024, 2, 1), "volume": 1, **prices})
    dead.abandon()
    [file] = Path().glob("partitions/*/*/v1/_tail/*/*.log")
    return file


def test_seal_makes_a_version_of_what_a_dead_stream_left(bars: Run) -> None:
    leave_a_bar()
    ran = bars("seal", "--json")
    [row] = ran.json["sealed"]

    assert ran.code == 0
    assert (row["product"], row["rows"], row["version"], row["torn"]) == (BARS, 1, 2, 0)
    assert lakehouse.open(".")[BARS].rows == 6


def test_seal_of_a_product_without_a_tail_says_so(bars: Run) -> None:
    ran = bars("seal", BARS)

    assert (ran.code, ran.out.strip()) == (0, "No stream that died left rows.")


def test_seal_says_what_could_not_be_read(bars: Run) -> None:
    file = leave_a_bar()
    with file.open("rb+") as handle:
        handle.write(bytes(64))
    ran = bars("seal", BARS)

    assert ran.code == 1
    assert "What could not be read:" in ran.out
    assert bars("seal", BARS).code == 0
