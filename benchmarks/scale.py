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
    joined_trades: int = 250_000
    """of a day, joined with twenty times as many quotes"""
    processes: int = 10
    """fresh processes"""
    runs: int = 3
    """times that a bulk load is timed; the median counts"""
    products: int = 10
    """of a snapshot"""
    live_files: int = 10_000
    """of each of them"""
    days: int = 250
    """files of the table in which a small change is looked for"""
    rows_a_day: int = 200_000
    """rows of each of them"""
    writers: int = 8
    """processes that commit to one product at once"""
    commits_of_a_writer: int = 500
    """of each of them"""
    commits_of_a_peer: int = 25
    """of each writer through deltalake, which is slower"""
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
    joined_trades=2_000,
    processes=1,
    runs=1,
    products=2,
    live_files=50,
    days=12,
    rows_a_day=2_000,
    writers=2,
    commits_of_a_writer=5,
    commits_of_a_peer=2,
    dead_files=300,
)
