"""layout advise: how the rows of a product lie on disk, and how they would lie better."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import open_lake

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply

_NOTES = """\
The days with rows are counted in the time column itself, and sizes are those of the live files. A
layout is chosen by the first write, and stays: another one needs a new product, or a new major
version of the contract with `layout:`."""


def add_commands(commands: Commands) -> None:
    """Add `layout advise`."""
    group = commands.add_group(
        "layout", "explain how the rows lie on disk", group="care", examples=("layout advise PRODUCT",)
    )
    parser = group.add(
        "advise",
        advise,
        "compare the layout of a product with the ones that its density suggests",
        notes=_NOTES,
        examples=("layout advise market_data.bars_1d", "layout advise market_data.trades --json"),
    )
    parser.add_argument("product", metavar="PRODUCT")


def advise(options: argparse.Namespace) -> Reply:
    """Compare layouts."""
    from lakehouse.cli.density import advise_layout
    from lakehouse.cli.reply import Facts, Grid, Reply
    from lakehouse.cli.text import size_text

    advice = advise_layout(open_lake(options)[options.product].state())
    if advice.rows == 0:
        return Reply(advice, [f"{advice.product} has no rows yet: the first write chooses its layout."])
    facts: dict[str, Any] = {
        "product": f"{advice.product}, version {advice.version}",
        "layout": advice.layout,
        "files": f"{advice.files:,}: {_sizes(advice.file_size)}",
        "rows": f"{advice.rows:,}, {advice.rows / advice.files:,.0f} a file",
        "days": f"{advice.days:,} with rows, {advice.rows_per_day:,.0f} rows a day" if advice.days else None,
        "stored": f"{size_text(advice.size)}, {advice.bytes_per_row:.1f} bytes a row",
        "rule": f"assumes {advice.assumed_bytes_per_row:.1f} bytes a row",
    }
    columns = ("layout", "files", "mean_size", "rows_per_file", "judgement", "recommended")
    rows = [{name: getattr(option, name) for name in columns} for option in advice.options]
    grid = Grid(rows, columns, "With one file for each period that has rows:", {"mean_size": size_text})
    return Reply(advice, [Facts(facts), *([grid] if rows else []), *advice.reasons])


def _sizes(sizes: dict[str, int]) -> str:
    from lakehouse.cli.text import size_text

    return ", ".join(f"{name} {size_text(size)}" for name, size in sizes.items())
