"""ingest, backfill: rows from files into a product."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import open_lake

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.errors import LakehouseError
    from lakehouse.ingest.backfill import BackfillReport
    from lakehouse.ingest.sources import FileSource
    from lakehouse.lake import Lake
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.product import Product

_COUNTS = ("rows_in", "accepted", "quarantined", "duplicates")
_FAILURES_SHOWN = 20
_INGEST_NOTES = """\
Each file is one commit. A file that was ingested or backfilled before is skipped, told by its name,
its bytes and the recipe, so that an interrupted command can be run again; --again writes it once
more."""
_BACKFILL_NOTES = """\
SOURCE is a file, a folder, a glob, or a template such as 'bars/{symbol}.csv.gz'. Columns are
matched by name; a recipe (a YAML or TOML file, or the name of a shipped one) says what the headers
do not. What is in the product already is skipped: an interrupted run goes on where it stopped, a
repeated one writes nothing. The exit code is 0 when every chunk is in the product, and 1 when some
could not be loaded."""


def add_commands(commands: Commands) -> None:
    """Add `ingest` and `backfill`."""
    parser = commands.add(
        "ingest",
        ingest,
        "append or upsert the rows of a few files",
        group="write",
        notes=_INGEST_NOTES,
        examples=(
            "ingest market_data.bars_1d today.csv",
            "ingest market_data.bars_1d corrections.parquet --mode upsert --message 'vendor correction'",
        ),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="CSV, JSON, Parquet or Feather, also .gz or .zip"
    )
    parser.add_argument(
        "--mode",
        choices=("append", "upsert"),
        default="append",
        help="append (the default) refuses keys that are stored with other values, upsert replaces them",
    )
    parser.add_argument("--again", action="store_true", help="write files that were loaded before once more")
    _add_source_options(parser)
    parser.set_defaults(trailing="files")
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
        ),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--start", metavar="TIME", help="first instant inside, UTC; by default the beginning")
    parser.add_argument("--end", metavar="TIME", help="first instant after; by default the end")
    parser.add_argument("--symbols", metavar="A,B", action="append", help="by default all; may be repeated")
    _add_source_options(parser)


def _add_source_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe", metavar="RECIPE", help="how to read the files: a YAML or TOML file, or a shipped name"
    )
    parser.add_argument("--author", default="", help="who; by default LAKEHOUSE_AUTHOR, else user@host")
    parser.add_argument("--message", default="", help="why, for the commit's record")


def ingest(options: argparse.Namespace) -> Reply:
    """Write files, one commit each."""
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.errors import LakehouseError
    from lakehouse.ingest.sources import FileSource

    lake = open_lake(options)
    product = lake[options.product]
    rows: list[dict[str, Any]] = []
    for source in [FileSource(path, options.recipe) for path in options.files]:
        try:
            commits = _write(lake, product, source, options)
        except LakehouseError as error:
            raise _stopped(source.name, len(rows), error) from error
        rows.append(_file_row(source.name, commits))
    totals = {name: sum(row[name] for row in rows) for name in _COUNTS}
    state, name = product.state(), str(product.name)
    document = {"product": name, "version": state.version, **totals, "rows": state.rows, "files": rows}
    lines = _quarantine_lines(name, totals["quarantined"], _sum_rules([row["rules"] for row in rows]))
    return Reply(document, [Grid(rows, ("file", "version", *_COUNTS, "skipped")), *lines])


def backfill(options: argparse.Namespace) -> Reply:
    """Load a source."""
    from lakehouse.cli.progress import progress_bar

    lake = open_lake(options)
    symbols = [symbol for text in options.symbols or () for symbol in text.split(",") if symbol]
    try:
        with progress_bar(sys.stderr, f"backfill {options.product}") as progress:
            report = lake.backfill(
                options.product,
                options.source,
                recipe=options.recipe,
                start=options.start,
                end=options.end,
                symbols=symbols or None,
                progress=progress,
                author=options.author,
                message=options.message,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Interrupted. What was committed stays; resume by running the same command again."
        ) from None
    return _report(report)


def _write(lake: Lake, product: Product, source: FileSource, options: argparse.Namespace) -> list[Commit]:
    """Write a file; return no commit where it was loaded before."""
    from lakehouse.errors import SourceError
    from lakehouse.ingest.backfill import ledger_key
    from lakehouse.times import Interval

    provenance = {"author": options.author, "message": options.message}
    if options.mode == "append" and not options.again:
        report = lake.backfill(options.product, source, **provenance)
        if report.failures:
            message, _, hint = report.failures[0].error.partition("\nHint: ")
            raise SourceError(message, hint=hint or None)
        return [product.table.commit_of(version) for version in report.versions]
    write = product.append if options.mode == "append" else product.upsert
    schema = product.contract.schema
    commits = [
        write(
            source.read(chunk, schema),
            source=source.name,
            idempotency_key=None if options.again else ledger_key(chunk.id),
            **provenance,
        )
        for chunk in source.chunks(schema, None, Interval())
    ]
    return [commit for commit in commits if not commit.repeated]


def _stopped(file: str, done: int, error: LakehouseError) -> LakehouseError:
    """Return the error of a file, with how far the command came."""
    before = f" The {done} before it {'is' if done == 1 else 'are'} in." if done else ""
    message = error.message if file in error.message else f"{file}: {error.message}"
    return type(error)(f"{message}{before}", hint=error.hint)


def _file_row(file: str, commits: Sequence[Commit]) -> dict[str, Any]:
    rules = _sum_rules([dict(commit.quarantine.rules) for commit in commits if commit.quarantine is not None])
    return {
        "file": file,
        "version": commits[-1].version if commits else None,
        **{name: sum(getattr(commit, name) for commit in commits) for name in _COUNTS},
        "removed": sum(commit.removed for commit in commits),
        "rules": rules,
        "skipped": not commits,
    }


def _report(report: BackfillReport) -> Reply:
    from lakehouse.cli.reply import Facts, Grid, Reply
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
    facts = Facts(
        {
            "product": report.product,
            "source": report.source,
            "chunks": chunks,
            **{name.replace("_", " "): getattr(report, name) for name in _COUNTS},
            "versions": ", ".join(map(str, report.versions)),
            "seconds": f"{report.seconds:.1f} ({rate:,.0f} rows/s)",
            "rows now": report.rows,
            "digest": report.digest,
        }
    )
    lines = _quarantine_lines(report.product, report.quarantined, report.rules)
    lines += [
        f"warning: {counted(count, 'row')} broke {rule}, and landed"
        for rule, count in report.warnings.items()
    ]
    failures = [
        {"file": ", ".join(each.files), "error": each.error.partition("\n")[0]} for each in report.failures
    ]
    more = f", of which {_FAILURES_SHOWN} are shown" if failed > _FAILURES_SHOWN else ""
    grid = Grid(failures[:_FAILURES_SHOWN], ("file", "error"), f"{counted(failed, 'chunk')} failed{more}:")
    return Reply(document, [facts, *lines, *([grid] if failed else [])], exit_code=0 if report.ok else 1)


def _quarantine_lines(product: str, quarantined: int, rules: dict[str, int]) -> list[str]:
    from lakehouse.cli.text import counted

    if not quarantined:
        return []
    broken = ", ".join(f"{rule}: {count}" for rule, count in rules.items())
    went = f"{counted(quarantined, 'row')} went to quarantine ({broken})"
    return [f"{went}; see them: lake quarantine read {product}"]


def _sum_rules(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for rule, count in each.items():
            total[rule] = total.get(rule, 0) + count
    return total
