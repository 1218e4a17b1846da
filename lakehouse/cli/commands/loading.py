"""ingest: rows of a few files into a product."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import open_lake

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.errors import LakehouseError
    from lakehouse.ingest.sources import FileSource
    from lakehouse.lake import Lake
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.product import Product

COUNTS = ("rows_in", "accepted", "quarantined", "duplicates")
_INGEST_NOTES = """\
Each file is one commit. A file that was ingested or backfilled before is skipped, told by its name,
its bytes and the recipe, so that an interrupted command can be run again; --again writes it once
more."""


def add_commands(commands: Commands) -> None:
    """Add `ingest`."""
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
    add_source_options(parser)
    parser.set_defaults(trailing="files")


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes that reads a source."""
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
    totals = {name: sum(row[name] for row in rows) for name in COUNTS}
    state, name = product.state(), str(product.name)
    document = {"product": name, "version": state.version, **totals, "rows": state.rows, "files": rows}
    lines = quarantine_lines(name, totals["quarantined"], _sum_rules([row["rules"] for row in rows]))
    return Reply(document, [Grid(rows, ("file", "version", *COUNTS, "skipped")), *lines])


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
        **{name: sum(getattr(commit, name) for commit in commits) for name in COUNTS},
        "removed": sum(commit.removed for commit in commits),
        "rules": rules,
        "skipped": not commits,
    }


def quarantine_lines(product: str, quarantined: int, rules: dict[str, int]) -> list[str]:
    """Say where refused rows are, if there are any."""
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
