"""The operations of the rig, by name; one that this version of the library lacks does nothing.

Each takes the hand that works and the step, and returns what is acknowledged.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

import lakehouse
from lakehouse.catalog.locks import read_lock
from lakehouse.comparison import ProductDifference
from lakehouse.errors import ContractError
from lakehouse.product import PinnedProduct, ReadableProduct
from tests.torture.delta import ARCHIVE, table_folder
from tests.torture.model import KEYED, NS_PER_SLOT, PRODUCTS, parts_of

Step = dict[str, Any]
Result = dict[str, Any]

SKIPPED: Result = {"skipped": True}
LAYOUT = "date=month,symbol=row_groups"
_true_time, _true_time_ns = time.time, time.time_ns


class Hand:
    """What one process has open."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lake = lakehouse.open(root / "lake", create=True)
        self.held: dict[str, dict[str, ReadableProduct]] = {}

    def resolve(self, step: Step) -> Step:
        """Fill in what depends on the lake: a share of the versions becomes a version."""
        if "share" in step:
            return step | {"to": int(step["share"] * self.lake[step["product"]].version)}
        return step


def take(hand: Hand, step: Step) -> Result:
    """Take one step."""
    return OPERATIONS[step["do"]](hand, step)


def frame(rows: list[list[Any]]) -> pl.DataFrame:
    """Make a frame of [symbol, slot, price, size]."""
    times = pl.Series([row[1] * NS_PER_SLOT for row in rows], dtype=pl.Int64)
    values = {"price": [float(row[2]) for row in rows], "size": [row[3] for row in rows]}
    symbols = [row[0] for row in rows]
    return pl.DataFrame({"symbol": symbols, "time": times.cast(pl.Datetime("ns", "UTC")), **values})


def create(hand: Hand, step: Step) -> Result:
    """Make the products; whoever comes second finds them there."""
    for name in PRODUCTS:
        key = ("symbol", "time") if name == KEYED else ()
        hand.lake.create(name, like=frame([["A", 0, 1.0, 1]]), key=key, layout=LAYOUT)
    return {}


def write(hand: Hand, step: Step) -> Result:
    """Append, upsert or update."""
    verb = getattr(hand.lake[step["product"]], step["do"])
    return _landed(verb(frame(step["rows"]), message=step["id"], idempotency_key=step["id"]))


def delete(hand: Hand, step: Step) -> Result:
    """Take rows out."""
    start, end = (slot * NS_PER_SLOT for slot in step["slots"])
    product = hand.lake[step["product"]]
    given = {"message": step["id"], "idempotency_key": step["id"]}
    return _landed(product.delete(step["symbols"], start, end, **given))


def restore(hand: Hand, step: Step) -> Result:
    """Make an old version the newest."""
    call = getattr(hand.lake, "restore", None)
    if call is None:
        return _landed(hand.lake[step["product"]].restore(step["to"], message=step["id"]))
    call(step["product"], step["to"], dry_run=False, message=step["id"])
    return {}


def compact(hand: Hand, step: Step) -> Result:
    """Merge small files."""
    call = getattr(hand.lake, "compact", None)
    if call is None:
        return SKIPPED
    call(step["product"], dry_run=False, message=step["id"])
    return {}


def layout(hand: Hand, step: Step) -> Result:
    """Write everything anew in other folders; nothing was written yet where there is no layout to change."""
    with suppress(ContractError):
        hand.lake.change_layout(step["product"], step["layout"], dry_run=False, message=step["id"])
    return {}


def retain(hand: Hand, step: Step) -> Result:
    """Take out old rows."""
    call = getattr(hand.lake, "retain", None)
    if call is None:
        return SKIPPED
    call(step["product"], before=step["before"] * NS_PER_SLOT, dry_run=False, message=step["id"])
    return {}


def collect(hand: Hand, step: Step) -> Result:
    """Delete whatever nothing reaches, at once."""
    call = getattr(hand.lake, "gc", None)
    if call is None:
        return SKIPPED
    report = call(dry_run=False, grace="0s", history="0s")
    return {"report": repr(report)}


def clean_log(hand: Hand, step: Step) -> Result:
    """Delete the log entries below the newest checkpoint, as foreign engines do; the checker gets them."""
    log = table_folder(hand.root / "lake", step["product"]) / "_delta_log"
    newest = max((int(file.name[:20]) for file in log.glob("*.checkpoint.parquet")), default=0)
    archive = hand.root / ARCHIVE / step["product"]
    archive.mkdir(parents=True, exist_ok=True)
    gone = [file for file in sorted(log.glob("*.json")) if int(file.stem) < newest]
    for file in gone:
        with suppress(FileNotFoundError):  # another process cleans up too
            shutil.copyfile(file, archive / file.name)
            file.unlink()
    return {"entries": len(gone)}


def read(hand: Hand, step: Step) -> Result:
    """Read the head."""
    product = hand.lake[step["product"]]
    return _seen(PinnedProduct(product.state()))


