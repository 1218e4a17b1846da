"""The second opinion: the Delta log and the Parquet files of a product, read without the library."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from tests.torture.model import NS_PER_SLOT, Row

ARCHIVE = "archive"
"""where a step that cleans a log up keeps the entries that it takes away"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a log."""

    version: int
    """from 0"""
    actions: tuple[dict[str, Any], ...]
    """as they stand there"""

    @property
    def record(self) -> Mapping[str, Any]:
        """What the commit says of itself."""
        info: Mapping[str, Any] = next(
            (action["commitInfo"] for action in self.actions if "commitInfo" in action), {}
        )
        return dict(info.get("lakehouse", {}))

    @property
    def keys(self) -> list[tuple[str, bool]]:
        """Transaction ids, and whether each was done; else the commit that did it is taken back."""
        found = [action["txn"] for action in self.actions if "txn" in action]
        return [(each["appId"], each["version"] >= 0) for each in found]


@dataclass(frozen=True, slots=True)
class Forked(Exception):  # noqa: N818 - it is what it says
    """Two different entries of one version: a writer overwrote history."""

    version: int
    """of both"""


def table_folder(lake: Path, product: str) -> Path:
    """Return where the table of a product lies."""
    domain, name = product.split(".")
    return lake / "partitions" / domain / name / "v1"


def read_log(root: Path, product: str) -> list[Entry]:
    """Return every entry, also those that were cleaned up, by version.

    Raises:
        Forked: a version has two different entries.
    """
    found: dict[int, bytes] = {}
    for folder in (root / ARCHIVE / product, table_folder(root / "lake", product) / "_delta_log"):
        for file in sorted(folder.glob("*.json")):
            data = file.read_bytes()
            if found.setdefault(int(file.stem), data) != data:
                raise Forked(int(file.stem))
    return [Entry(version, tuple(map(json.loads, found[version].splitlines()))) for version in sorted(found)]


def live_files(log: list[Entry], version: int) -> list[str]:
    """Return the paths of the files of a version, relative to the table."""
    live: dict[str, None] = {}
    for entry in log[: version + 1]:
        for action in entry.actions:
            if "remove" in action:
                live.pop(action["remove"]["path"])
        live |= {action["add"]["path"]: None for action in entry.actions if "add" in action}
    return [unquote(path) for path in live]


def stored_rows(files: list[Path]) -> list[tuple[Row, int]]:
    """Return the rows of files, each with its rank among those of equal symbol and time, in order."""
    found = [pair for file in files for pair in _rows(file)]
    return sorted(found, key=lambda pair: (pair[0][:2], pair[1]))


def _rows(file: Path) -> Iterator[tuple[Row, int]]:
    table = pq.ParquetFile(file).read()
    times = table["time"].cast(pa.int64()).to_pylist()
    columns = [table[name].to_pylist() for name in ("symbol", "price", "size")]
    ranks = table["_sequence"].to_pylist() if "_sequence" in table.column_names else [0] * len(times)
    for symbol, price, size, time, rank in zip(*columns, times, ranks, strict=True):
        yield (symbol, time // NS_PER_SLOT, price, size), rank
