"""The story of the demo, step by step: agree, load, look at what was refused, ask, pin; then the proof."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.demo.data import Input
from lakehouse.demo.defects import BROKEN_SYMBOL, write_broken_rows
from lakehouse.demo.folder import DemoFolder
from lakehouse.demo.proof import prove
from lakehouse.demo.refused import refused_table
from lakehouse.demo.report import Report, percent, show
from lakehouse.errors import SourceError
from lakehouse.ingest.sources import FileSource
from lakehouse.lake import Lake
from lakehouse.opening import open_lake

if TYPE_CHECKING:
    from lakehouse.ingest.backfill import BackfillReport

SNAPSHOT = "backtest-1"
_MOST_SHOWN = 8
_QUESTION = """\
with daily as (
    select symbol, {time}, {price} / lag({price}) over (partition by symbol order by {time}) - 1 as change
    from {product}
)
select symbol, count(*) as bars,
       min(change) as worst, arg_min({time}, change) as worst_{time},
       max(change) as best, arg_max({time}, change) as best_{time}
from daily group by symbol order by symbol
"""


@dataclass(frozen=True)
class _Story:
    """What every step needs."""

    given: Input
    """what is loaded"""
    folder: DemoFolder
    """where everything is written"""
    report: Report
    """where everything is told"""
    lake: Lake
    """the fresh lake"""


def tell(given: Input, folder: DemoFolder, report: Report) -> bool:
    """Run the whole story in a fresh lake; return whether every promise was kept.

    Raises:
        LakehouseError: the input can not be used.
    """
    started = time.perf_counter()
    report.title("lakehouse demo", f"Input: {given.title}. Output: {folder.root}")
    story = _Story(given, folder, report, open_lake(folder.lake, create=True))
    _agree(story)
    _show_quarantine(story, _load(story))
    _ask(story)
    _pin(story)
    kept = prove(story.lake, given, folder, report)
    report.say(f"\nDone in {time.perf_counter() - started:.1f} s. Look around: lake ls --lake {folder.lake}")
    return kept


def _agree(story: _Story) -> None:
    """Publish each version of the contract."""
    story.report.step("A contract says what good rows are")
    older = None
    for contract in story.given.contracts:
        story.lake.apply(contract)
        text = f"{contract.name} {contract.version}: {len(contract.schema.columns)} columns"
        if older is None:
            rules = ", ".join(rule.name for rule in contract.rules)
            text += f", key ({', '.join(contract.schema.key)}), rules {rules}"
        else:
            text += f"; {'; '.join(older.diff(contract).reasons)}"
        story.report.say(text)
        older = contract


def _load(story: _Story) -> BackfillReport:
    """Backfill, twice.

    Raises:
        SourceError: no row is good.
    """
    story.report.step("Backfill: each file exactly once")
    name, source = str(story.given.contract.name), FileSource(story.given.path, story.given.recipe)
    with story.report.progress("loading") as advance:
        done = story.lake.backfill(name, source, progress=advance, message="the history")
    story.report.say(
        f"{done.rows_in:,} rows in = {done.accepted:,} accepted + {done.quarantined:,} quarantined + "
        f"{done.duplicates:,} duplicates, in {done.seconds:.2f} s"
    )
    for failure in done.failures[:_MOST_SHOWN]:
        story.report.say(f"not loaded: {', '.join(failure.files)}: {failure.error}")
    if not done.rows:
        raise SourceError(f"No row of {story.given.path} is good.", hint="The report above says why.")
    story.report.say(f"digest of the product: {done.digest}")
    for rule, count in done.warnings.items():
        why = next(each.description for each in story.given.contract.rules if each.name == rule)
        story.report.say(f"{count} rows landed with the warning {rule}. {why}")
    again = story.lake.backfill(name, source)
    text = (
        f"The same backfill again: {again.skipped} of {again.chunks} chunks skipped, {again.rows_in} rows in."
    )
    story.report.say(text)
    return done


def _show_quarantine(story: _Story, loaded: BackfillReport) -> None:
    """Show the rows that were refused; where none was, load some that are wrong on purpose."""
    story.report.step("Quarantine: nothing bad lands, nothing is lost")
    product = story.lake[story.given.contract.name]
    if not loaded.quarantined:
        file = story.folder.broken_rows
        made = write_broken_rows(file, product.head(1).to_polars(), story.given.contract)
        story.report.say(
            f"These data have no defects. So the demo made {file.name}, with {made} rows of the symbol "
            f"{BROKEN_SYMBOL} that are broken on purpose."
        )
        done = story.lake.backfill(str(product.name), file, message="rows that are broken on purpose")
        text = f"{done.rows_in} rows in = {done.accepted} accepted + {done.quarantined} quarantined"
        story.report.say(text)
    refused = product.quarantine.read().to_polars()
    story.report.table(*refused_table(refused.head(_MOST_SHOWN).to_dicts(), story.given.contract))
    if len(refused) > _MOST_SHOWN:
        story.report.say(f"… and {len(refused) - _MOST_SHOWN} more")


def _ask(story: _Story) -> None:
    """Answer a question in SQL."""
    story.report.step("A question in SQL: the worst and the best bar of each symbol")
    moment = story.given.time
    text = _QUESTION.format(product=story.given.contract.name, time=moment, price=story.given.price)
    story.report.code(text)
    rows = [
        [
            *(row["symbol"], f"{row['bars']:,}"),
            *(percent(row["worst"]), show(row[f"worst_{moment}"])),
            *(percent(row["best"]), show(row[f"best_{moment}"])),
        ]
        for row in story.lake.sql(text).to_polars().head(_MOST_SHOWN).to_dicts()
    ]
    story.report.table(["symbol", "bars", "worst", "on", "best", "on"], rows)


def _pin(story: _Story) -> None:
    """Name the present version, and write the lock of it."""
    story.report.step("A snapshot, and a lock file for the backtest")
    reason = "what the backtest saw"
    story.lake.snapshot(SNAPSHOT, [str(story.given.contract.name)], message=reason)
    pinned = story.lake.lock(story.folder.lock, SNAPSHOT, message=reason).products[0]
    story.report.say(
        f"{story.folder.lock.name} pins {pinned.name} at version {pinned.version}: {pinned.rows:,} rows, "
        f"digest {pinned.digest}"
    )
