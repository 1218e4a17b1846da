"""compact, retain, restore: what takes something away says first what it would do, and acts with --apply."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import open_lake

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands, Run
    from lakehouse.cli.reply import Block, Reply
    from lakehouse.maintenance.holding import Held

_SHOWN = 20
_COMPACT_NOTES = """\
Small files of a partition become one, and files that overlap because rows came late are sorted into
one order. The rows stay as they are, which is proven before each commit; the old files stay for old
versions, snapshots and open readers. A product that is well laid out is left alone."""
_RETAIN_NOTES = """\
Rows whose time is before the cutoff leave the product: --before names it, --keep counts back from
now, and without either the retention of the contract or of the domain counts. Old versions,
snapshots and locks keep the rows. A cutoff that is counted back and would take out every row is
refused: a clock may be wrong."""
_RESTORE_NOTES = """\
Nothing is lost: the versions in between stay readable. A number is a version, the path of a file is
a lock, and anything else is a snapshot. Snapshots and locks name their files themselves, so they can
be restored where the log of the version is gone."""


def add_commands(commands: Commands) -> None:
    """Add `compact`, `retain` and `restore`."""
    add_maintenance(
        commands,
        "compact",
        compact,
        "merge small files and late rows",
        notes=_COMPACT_NOTES,
        examples=("compact market_data.bars_1m", "compact market_data.bars_1m --apply"),
    )
    parser = add_maintenance(
        commands,
        "retain",
        retain,
        "take out rows that are older than a cutoff",
        notes=_RETAIN_NOTES,
        examples=("retain market_data.ticks --keep 90d", "retain market_data.ticks --keep 90d --apply"),
    )
    cutoff = parser.add_mutually_exclusive_group()
    cutoff.add_argument("--keep", metavar="SPAN", help="how long rows are kept, such as 5y or 90d")
    cutoff.add_argument("--before", metavar="TIME", help="first instant that stays, UTC")
    parser = add_maintenance(
        commands,
        "restore",
        restore,
        "make an old version, a snapshot or a lock the newest version",
        notes=_RESTORE_NOTES,
        examples=(
            "restore market_data.bars_1d 3",
            "restore market_data.bars_1d 3 --apply --message 'undo the bad load'",
            "restore market_data.bars_1d 2026-q3 --apply",
        ),
    )
    parser.add_argument("to", metavar="VERSION", help="a version, the name of a snapshot, or a lock file")


def add_maintenance(
    commands: Commands, name: str, run: Run, summary: str, *, notes: str, examples: Sequence[str]
) -> argparse.ArgumentParser:
    """Add a command that explains first what it would do to a product, and acts with `--apply`."""
    parser = commands.add(name, run, summary, group="care", notes=notes, examples=examples)
    parser.add_argument("product", metavar="PRODUCT")
    add_apply(parser)
    parser.add_argument("--message", default="", help="why, for the commit's record")
    return parser


def add_apply(parser: argparse.ArgumentParser) -> None:
    """Add what every command has that explains first."""
    parser.add_argument("--apply", action="store_true", help="do it; without it, only say what it would do")
    parser.add_argument("--author", default="", help="who; by default LAKEHOUSE_AUTHOR, else user@host")


def compact(options: argparse.Namespace) -> Reply:
    """Merge files."""
    from lakehouse.cli.reply import Facts, Grid, Reply
    from lakehouse.cli.text import counted, size_text

    report = open_lake(options).compact(options.product, **_settings(options))
    rows = [
        {
            "partition": merge.partition.rstrip("/"),
            "files": len(merge.files),
            "files_after": merge.files_after,
            "rows": merge.rows,
            "size": merge.size,
            "why": ", ".join(merge.why),
        }
        for merge in report.merges
    ]
    totals = {name: getattr(report, name) for name in ("files_before", "files_after", "rows", "size")}
    document = {
        "product": report.product,
        "version": report.version,
        "dry_run": report.dry_run,
        "files": report.files,
        **totals,
        "commits": report.commits,
        "merges": rows,
    }
    if not rows:
        return Reply(document, [f"{report.product} is well laid out: {counted(report.files, 'file')}."])
    facts = Facts(
        {
            "product": f"{report.product}, version {report.version}",
            "files": f"{report.files_before:,} of {report.files:,} become {report.files_after:,}",
            "rows": f"{report.rows:,} ({size_text(report.size)})",
            "versions made": ", ".join(map(str, report.commits)),
        }
    )
    more = f", of which {_SHOWN} are shown" if len(rows) > _SHOWN else ""
    title = f"{counted(len(rows), 'merge')}{more}:"
    grid = Grid(rows[:_SHOWN], tuple(rows[0]), title, {"size": size_text})
    return Reply(document, [facts, grid, *last_line(options)])


def retain(options: argparse.Namespace) -> Reply:
    """Take out old rows."""
    from lakehouse.cli.reply import Facts, Reply
    from lakehouse.cli.text import size_text, time_text
    from lakehouse.cli.values import to_json

    lake = open_lake(options)
    report = lake.retain(options.product, options.keep, before=options.before, **_settings(options))
    document = {**to_json(report), "held": [_held_row(held) for held in report.held]}
    if not report.rows:
        line = f"No row of {report.product} is older than {report.cutoff} ({report.policy})."
        return Reply(document, [line])
    facts = Facts(
        {
            "product": f"{report.product}, version {report.version}",
            "cutoff": f"{report.cutoff} ({report.policy})",
            "rows that go": f"{report.rows:,}; {report.rows_left:,} stay",
            "from": f"{time_text(report.first or '')} to {time_text(report.last or '')}",
            "files": f"{report.files_dropped:,} dropped, {report.files_rewritten:,} rewritten "
            f"({size_text(report.size)})",
            "version made": report.commit,
        }
    )
    return Reply(document, [facts, *_held_blocks(report.held), *last_line(options)])


def restore(options: argparse.Namespace) -> Reply:
    """Restore a version, a snapshot or a lock."""
    from lakehouse.cli.reply import Facts, Reply
    from lakehouse.cli.text import counted
    from lakehouse.cli.values import to_json

    report = open_lake(options).restore(options.product, _target(options.to), **_settings(options))
    if not report.files_come and not report.files_go:
        return Reply(to_json(report), [f"{report.product} is at {report.to} already."])
    facts = Facts(
        {
            "product": f"{report.product}, version {report.version}",
            "to": report.to,
            "rows": f"{report.rows:,} afterwards{', the same as now' if report.same_rows else ''}",
            "come": f"{counted(report.rows_come, 'row')} in {counted(report.files_come, 'file')}",
            "go": f"{counted(report.rows_go, 'row')} in {counted(report.files_go, 'file')}",
            "version made": report.commit,
        }
    )
    return Reply(to_json(report), [facts, *last_line(options)])


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {"dry_run": not options.apply, "author": options.author, "message": options.message}


def _target(text: str) -> int | str | Path:
    """Read what to restore: a number is a version, a file is a lock, anything else is a snapshot."""
    if text.isascii() and text.isdecimal():
        return int(text)
    return Path(text) if Path(text).is_file() else text


def _held_blocks(held: Sequence[Held]) -> list[Block]:
    from lakehouse.cli.reply import Grid
    from lakehouse.cli.text import size_text

    if not held:
        return []
    rows = [_held_row(each) for each in held]
    return [Grid(rows, tuple(rows[0]), "These keep their files on the disk:", {"size": size_text})]


def _held_row(held: Held) -> dict[str, Any]:
    holder = held.holder
    return {
        "kind": holder.kind,
        "name": holder.name,
        "author": holder.author,
        "created": holder.created,
        "version": held.version,
        "files": held.files,
        "size": held.size,
    }


def last_line(options: argparse.Namespace) -> list[str]:
    """Say how to do what was only explained."""
    return [] if options.apply else ["Nothing was written; do it with --apply."]
