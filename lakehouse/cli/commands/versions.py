"""history, restore: the versions of one product."""

from __future__ import annotations

import argparse
import itertools
from typing import TYPE_CHECKING

from lakehouse.cli.locate import open_lake
from lakehouse.cli.numbers import count

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply

_COLUMNS = (
    *("version", "time", "operation", "rows_in", "accepted", "quarantined", "duplicates", "removed", "rows"),
    *("author", "source", "message"),
)


def add_commands(commands: Commands) -> None:
    """Add `history` and `restore`."""
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
        "restore",
        restore,
        "make an old version the newest, as a commit of its own",
        group="write",
        notes="Nothing is lost: the versions in between stay readable.",
        examples=("restore market_data.bars_1d 3 --message 'undo the bad load'",),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument("version", type=count, metavar="VERSION")
    parser.add_argument("--author", default="", help="who; by default LAKEHOUSE_AUTHOR, else user@host")
    parser.add_argument("--message", default="", help="why, for the commit's record")


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


def restore(options: argparse.Namespace) -> Reply:
    """Restore a version."""
    from lakehouse.cli.commits import commit_row
    from lakehouse.cli.reply import Reply

    product = open_lake(options)[options.product]
    commit = product.restore(options.version, author=options.author, message=options.message)
    line = f"Version {commit.version} of {product.name} is version {options.version} again"
    return Reply(commit_row(commit), [f"{line}: {commit.rows:,} rows."])
