"""cache: what this machine keeps of decoded columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply

_NOTES = """\
Columns that were read once lie here as they are in memory, for all processes and all lakes of this user:
the second question over the same data decodes nothing. It may be deleted at any moment. The environment
variable LAKEHOUSE_COLUMN_CACHE_SIZE bounds it: bytes, or as 4GiB, 20% of the free disk (the default); 0
turns it off. LAKEHOUSE_CACHE names another folder for all caches."""


def add_commands(commands: Commands) -> None:
    """Add `cache`."""
    parser = commands.add(
        "cache",
        cache,
        "show how much this machine keeps of decoded columns",
        group="care",
        notes=_NOTES,
        examples=("cache", "cache --clear"),
    )
    parser.add_argument("--clear", action="store_true", help="delete them")


def cache(options: argparse.Namespace) -> Reply:
    """Say where the cache is and how full, and empty it if asked."""
    from lakehouse.cli.reply import Facts, Reply
    from lakehouse.cli.text import size_text
    from lakehouse.partitions.columns import VARIABLE, column_cache

    columns = column_cache()
    if columns is None:
        return Reply({"on": False}, [f"The column cache is off: {VARIABLE} is 0."])
    before = columns.size
    if options.clear:
        columns.clear()
    document: dict[str, Any] = {
        "on": True,
        "folder": str(columns.folder),
        "size": columns.size,
        "limit": columns.limit,
        "deleted": before - columns.size if options.clear else 0,
    }
    facts = {
        "folder": document["folder"],
        "size": size_text(document["size"]),
        "limit": size_text(document["limit"]),
        "deleted": size_text(document["deleted"]) if options.clear else None,
    }
    return Reply(document, [Facts(facts)])
