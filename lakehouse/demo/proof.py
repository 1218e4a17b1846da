"""The proof: a backtest on the checkout, a correction of the head, and the same backtest on both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse.catalog.locks import read_lock
from lakehouse.demo.backtest import Backtest, Rule, run_backtest
from lakehouse.demo.chart import draw_chart
from lakehouse.demo.correction import FACTOR, Correction, restate
from lakehouse.demo.data import SYMBOL, Input
from lakehouse.demo.folder import DemoFolder
from lakehouse.demo.report import Report, number, percent, show
from lakehouse.lake import Lake
from lakehouse.opening import checkout
from lakehouse.product import Product, ReadableProduct

_MOST_SYMBOLS = 20


@dataclass(frozen=True)
class _Strategy:
    """What is tested; the data come from whoever runs it."""

    rule: Rule
    """when to hold a symbol"""
    symbols: tuple[str, ...]
    """which ones"""
    price: str
    """column of the prices"""

    @classmethod
    def fitting(cls, product: ReadableProduct, price: str) -> _Strategy:
        """Choose the symbols with the longest history, and a rule that fits it."""
        found = product.symbols().to_polars().sort("rows", descending=True).head(_MOST_SYMBOLS)
        return cls(Rule.fitting(int(found["rows"][0])), tuple(sorted(found[SYMBOL].to_list())), price)

    def run(self, product: ReadableProduct) -> Backtest:
        """Trade on the prices of a head, or of a checkout."""
        return run_backtest(product.read(self.symbols).pivot(self.price, time_zone=None), self.rule)

    def __str__(self) -> str:
        """Say it in words."""
        averages = f"its {self.rule.fast}-bar mean of {self.price} is above its {self.rule.slow}-bar mean"
        shares = f"Equal shares of {len(self.symbols)} symbols"
        return f"{shares}, each held while {averages}; 5 basis points a trade."


def prove(lake: Lake, given: Input, folder: DemoFolder, report: Report) -> bool:
    """Test, correct, test again; return whether every promise was kept.

    Raises:
        ArgumentError: the history is too short for a backtest.
    """
    head = lake[given.contract.name]
    report.step("A backtest on the checkout")
    past = checkout(folder.lock)[head.name]
    strategy = _Strategy.fitting(past, given.price)
    before = strategy.run(past)
    report.say(str(strategy))
    report.table(*_performance({"checkout": before}))
    report.step("The vendor corrects the history of a symbol")
    correction = _correct(head, before, given.corrected, report)
    report.step("The head has moved; the checkout has not")
    return _compare(head, strategy, before, correction, folder, report)


def _correct(head: Product, before: Backtest, columns: tuple[str, ...], report: Report) -> Correction:
    correction = restate(head, before, columns)
    commit = head.upsert(correction.rows, source="vendor correction", message="a spin-off had been missed")
    changes = head.diff(commit.version - 1)
    report.say(
        f"Simulated: a spin-off of {correction.symbol} on {show(correction.before)} had been missed, so "
        f"{', '.join(columns)} before it is restated x {FACTOR}."
    )
    report.say(
        f"Version {commit.version}: {len(changes.changed):,} rows changed, {len(changes.added):,} added, "
        f"{len(changes.removed):,} removed."
    )
    return correction


def _compare(
    head: Product,
    strategy: _Strategy,
    before: Backtest,
    correction: Correction,
    folder: DemoFolder,
    report: Report,
) -> bool:
    """Run again on both, draw the chart, and check the promises."""
    past = checkout(folder.lock)  # from the file alone, as in another year
    pinned = past[head.name]
    after, moved = strategy.run(pinned), strategy.run(head)
    report.table(*_performance({"checkout, before": before, "checkout, after": after, "head, after": moved}))
    digest = read_lock(folder.lock).products[0].digest
    promises = {
        "the head has other rows": head.digest != digest,
        "the backtest on the head gives another result": moved.fingerprint != before.fingerprint,
        "the checkout has the digest that the lock pins": pinned.digest == digest,
        "the backtest on the checkout gives the same curve, bit for bit": (
            after.fingerprint == before.fingerprint
        ),
        "every byte that the lock pins is as recorded": past.verify().ok,
        "rows in = accepted + quarantined + duplicates, in each commit": all(
            commit.rows_in == commit.accepted + commit.quarantined + commit.duplicates
            for commit in head.history()
        ),
    }
    report.verdicts(promises)
    title = f"One backtest on two states of {head.name}: {strategy.rule.fast}/{strategy.rule.slow}-bar trend"
    draw_chart(folder.chart, after, moved, correction, title=title)
    report.say(f"chart: {folder.chart}")
    return all(promises.values())


def _performance(runs: Mapping[str, Backtest]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the cells of a table of results."""
    header = ["run on", "total return", "a year", "Sharpe ratio", "worst loss", "hash of the curve"]
    rows = [
        [
            *(name, percent(run.total_return), percent(run.growth)),
            *(number(run.sharpe), percent(run.drawdown), run.fingerprint[:12]),
        ]
        for name, run in runs.items()
    ]
    return header, rows
