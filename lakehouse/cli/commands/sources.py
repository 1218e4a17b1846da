"""sources: where a backfill can read from, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.ingest.sources import InstalledSource

_NOTES = """\
A source is named in a backfill as NAME:LOCATION; a path or URL alone is read as files. A distribution adds
a source by an entry point of the group `lakehouse.sources`. A recipe says how the columns of files become
those of a product, and is given by --recipe."""


def add_commands(commands: Commands) -> None:
    """Add `sources`."""
    commands.add(
        "sources",
        sources,
        "list the sources and recipes that are installed",
        group="write",
        notes=_NOTES,
        examples=("sources", "sources --json", "backfill market_data.bars_1d lean:data/equity/usa/daily"),
    )


def sources(options: argparse.Namespace) -> Reply:
    """List every source with who brings it, and the shipped recipes."""
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.ingest.sources import installed, shipped_recipes

    rows = [_row(source) for source in installed()]
    broken = any(row["error"] for row in rows)
    columns = ("name", "brings", "by") if not broken else ("name", "brings", "by", "error")
    recipes = f"recipes: {', '.join(shipped_recipes())}"
    document = {"sources": rows, "recipes": list(shipped_recipes())}
    return Reply(document, [Grid(rows, columns), recipes], exit_code=1 if broken else 0)


def _row(source: InstalledSource) -> dict[str, Any]:
    from lakehouse.errors import ArgumentError

    row: dict[str, Any] = {
        "name": source.name,
        "brings": "",
        "by": source.distribution,
        "target": source.target,
    }
    try:
        row["brings"] = (source.load().__doc__ or "").strip().partition("\n")[0]
    except ArgumentError as error:
        return {**row, "error": error.message}
    return {**row, "error": None}
