"""How much data a run measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of a run; the names in the table follow them."""

    commits: int = 30
    """commits that are timed one by one"""
    bars: int = 10_000
    """rows of each of them"""
    years: int = 10
    """of 1-minute bars"""
    symbols: int = 4
    """of 1-minute bars"""
    files: int = 8
    """tick files of a backfill, one a day"""
    ticks: int = 1_000_000
    """rows of each of them"""
    reads: int = 30
    """times that a read is timed"""
    processes: int = 10
    """fresh processes"""
    runs: int = 3
    """times that a bulk load is timed; the median counts"""
    dead_files: int = 100_000
    """of a table that is collected"""


FULL = Scale()
QUICK = Scale(
    commits=3,
    bars=2_000,
    years=1,
    symbols=2,
    files=2,
    ticks=20_000,
    reads=3,
    processes=1,
    runs=1,
    dead_files=300,
)
