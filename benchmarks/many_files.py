"""Tables of many live files, made cheaply: real commits of real facts, over hard links to one small file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lakehouse
from benchmarks.data import DAY_NS, batch_of_bars, symbols
from benchmarks.place import starter_contract
from lakehouse.names import ProductName
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.parquet_files import WrittenFile
from lakehouse.partitions.state import DataFile
from lakehouse.partitions.table import Change

COMMITS = 100
ROWS = 1_000


def fill(lake: lakehouse.Lake, number: int, files: int) -> lakehouse.Product:
    """Make a product of so many live files, in a hundred commits; each file claims a day of its own."""
    contract = replace(starter_contract("market_data.bars_1m"), name=ProductName("market_data", f"p{number}"))
    product = lake.apply(contract)
    product.append(batch_of_bars(ROWS, symbols(100), 0))
    first = product.state().files[0]
    made = list(_links(Path(lake.url), first, number, files - 1))
    step = -(-len(made) // COMMITS)
    for start in range(0, len(made), step):
        record = Commit("", 0, "append", "", id=f"{number}-{start}", accepted=ROWS)
        product.table.commit(product.state(), Change(add=made[start : start + step]), record)
    return product


def renamed(lake: lakehouse.Lake, product: lakehouse.Product) -> Commit:
    """Give every file another name, which is how a compaction looks to a reader."""
    state, root = product.state(), Path(lake.url)
    links = [next(_links(root, file, 0, 1)) for file in state.files]
    new = [
        replace(link, file=replace(file, path=link.file.path))
        for link, file in zip(links, state.files, strict=True)
    ]
    change = Change(add=new, remove=tuple(state.files))
    return product.table.commit(state, change, Commit("", 0, "compact", ""))


def _links(root: Path, file: DataFile, number: int, count: int) -> Iterator[WrittenFile]:
    """Link a file under other names; the facts say days before it, and hashes that do not repeat."""
    folder = file.path.rpartition("/")[0]
    for place in range(1, count + 1):
        name = hashlib.sha256(f"{file.path}/{number}/{place}".encode()).hexdigest()
        path = f"{folder}/part-{name[:32]}.parquet"
        os.link(root / file.path, root / path)
        first, last = ((time or 0) - place * DAY_NS for time in (file.min_time, file.max_time))
        facts = replace(file, path=path, sha256=name, digest=name[32:], min_time=first, max_time=last)
        yield WrittenFile(facts, {"numRecords": file.rows, "minValues": {}, "maxValues": {}, "nullCount": {}})
