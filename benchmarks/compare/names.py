"""Who is compared, in which rows, and against which target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OURS = ("lakehouse", "lakehouse_cached")
"""reading Parquet every time; and with the columns that an earlier question has decoded"""
LIMIT = "numba_mem"
"""kernels on arrays that are in memory already: no storage behind it, so it is not ranked"""
PEERS = (
    "duckdb_hive",
    "duckdb_native",
    "polars_parquet",
    "polars_delta",
    "delta_arrow",
    "pandas_arrow",
    "arcticdb",
    "chdb_parquet",
    "chdb_mergetree",
    "lance_duckdb",
)
WRITERS = tuple(name for name in (*PEERS, OURS[0]) if name != "polars_delta")
"""those that have a store of their own"""
WRITES: Mapping[str, str] = {
    "W1": "backfill of ticks",
    "W2": "append of one day of ticks",
    "Wbars": "load of 1-minute bars",
    "Wdaily": "load of daily bars",
    "W3": "append of 10 rows",
    "W3read": "read of all these appends",
    "bytes": "bytes on disk, MB",
}
READS = ("R1p", "R1a", "R2", "R3", "R4", "R5", "R6")
QUESTIONS = ("Q1", "Q2", "Q3", "Q4", "Q5", "Q6a", "Q6b", "Q7", "Q8", "Q9")
VERSIONS = ("V1", "V2")
MEAN_TARGET, LIMIT_TARGET, CACHED_READ_TARGET = 0.4, 2.0, 0.5


@dataclass(frozen=True, slots=True)
class Target:
    """What a row must reach."""

    ratio: float
    """at most so many times the figure of the peer"""
    peer: str | None = None
    """the peer; None for the best one"""


TARGETS: Mapping[str, Target] = {
    **dict.fromkeys((*READS, *QUESTIONS), Target(1.0)),
    **dict.fromkeys(VERSIONS, Target(1.0, "arcticdb")),
    **dict.fromkeys(("W1", "W2", "Wbars", "Wdaily"), Target(1.5)),
    "bytes": Target(1.15),
}