def read_old(hand: Hand, step: Step) -> Result:
    """Read an old version, which may be gone."""
    product = hand.lake[step["product"]]
    return _seen(PinnedProduct(product.state(version=step["to"])))


def verify(hand: Hand, step: Step) -> Result:
    """Verify the heads of all products."""
    return {"problems": [str(problem) for problem in hand.lake.verify().problems]}


def snapshot(hand: Hand, step: Step) -> Result:
    """Name the present versions."""
    return _pinned(hand.lake.snapshot(step["name"]))


def lock(hand: Hand, step: Step) -> Result:
    """Write a lock file."""
    return _pinned(hand.lake.lock(hand.root / step["name"]))


def drop(hand: Hand, step: Step) -> Result:
    """Drop a snapshot."""
    hand.lake.drop_snapshot(step["name"], dry_run=False, message=step["id"])
    return {}


def unpin(hand: Hand, step: Step) -> Result:
    """Let go of what a lock file pins; its process may have died before it wrote the file."""
    file = hand.root / step["name"]
    if not file.exists():
        return SKIPPED
    hand.lake.unpin(read_lock(file).pin, dry_run=False, message=step["id"])
    return {}


def transaction(hand: Hand, step: Step) -> Result:
    """Write several products under one name."""
    with hand.lake.transaction(step["name"], message=step["id"]) as opened:
        for identity, part in parts_of(step):
            verb = getattr(opened[part["product"]], part["do"])
            verb(frame(part["rows"]), message=identity, idempotency_key=identity)
    commits = {
        part["product"]: _landed(commit)
        for (_, part), commit in zip(parts_of(step), opened.commits, strict=True)
    }
    return _pinned(opened.snapshot) | {"commits": commits}


def doctor(hand: Hand, step: Step) -> Result:
    """Look for what is not as it was recorded, and mend it if the step says so."""
    found = hand.lake.doctor(quick=step["quick"], repair=step["repair"])
    return {"findings": [[each.kind, each.path, each.what] for each in found.findings]}


def diff(hand: Hand, step: Step) -> Result:
    """Compare two snapshots."""
    found = hand.lake.diff(*step["names"])
    return {"differences": {each.product: _difference(each) for each in found.products}}


def hold(hand: Hand, step: Step) -> Result:
    """Open a checkout of a snapshot, or the heads, for longer."""
    if "name" in step:
        opened = hand.lake.checkout(step["name"])
        products: dict[str, ReadableProduct] = {name: opened[name] for name in opened.products()}
    else:
        products = {name: PinnedProduct(hand.lake[name].state()) for name in PRODUCTS}
    hand.held[step["id"]] = products
    return {"seen": {name: _facts(product) for name, product in products.items()}}


def use(hand: Hand, step: Step) -> Result:
    """Read all that is held, oldest first."""
    seen = {name: {each: _seen(found) for each, found in held.items()} for name, held in hand.held.items()}
    return {"held": seen}


def release(hand: Hand, step: Step) -> Result:
    """Close what is held."""
    hand.held.clear()
    return {}


def jump(hand: Hand, step: Step) -> Result:
    """Let the clock of this process jump; the monotonic clock goes on."""
    seconds = step["days"] * 86_400
    time.time = lambda: _true_time() + seconds
    time.time_ns = lambda: _true_time_ns() + seconds * 1_000_000_000
    return {}


OPERATIONS: dict[str, Callable[[Hand, Step], Result]] = {
    "append": write,
    "upsert": write,
    "update": write,
    "gc": collect,
    **{
        each.__name__: each
        for each in (create, delete, restore, compact, layout, retain, clean_log, read, read_old, verify)
    },
    **{each.__name__: each for each in (snapshot, lock, drop, unpin, hold, use, release, jump)},
    **{each.__name__: each for each in (transaction, doctor, diff)},
}


def _landed(commit: lakehouse.Commit) -> Result:
    names = ("version", "digest", "rows", "repeated")
    return {name: getattr(commit, name) for name in names}


def _facts(product: ReadableProduct) -> Result:
    state = product.state()
    return {"version": state.version, "digest": state.digest}


def _seen(product: ReadableProduct) -> Result:
    return _facts(product) | {"rows": _rows(product.read().to_polars())}


def _rows(read: pl.DataFrame) -> list[list[Any]]:
    slots = read.with_columns(pl.col("time").cast(pl.Int64) // NS_PER_SLOT)
    return [list(row) for row in slots.iter_rows()]


def _difference(found: ProductDifference) -> Result:
    kinds = ("added", "removed", "changed")
    rows = {
        kind: [] if found.rows is None else _rows(getattr(found.rows, kind).to_polars()) for kind in kinds
    }
    return {"status": found.status, "before": found.before, "after": found.after, **rows}


def _pinned(pinned: Any) -> Result:
    return {
        "seen": {str(each.name): {"version": each.version, "digest": each.digest} for each in pinned.products}
    }
