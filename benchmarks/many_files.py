"""Tables of many live files, made cheaply: real commits of real files, which further products link."""

from __future__ import annotations

import os
import uuid
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

import lakehouse
from benchmarks.data import DAY_NS, batch_of_bars, symbols
from benchmarks.place import starter_contract
from lakehouse.names import ProductName
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_files import WrittenFile, write_data_files
from lakehouse.partitions.reading import read_stored
from lakehouse.partitions.selection import select_pieces
from lakehouse.partitions.state import DataFile
from lakehouse.partitions.table import Change
from lakehouse.times import Interval

COMMITS = 100
ROWS = 1_000


def fill(lake: lakehouse.Lake, number: int, files: int) -> lakehouse.Product:
    """Make a product of so many live files, in a hundred commits; each file holds the bars of one day."""
    contract = replace(starter_contract("market_data.bars_1m"), name=ProductName("market_data", f"p{number}"))
    product = lake.apply(contract)
    product.append(batch_of_bars(ROWS, symbols(100), 0))
    made = _days_before(product, files - 1) if number == 0 else _linked(lake, product)
    step = -(-len(made) // COMMITS)
    for start in range(0, len(made), step):
        record = Commit("", 0, "append", "", id=f"{number}-{start}", accepted=ROWS)
        product.table.commit(product.state(), Change(add=made[start : start + step]), record)
    return product


def renamed(lake: lakehouse.Lake, product: lakehouse.Product) -> Commit:
    """Give every file another name, which is how a compaction looks to a reader."""
    state = product.state()
    new = [_link(Path(lake.url), file, file.path.rpartition("/")[0]) for file in state.files]
    change = Change(add=new, remove=tuple(state.files))
    return product.table.commit(state, change, Commit("", 0, "compact", ""))


def _days_before(product: lakehouse.Product, count: int) -> list[WrittenFile]:
    """Write the rows that the product has once for each of so many earlier days."""
    state = product.state()
    rows = read_stored(state, select_pieces(state, None, Interval()))
    place = rows.schema.get_field_index("time")
    times = rows.column("time").combine_chunks().view(pa.int64()).to_numpy()
    written: list[WrittenFile] = []
    for days in range(1, count + 1):
        column = pa.array(times - days * DAY_NS).view(rows.schema.field(place).type)
        shifted = rows.set_column(place, rows.schema.field(place), column)
        layout = state.layout or Layout()
        written += write_data_files(
            state.store, product.table.path, state.schema, layout, shifted, writer="bench"
        )
    return written


def _linked(lake: lakehouse.Lake, product: lakehouse.Product) -> list[WrittenFile]:
    """Link what the first product has, but for the day that both wrote themselves."""
    first, root = lake["market_data.p0"], Path(lake.url)
    mine = max(file.max_time or 0 for file in first.state().files)
    return [
        _link(root, file, file.path.rpartition("/")[0].replace(first.table.path, product.table.path))
        for file in first.state().files
        if file.max_time != mine
    ]


def _link(root: Path, file: DataFile, folder: str) -> WrittenFile:
    path = f"{folder}/part-{uuid.uuid4().hex}.parquet"
    (root / folder).mkdir(parents=True, exist_ok=True)
    os.link(root / file.path, root / path)
    statistics = {"numRecords": file.rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
    return WrittenFile(replace(file, path=path), statistics)
