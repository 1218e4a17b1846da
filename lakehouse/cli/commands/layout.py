"""layout advise, change: how the rows of a product lie on disk, where they would lie better, and the move."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lakehouse.cli.commands.maintenance import add_apply, last_line
from lakehouse.cli.locate import open_lake
from lakehouse.cli.numbers import count

if TYPE_CHECKING:
    from lakehouse.cli.density import Advice
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Block, Reply
    from lakehouse.maintenance.layout_trial import LayoutTrial

_NOTES = """\
The days with rows are counted in the time column itself, and sizes are those of the live files. Then
a sample of the newest rows is written in each layout to a temporary folder, and read back: times are
for decoding with parsed footers and no cache, so compare them with each other. Nothing is changed;
`layout change` does that. --quick leaves the trial out."""
_CHANGE_NOTES = """\
Every row of the newest version is written anew, in one commit that also says the new layout; that they
are the same rows is proven before it. Old versions, snapshots and locks keep the old files."""
_COLUMNS = (
    "layout",
    "files",
    "bytes_per_row",
    "symbol_ms",
    "symbol_day_ms",
    "day_ms",
    "scan_ms",
    "write_ms",
)


def add_commands(commands: Commands) -> None:
    """Add `layout advise` and `layout change`."""
    group = commands.add_group(
        "layout",
        "explain how the rows lie on disk, and change it",
        group="care",
        examples=("layout advise PRODUCT", "layout change PRODUCT date=week --apply"),
    )
    parser = group.add(
        "advise",
        advise,
        "measure the layout of a product against the ones that its density suggests",
        notes=_NOTES,
        examples=("layout advise market_data.bars_1d", "layout advise market_data.trades --quick --json"),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument("--quick", action="store_true", help="count only: write and time no sample")
    parser.add_argument(
        "--rows", type=count, metavar="N", help="rows of the sample (default: 2000000)", default=None
    )
    parser.add_argument(
        "--layout", action="append", default=[], metavar="LAYOUT", help="try this one too; may be repeated"
    )
    parser = group.add(
        "change",
        change,
        "write the rows of a product anew in another layout",
        notes=_CHANGE_NOTES,
        examples=(
            "layout change market_data.bars_1m date=week,symbol=row_groups",
            "layout change market_data.bars_1m date=week,symbol=row_groups --apply",
        ),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument("layout", metavar="LAYOUT", help="such as date=week,symbol=row_groups")
    add_apply(parser)
    parser.add_argument("--message", default="", help="why, for the commit's record")


def advise(options: argparse.Namespace) -> Reply:
    """Compare layouts."""
    import dataclasses

    from lakehouse.cli.density import advise_layout
    from lakehouse.cli.reply import Reply

    state = open_lake(options)[options.product].state()
    advice = advise_layout(state)
    if advice.rows == 0:
        return Reply(advice, [f"{advice.product} has no rows yet: the first write chooses its layout."])
    trial = None if options.quick or state.schema.time is None else _try(state, options)
    document = {**dataclasses.asdict(advice), "trial": None if trial is None else dataclasses.asdict(trial)}
    measured = [] if trial is None else _measured(trial)
    return Reply(document, [*_counted(advice), *measured, *advice.reasons])


def change(options: argparse.Namespace) -> Reply:
    """Write the rows anew."""
    import dataclasses

    from lakehouse.cli.reply import Facts, Reply
    from lakehouse.cli.text import size_text

    report = open_lake(options).change_layout(
        options.product,
        options.layout,
        dry_run=not options.apply,
        author=options.author,
        message=options.message,
    )
    document = dataclasses.asdict(report)
    if report.same:
        return Reply(document, [f"{report.product} lies so already: {report.after}."])
    facts: dict[str, Any] = {
        "product": f"{report.product}, version {report.version}",
        "layout": f"{report.before} becomes {report.after}",
        "rows": f"{report.rows:,} to write anew",
        "files before": f"{report.files:,} ({size_text(report.size)})",
    }
    if report.files_after is not None and report.size_after is not None:
        facts["files after"] = f"{report.files_after:,} ({size_text(report.size_after)})"
    facts["version made"] = report.commit
    return Reply(document, [Facts(facts), *last_line(options)])


def _try(state: Any, options: argparse.Namespace) -> LayoutTrial:
    from typing import get_args

    from lakehouse.maintenance.layout_trial import SAMPLE_ROWS, try_layouts
    from lakehouse.partitions.layout import DatePeriod, Layout

    given = [Layout.parse(text) for text in options.layout]
    layouts = [state.layout, *(Layout(period) for period in get_args(DatePeriod)), *given]
    return try_layouts(state, list(dict.fromkeys(layouts)), rows=options.rows or SAMPLE_ROWS)


def _counted(advice: Advice) -> list[Block]:
    from lakehouse.cli.reply import Facts, Grid
    from lakehouse.cli.text import size_text

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
    return [Facts(facts), *([grid] if rows else [])]


def _measured(trial: LayoutTrial) -> list[Block]:
    from lakehouse.cli.reply import Grid

    rows = [{name: getattr(each, name) for name in _COLUMNS} for each in trial.measured]
    title = (
        f"A sample of {trial.rows:,} rows, {trial.symbols:,} symbols, {trial.days:,} days, written and read "
        "(the first is the present layout):"
    )
    tenths = dict.fromkeys(_COLUMNS[2:], "{:.1f}".format)
    left_out = [f"Not tried, for they make too many files of the sample: {', '.join(trial.left_out)}."]
    return [Grid(rows, _COLUMNS, title, tenths), *(left_out if trial.left_out else [])]


def _sizes(sizes: dict[str, int]) -> str:
    from lakehouse.cli.text import size_text

    return ", ".join(f"{name} {size_text(size)}" for name, size in sizes.items())
