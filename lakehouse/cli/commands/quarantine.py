"""quarantine list, read, replay: the rows that broke a rule."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lakehouse.cli.commands.questions import add_result_options, rows_reply
from lakehouse.cli.locate import open_lake
from lakehouse.cli.numbers import count

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.schema import TableSchema

_REPLAY_NOTES = """\
Without FILE the rows go in as they came, for a contract that accepts them by now. With FILE its
rows go in instead: `lake quarantine read PRODUCT VERSION --csv` writes the refused rows, to be
corrected; columns that the contract does not know are left out. What one commit refused is replayed
at most once."""


def add_commands(commands: Commands) -> None:
    """Add `quarantine` and its three commands."""
    group = commands.add_group(
        "quarantine",
        "see the rows that broke a rule, and write them again",
        group="care",
        examples=(
            "quarantine list market_data.bars_1d",
            "quarantine read market_data.bars_1d 3 --csv > refused.csv",
            "quarantine replay market_data.bars_1d 3 corrected.csv",
        ),
    )
    parser = group.add(
        "list",
        list_quarantine,
        "list the commits that refused rows, newest first",
        examples=("quarantine list market_data.bars_1d",),
    )
    parser.add_argument("product", metavar="PRODUCT")
    add_result_options(parser)
    parser = group.add(
        "read",
        read,
        "show refused rows as they came, with one flag a broken rule",
        examples=("quarantine read market_data.bars_1d 3",),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument(
        "version", type=count, nargs="?", metavar="VERSION", help="the commit; by default all"
    )
    add_result_options(parser)
    parser = group.add(
        "replay",
        replay,
        "write refused rows again, as they came or corrected",
        notes=_REPLAY_NOTES,
        examples=("quarantine replay market_data.bars_1d 3 corrected.csv",),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument("version", type=count, metavar="VERSION", help="the commit that refused them")
    parser.add_argument("file", nargs="?", metavar="FILE", help="the corrected rows")
    parser.add_argument("--recipe", metavar="RECIPE", help="how to read FILE")
    parser.add_argument("--author", default="", help="who; by default LAKEHOUSE_AUTHOR, else user@host")
    parser.add_argument("--message", default="", help="why, for the commit's record")


def list_quarantine(options: argparse.Namespace) -> Reply:
    """List quarantines."""
    return rows_reply(open_lake(options)[options.product].quarantine.list(), options)


def read(options: argparse.Namespace) -> Reply:
    """Show refused rows."""
    return rows_reply(open_lake(options)[options.product].quarantine.read(options.version), options)


def replay(options: argparse.Namespace) -> Reply:
    """Write refused rows again."""
    from lakehouse.cli.commits import commit_row
    from lakehouse.cli.reply import Reply
    from lakehouse.cli.text import counted
    from lakehouse.ingest.write import Provenance

    product = open_lake(options)[options.product]
    frame = _corrected(options.file, options.recipe, product.contract.schema) if options.file else None
    given = Provenance(author=options.author, source=options.file or "", message=options.message)
    commit = product.quarantine.replay(options.version, frame, provenance=given)
    done = f"The quarantine of version {options.version} was replayed before, by version {commit.version}."
    counts = f"{counted(commit.accepted, 'row')} accepted, {commit.duplicates} there already"
    lines = [done if commit.repeated else f"Version {commit.version}: {counts}."]
    if commit.quarantined:
        rows = f"{counted(commit.quarantined, 'row')} broke a rule again"
        lines.append(f"{rows}; see them: lake quarantine read {product.name} {commit.version}")
    return Reply(commit_row(commit), lines)


def _corrected(path: str, recipe: str | None, schema: TableSchema) -> pa.Table:
    """Read corrected rows; what the contract lacks is left out, such as the flags of `quarantine read`."""
    import dataclasses

    import pyarrow as pa

    from lakehouse.errors import SourceError
    from lakehouse.ingest.sources import FileSource, Recipe
    from lakehouse.times import Interval

    source = FileSource(path, dataclasses.replace(Recipe.load(recipe), extra="ignore"))
    chunks = source.chunks(schema, None, Interval())
    if not chunks:
        raise SourceError(f"{path} has no rows.")
    return pa.concat_tables([source.read(chunk, schema) for chunk in chunks], promote_options="permissive")
