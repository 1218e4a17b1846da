"""seal: versions of what streams left whose process died."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lakehouse.cli.locate import open_lake

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply

_NOTES = """\
A stream seals its own rows by size and time, and when it is closed. Where its process died, its rows
stay in the log beside the table, visible to readers; the next stream of the product makes a version of
them, and so does this command. It leaves streams alone that live, and says what of a log was torn or
damaged. Rows of a lake in a bucket lie on the machine that streamed them: run it there."""


def add_commands(commands: Commands) -> None:
    """Add `seal`."""
    parser = commands.add(
        "seal",
        seal,
        "make versions of what dead streams left",
        group="care",
        notes=_NOTES,
        examples=("seal", "seal market_data.trades"),
    )
    parser.add_argument("product", metavar="PRODUCT", nargs="?", help="by default all")


def seal(options: argparse.Namespace) -> Reply:
    """Seal what dead writers left; exit code 1 where acknowledged rows could not be read."""
    from lakehouse.cli.reply import Grid, Reply

    found = open_lake(options).seal(options.product)
    rows = [
        {
            "product": each.product,
            "writer": each.writer,
            "rows": each.rows,
            "version": None if each.commit is None else each.commit.version,
            "quarantined": 0 if each.commit is None else each.commit.quarantined,
            "torn": sum(cut.is_torn for cut in each.cut),
            "damaged": sum(not cut.is_torn for cut in each.cut),
        }
        for each in found
    ]
    cuts = [
        {"file": cut.file, "offset": cut.offset, "bytes": cut.length, "torn": cut.is_torn}
        for each in found
        for cut in each.cut
    ]
    if not rows:
        return Reply({"sealed": [], "cut": []}, ["No stream that died left rows."])
    grids = [Grid(rows, tuple(rows[0]))]
    if cuts:
        grids.append(Grid(cuts, tuple(cuts[0]), "What could not be read:"))
    damaged = any(not cut["torn"] for cut in cuts)
    return Reply({"sealed": rows, "cut": cuts}, grids, exit_code=1 if damaged else 0)
