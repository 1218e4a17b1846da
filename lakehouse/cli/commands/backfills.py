"""backfill, backfills: a source into a product, each chunk exactly once, and how far it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.cli.commands.loading import COUNTS, add_source_options, quarantine_lines
from lakehouse.cli.locate import open_lake
from lakehouse.cli.numbers import megabytes
from lakehouse.errors import ArgumentError

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Block, Grid, Reply
    from lakehouse.ingest.backfill import BackfillPlan, BackfillReport, BackfillStatus, ChunkFailure
    from lakehouse.lake import Lake

_SHOWN = 20
_BACKFILL_NOTES = """\
SOURCE is a file, a folder, a glob, or a template such as 'bars/{symbol}.csv.gz', or NAME:LOCATION
of a source that `lake sources` lists. Columns are matched by name; a recipe (a YAML or TOML file,
or the name of a shipped one) says what the headers do not. What is in the product already is
skipped: an interrupted run goes on where it stopped, a repeated one writes nothing, and several
processes that run the same command share the work. The exit code is 0 when every chunk is in the
product, 1 when some are not, and 130 after ctrl-C."""
_STATUS_NOTES = """\
Running are the chunks that a living process has claimed; failed are those that could not be
loaded, each with its newest error: lake backfill PRODUCT SOURCE --retry-failed."""


def add_commands(commands: Commands) -> None:
    """Add `backfill` and `backfills`."""
    parser = commands.add(
        "backfill",
        backfill,
        "load a source in chunks, each exactly once",
        group="write",
        notes=_BACKFILL_NOTES,
        examples=(
            "backfill market_data.bars_1d 'vendor/{symbol}.csv.gz'",
            "backfill market_data.trades ticks/ --recipe lean_equity_minute --symbols IBM,AAPL",
            "backfill market_data.bars_1d bars.parquet --start 2020-01-01 --end 2024-01-01 --json",
            "backfill market_data.bars_1d vendor/ --restate --start 2024-01-01 --symbols IBM",
        ),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--start", metavar="TIME", help="first instant inside, UTC; by default the beginning")
    parser.add_argument("--end", metavar="TIME", help="first instant after; by default the end")
    parser.add_argument("--symbols", metavar="A,B", action="append", help="by default all; may be repeated")
    _add_ways(parser)
    _add_resources(parser)
    add_source_options(parser)
    parser = commands.add(
        "backfills",
        backfills,
        "how far each backfill is, and what failed",
        group="write",
        notes=_STATUS_NOTES,
        examples=("backfills", "backfills market_data.bars_1d --json"),
        aliases=["backfill-status"],
    )
    parser.add_argument("product", metavar="PRODUCT", nargs="?", help="by default all")


def _add_ways(parser: argparse.ArgumentParser) -> None:
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--plan", action="store_true", help="say what would be loaded, and write nothing")
    ways.add_argument("--retry-failed", action="store_true", help="load only what failed in an earlier run")
    ways.add_argument(
        "--restate",
        action="store_true",
        help="replace the rows from --start to --end of --symbols by what the source gives now",
    )


def _add_resources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--executor", choices=("threads", "processes"), default="threads", help="what reads (threads)"
    )
    parser.add_argument("--workers", metavar="N", type=int, help="how many of them; by default one a core")
    parser.add_argument(
        "--commit-mb",
        metavar="MB",
        type=megabytes,
        help="size of the files that are claimed and committed together, the same in every process",
    )
    parser.add_argument(
        "--calendar", metavar="NAME", help="of an exchange, such as XNYS: name the sessions without rows"
    )


def backfill(options: argparse.Namespace) -> Reply:
    """Load a source, or say what it would take."""
    lake = open_lake(options)
    given: dict[str, Any] = {
        "recipe": options.recipe,
        "start": options.start,
        "end": options.end,
        "symbols": _symbols(options.symbols),
    }
    pieces = {"calendar": options.calendar, "commit_bytes": options.commit_mb}
    if options.plan:
        return _plan(lake.plan_backfill(options.product, options.source, **given, **pieces))
    given |= {name: getattr(options, name) for name in ("executor", "workers", "author", "message")}
    if options.restate:
        return _restate(lake, options, given)
    given |= {**pieces, "only": "failed" if options.retry_failed else "pending"}
    return _run(lake, options, given)


def _symbols(texts: Sequence[str] | None) -> list[str] | None:
    """Return the symbols that were named; none at all is a variable that is empty, and never all of them.

    Raises:
        ArgumentError: `--symbols` names none.
    """
    if texts is None:
        return None
    named = [symbol for text in texts for symbol in text.split(",") if symbol]
    if not named:
        raise ArgumentError("--symbols names no symbol.", hint="Leave it out for all of them.")
    return named


def backfills(options: argparse.Namespace) -> Reply:
    """Say how far the backfills are."""
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.cli.values import to_json

    found = open_lake(options).backfills(options.product)
    columns = ("product", "source", "opened", "chunks", "done", "running", "pending", "failed")
    grid = Grid([_status_row(each, columns) for each in found], columns, one_line=True)
    failures = [failure for each in found for failure in each.failures]
    document = [{**to_json(each), "ok": each.ok} for each in found]
    if not found:
        return Reply(document, ["no backfill of several chunks"])
    return Reply(document, [grid, *_failures(failures)])


def _status_row(status: BackfillStatus, columns: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(status, name) for name in columns}


def _run(lake: Lake, options: argparse.Namespace, given: dict[str, Any]) -> Reply:
    from lakehouse.cli.progress import progress_bar

    try:
        with progress_bar(sys.stderr, f"backfill {options.product}") as progress:
            report = lake.backfill(options.product, options.source, progress=progress, **given)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Interrupted. What was committed stays; resume by running the same command again."
        ) from None
    return _report(report)


def _restate(lake: Lake, options: argparse.Namespace, given: dict[str, Any]) -> Reply:
    from lakehouse.cli.reply import Facts, Reply
    from lakehouse.cli.values import to_json

    commit = lake.restate(options.product, options.source, **given)
    names = ("product", "version", *COUNTS, "removed", "rows", "digest")
    facts = Facts({name.replace("_", " "): getattr(commit, name) for name in names})
    rules = dict(commit.quarantine.rules) if commit.quarantine is not None else {}
    return Reply(to_json(commit), [facts, *quarantine_lines(commit.product, commit.quarantined, rules)])


def _plan(plan: BackfillPlan) -> Reply:
    from lakehouse.cli.reply import Facts, Grid, Reply

    pending = [
        {
            "chunk": chunk.id,
            "symbol": chunk.symbol,
            "file": ", ".join(chunk.files),
            "bytes": chunk.bytes,
            "failed before": chunk.id in plan.failed,
        }
        for chunk in plan.pending
    ]
    facts = {
        "product": plan.product,
        "source": plan.source,
        "id": plan.id,
        "chunks": len(plan.chunks),
        "done": len(plan.done),
        "failed": len(plan.failed),
        "pending": len(pending),
        "bytes": plan.bytes,
        "slices": len(plan.slices),
        "sessions": len(plan.sessions) or None,
    }
    rest = len(pending) - _SHOWN
    more = [f"… and {rest} more; --json lists all"] if rest > 0 else []
    grid = Grid(pending[:_SHOWN], ("file", "symbol", "bytes", "failed before"), one_line=True)
    blocks: list[Block] = [Facts(facts), *([grid] if pending else []), *more]
    return Reply({**facts, "pending_chunks": pending}, [*blocks, "dry run: nothing was written"])


def _report(report: BackfillReport) -> Reply:
    from lakehouse.cli.reply import Facts, Reply
    from lakehouse.cli.text import counted
    from lakehouse.cli.values import to_json

    rate = report.rows_in / report.seconds if report.seconds else 0.0
    document = {
        **to_json(report),
        "ok": report.ok,
        "rows_per_second": round(rate),
        "seconds": round(report.seconds, 3),
    }
    failed = len(report.failures)
    chunks = (
        f"{report.chunks} planned, {report.committed} loaded, {report.skipped} there already, {failed} failed"
    )
    if report.pending:
        chunks += f", {report.pending} not tried"
    facts = Facts(
        {
            "product": report.product,
            "source": report.source,
            "chunks": chunks,
            **{name.replace("_", " "): getattr(report, name) for name in COUNTS},
            "versions": ", ".join(map(str, report.versions)),
            "seconds": f"{report.seconds:.1f} ({rate:,.0f} rows/s)",
            "rows now": report.rows,
            "digest": report.digest,
        }
    )
    lines = quarantine_lines(report.product, report.quarantined, report.rules)
    lines += [
        f"warning: {counted(count, 'row')} broke {rule}, and landed"
        for rule, count in report.warnings.items()
    ]
    if report.missing:
        shown = ", ".join(report.missing[:_SHOWN]) + (", …" if len(report.missing) > _SHOWN else "")
        lines.append(f"warning: no row in {counted(len(report.missing), 'session')}: {shown}")
    blocks: list[Block] = [facts, *lines, *_failures(report.failures)]
    return Reply(document, blocks, exit_code=0 if report.ok else 1)


def _failures(failures: Sequence[ChunkFailure]) -> list[Grid]:
    from lakehouse.cli.reply import Grid
    from lakehouse.cli.text import counted

    rows = [{"file": ", ".join(each.files), "error": each.error.partition("\n")[0]} for each in failures]
    more = f", of which {_SHOWN} are shown" if len(rows) > _SHOWN else ""
    title = f"{counted(len(rows), 'chunk')} failed{more}:"
    return [Grid(rows[:_SHOWN], ("file", "error"), title)] if rows else []
