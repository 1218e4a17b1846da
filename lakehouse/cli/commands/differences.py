"""diff: what differs between two versions of a product, two locks, or two snapshots."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import lock_root, open_lake, open_snapshot
from lakehouse.cli.numbers import count

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Block, Reply
    from lakehouse.comparison import LakeDifference
    from lakehouse.queries.difference import Difference

_ROWS_SHOWN = 20
_COMMIT = ("version", "operation", "author", "time", "message")
_NOTES = """\
WORDS are a product with one version or two (by default the newest is the second), or two lock files.
Locks and snapshots are compared product by product; each row comes with the commit behind it."""


def add_commands(commands: Commands) -> None:
    """Add `diff`."""
    parser = commands.add(
        "diff",
        diff,
        "show the rows that differ between two versions, locks or snapshots, by key",
        group="ask",
        notes=_NOTES,
        examples=(
            "diff market_data.bars_1d 3 4",
            "diff market_data.bars_1d 3 --json",
            "diff june.lock july.lock",
            "diff --snapshots 2026-q2 2026-q3",
        ),
    )
    parser.add_argument("words", nargs="*", metavar="WORDS", help="PRODUCT V1 [V2], or A.lock B.lock")
    parser.add_argument("--snapshots", nargs=2, metavar=("A", "B"), help="two snapshots, instead of WORDS")
    parser.add_argument(
        "--rows",
        type=count,
        default=_ROWS_SHOWN,
        metavar="N",
        help=f"most rows to show; by default {_ROWS_SHOWN}, 0 for all",
    )
    parser.set_defaults(trailing="words", refuse=parser.error)


def diff(options: argparse.Namespace) -> Reply:
    """Compare two versions of a product, two locks, or two snapshots."""
    words: list[str] = options.words
    if options.snapshots and words:
        options.refuse("give WORDS or --snapshots, not both")
    if options.snapshots:
        before, after = (open_snapshot(options, name) for name in options.snapshots)
        return _lakes(open_lake(options).diff(before, after), options.rows)
    if len(words) == 2 and Path(words[0]).is_file():
        import lakehouse

        lake = lakehouse.open(lock_root(options, words[0]))
        return _lakes(lake.diff(Path(words[0]), Path(words[1])), options.rows)
    if len(words) not in (2, 3):
        options.refuse("give a product and one or two versions, two lock files, or --snapshots A B")
    return _versions(options, words[0], [_version(options, word) for word in words[1:]])


def _versions(options: argparse.Namespace, name: str, versions: list[int]) -> Reply:
    from lakehouse.cli.reply import Reply

    product = open_lake(options)[name]
    before, after = versions if len(versions) == 2 else (versions[0], product.version)
    found = product.diff(before, after)
    document = {"product": str(product.name), "before": before, "after": after, **_parts(found)}
    title = f"{product.name}, version {before} to {after}: {_counts(found)}"
    return Reply(document, [title, *_blocks(found, options.rows)])


def _lakes(found: LakeDifference, limit: int) -> Reply:
    from lakehouse.cli.reply import Reply

    entries: list[dict[str, Any]] = []
    blocks: list[Block] = [f"{found.before} to {found.after}:"]
    for entry in found.products:
        facts = {name: getattr(entry, name) for name in ("product", "status", "before", "after")}
        line = f"{entry.product}: {entry.status}"
        if entry.rows is None:
            entries.append(facts)
            blocks.append(line)
            continue
        entries.append(facts | _parts(entry.rows))
        blocks.append(f"{line}, version {entry.before} to {entry.after}: {_counts(entry.rows)}")
        blocks += _blocks(entry.rows, limit)
    return Reply({"before": found.before, "after": found.after, "products": entries}, blocks)


def _parts(found: Difference) -> dict[str, Any]:
    return {
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "changes": found.changes,
    }


def _counts(found: Difference) -> str:
    parts = {"added": found.added, "removed": found.removed, "changed": found.changed}
    return ", ".join(f"{len(rows):,} {name}" for name, rows in parts.items())


def _blocks(found: Difference, limit: int) -> list[Block]:
    """Show rows, then the commits behind them; which one is behind which row is for `--json`."""
    from lakehouse.cli.reply import Grid, Rows
    from lakehouse.cli.text import time_text

    parts = {"added": found.added, "removed": found.removed, "changed": found.changed}
    shown: list[Block] = [Rows(rows, limit, f"{name}:") for name, rows in parts.items() if len(rows)]
    rows = _commits(found)
    grid = Grid(rows, ("rows", *_COMMIT), "behind them:", formats={"time": time_text}, one_line=True)
    return [*shown, grid] if rows else shown


def _commits(found: Difference) -> list[dict[str, Any]]:
    """Return the commits behind some rows, oldest first, with the number of rows of each."""
    import pyarrow as pa

    from lakehouse.times import to_iso

    table = found.changes.to_arrow().select([f"_{name}" for name in _COMMIT]).rename_columns(list(_COMMIT))
    # Nanoseconds, because pyarrow would import pandas to make them times of Python.
    table = table.set_column(3, "time", table.column("time").cast(pa.int64()))
    commits = table.group_by(list(_COMMIT)).aggregate([([], "count_all")]).to_pylist()
    return [
        commit
        | {"rows": commit["count_all"], "time": "" if commit["time"] is None else to_iso(commit["time"])}
        for commit in sorted(commits, key=lambda commit: commit["version"] or 0)
    ]


def _version(options: argparse.Namespace, text: str) -> int:
    try:
        return count(text)
    except argparse.ArgumentTypeError as error:
        words = f"{error}, and {options.words[0]!r} is no lock file"
        return int(options.refuse(f"{words}; two snapshots are given with --snapshots A B"))
