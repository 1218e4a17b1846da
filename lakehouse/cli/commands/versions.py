"""history, diff: the versions of one product."""

from __future__ import annotations

import argparse
import itertools
from typing import TYPE_CHECKING

from lakehouse.cli.locate import open_lake
from lakehouse.cli.numbers import count

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply

_ROWS_SHOWN = 20
_COLUMNS = (
    *("version", "time", "operation", "rows_in", "accepted", "quarantined", "duplicates", "removed", "rows"),
    *("author", "source", "message"),
)


def add_commands(commands: Commands) -> None:
    """Add `history` and `diff`."""
    parser = commands.add(
        "history",
        history,
        "list the commits of a product, newest first",
        group="ask",
        examples=("history market_data.bars_1d", "history market_data.bars_1d --limit 3 --json"),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument("--limit", type=count, metavar="N", help="the newest N; by default all")
    parser = commands.add(
        "diff",
        diff,
        "show the rows that differ between two versions, by key",
        group="ask",
        examples=("diff market_data.bars_1d 3 4", "diff market_data.bars_1d 3 --json"),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument("before", type=count, metavar="V1", help="a version")
    parser.add_argument("after", type=count, nargs="?", metavar="V2", help="another; by default the newest")
    parser.add_argument(
        "--rows",
        type=count,
        default=_ROWS_SHOWN,
        metavar="N",
        help=f"most rows to show; by default {_ROWS_SHOWN}, 0 for all",
    )


def history(options: argparse.Namespace) -> Reply:
    """List commits."""
    from lakehouse.cli.commits import commit_row
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.cli.text import time_text

    product = open_lake(options)[options.product]
    rows = [commit_row(commit) for commit in itertools.islice(product.table.history(), options.limit)]
    empty = f"{product.name} has no commit yet."
    return Reply(
        rows, [Grid(rows, _COLUMNS, formats={"time": time_text}, one_line=True)] if rows else [empty]
    )


def diff(options: argparse.Namespace) -> Reply:
    """Compare two versions."""
    from lakehouse.cli.reply import Reply, Rows

    product = open_lake(options)[options.product]
    after = product.version if options.after is None else options.after
    found = product.diff(options.before, after)
    parts = {"added": found.added, "removed": found.removed, "changed": found.changed}
    document = {"product": str(product.name), "before": options.before, "after": after, **parts}
    counts = ", ".join(f"{len(rows):,} {name}" for name, rows in parts.items())
    title = f"{product.name}, version {options.before} to {after}: {counts}"
    shown = [Rows(rows, options.rows, f"{name}:") for name, rows in parts.items() if len(rows)]
    return Reply(document, [title, *shown])
