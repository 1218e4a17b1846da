"""gc, pins, unpin, drop: what nothing holds any more, and who holds the rest."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.cli.commands.maintenance import add_apply, last_line
from lakehouse.cli.locate import open_lake

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.maintenance.drop import DropReport

_GC_NOTES = """\
Deletes data files that no head, history, snapshot, lock, open reader or writer reaches. The first run
with --apply condemns them, a later one deletes what was condemned longer than the grace ago; with
--grace 0s both happen at once. The grace is a courtesy to readers that hold no lease, such as polars
on a Delta table; what is pinned or being read through the lake is safe at any grace."""
_DROP_NOTES = """\
Nothing is deleted at once: garbage collection may then delete what the snapshot alone holds. Its name
is never used again, and locks that were made from it keep what they pin."""
_UNPIN_NOTES = """\
The lock file can not be checked out any more, and garbage collection may delete what it alone holds."""


def add_commands(commands: Commands) -> None:
    """Add `gc`, `pins`, `unpin` and `drop`."""
    examples: tuple[str, ...] = ("gc", "gc --apply", "gc --apply --grace 0s --history 7d")
    parser = commands.add(
        "gc", gc, "delete files that nothing reaches", group="care", notes=_GC_NOTES, examples=examples
    )
    add_apply(parser)
    parser.add_argument(
        "--grace", default="1h", metavar="SPAN", help="between condemning and deleting; by default 1h"
    )
    parser.add_argument(
        "--history", default="30d", metavar="SPAN", help="old versions that stay readable; by default 30d"
    )
    commands.add("pins", pins, "list who pinned what by a lock file", group="care", examples=("pins",))
    parser = commands.add(
        "unpin",
        unpin,
        "let go of what a lock file pins",
        group="care",
        notes=_UNPIN_NOTES,
        examples=("unpin backtest.lock", "unpin 3f0c… --apply --message 'the paper is out'"),
    )
    parser.add_argument("pin", metavar="PIN", help="the lock file, or the id that lake pins shows")
    add_apply(parser)
    parser.add_argument("--message", default="", help="why, for whoever looks for it later")
    parser = commands.add(
        "drop",
        drop,
        "let go of a snapshot",
        group="care",
        notes=_DROP_NOTES,
        examples=("drop 2026-q3", "drop 2026-q3 --apply --message 'superseded'"),
    )
    parser.add_argument("name", metavar="SNAPSHOT")
    add_apply(parser)
    parser.add_argument("--message", default="", help="why, for whoever looks for it later")


def gc(options: argparse.Namespace) -> Reply:
    """Collect garbage."""
    from lakehouse.cli.reply import Facts, Grid, Reply
    from lakehouse.cli.text import counted, size_text
    from lakehouse.cli.values import to_json

    report = open_lake(options).gc(
        dry_run=not options.apply, grace=options.grace, history=options.history, author=options.author
    )
    facts = Facts(
        {
            "dead": f"{counted(report.dead_files, 'file')} ({size_text(report.dead_bytes)})",
            "deleted": counted(report.deleted_files, "file"),
            "waiting": f"{counted(report.waiting_files, 'file')} for the end of the grace",
            "held again": counted(report.withdrawn_files, "file"),
            "dead sessions": report.dead_sessions or None,
        }
    )
    kept = [{"holder": holder, "files": count} for holder, count in report.kept.items()]
    title = "These keep files that are no part of a head:"
    grids = [Grid(kept, ("holder", "files"), title)] if kept else []
    return Reply(to_json(report), [facts, *grids, *last_line(options)])


def pins(options: argparse.Namespace) -> Reply:
    """List pins."""
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.cli.text import time_text

    rows = [
        {
            "pin": pin.id,
            "author": pin.author,
            "created": pin.created,
            "products": ", ".join(f"{product.name}@{product.version}" for product in pin.products),
            "message": pin.message,
        }
        for pin in open_lake(options).pins()
    ]
    columns = ("pin", "author", "created", "products", "message")
    empty = "No lock file was handed out yet."
    return Reply(rows, [Grid(rows, columns, formats={"created": time_text})] if rows else [empty])


def unpin(options: argparse.Namespace) -> Reply:
    """Let go of a pin."""
    file = Path(options.pin)
    report = open_lake(options).unpin(
        file if file.is_file() else options.pin,
        dry_run=not options.apply,
        author=options.author,
        message=options.message,
    )
    return _dropped(report, options)


def drop(options: argparse.Namespace) -> Reply:
    """Let go of a snapshot."""
    report = open_lake(options).drop_snapshot(
        options.name, dry_run=not options.apply, author=options.author, message=options.message
    )
    return _dropped(report, options)


def _dropped(report: DropReport, options: argparse.Namespace) -> Reply:
    from lakehouse.cli.reply import Reply
    from lakehouse.cli.values import to_json

    return Reply(to_json(report), [str(report), *last_line(options)])
