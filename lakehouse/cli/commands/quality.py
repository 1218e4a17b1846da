"""quality: how good the rows of a product are, or of all."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import open_lake
from lakehouse.cli.numbers import count, share

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.ingest.quality import QualityReport
    from lakehouse.lake import Lake

_NOTES = """\
The score is the share of rows that break no rule of the contract: 1 - failed / (stored + refused). A
row counts once, however many rules it breaks. Refused rows lie in quarantine, and were not replayed.
Each measurement is appended to the product quality.scores, unless --no-record is given.

With --fail-below the exit code is 1 where the score is lower, where there is no row to judge, and where
the newest row is older than the contract's freshness allows. Of all products, those without rows pass."""
_ALL = ("product", "version", "score", "stored", "refused", "failed", "newest", "late")
_SCORES = "quality.scores"
_RULES = ("rule", "level", "stored", "refused")
_WORST = ("symbol", "period", "stored", "refused", "failed", "score")


def add_commands(commands: Commands) -> None:
    """Add `quality`."""
    parser = commands.add(
        "quality",
        quality,
        "judge the rows of a product, or of all, by their rules, and score them",
        group="care",
        notes=_NOTES,
        examples=(
            "quality --fail-below 0.999",
            "quality market_data.bars_1d",
            "quality market_data.trades --last 24h --fail-below 0.99",
            "quality market_data.bars_1d --symbols IBM AAPL --start 2024-01-01 --json",
        ),
    )
    parser.add_argument("product", nargs="?", metavar="PRODUCT", help="by default all, one line each")
    parser.add_argument("--last", metavar="SPAN", help="the range that ends now, such as 24h or 5d")
    parser.add_argument("--start", metavar="TIME", help="first instant inside; by default the beginning")
    parser.add_argument("--end", metavar="TIME", help="first instant after; by default no end")
    parser.add_argument("--symbols", nargs="+", metavar="SYMBOL", help="by default all")
    parser.add_argument(
        "--fail-below", type=share, metavar="SCORE", help="exit with 1 where the score is lower, from 0 to 1"
    )
    parser.add_argument(
        "--worst", type=count, default=5, metavar="N", help="worst partitions to show; by default 5"
    )
    parser.add_argument("--no-record", action="store_true", help="do not append it to quality.scores")
    parser.add_argument("--author", default="", help="who; by default LAKEHOUSE_AUTHOR, else user@host")


def quality(options: argparse.Namespace) -> Reply:
    """Measure a product, or all."""
    lake = open_lake(options)
    if options.product is None:
        return _every(lake, options)
    return _one(_measure(lake, options.product, options), options)


def _measure(lake: Lake, product: str, options: argparse.Namespace) -> QualityReport:
    return lake.quality(
        product,
        last=options.last,
        start=options.start,
        end=options.end,
        symbols=options.symbols,
        record=not options.no_record,
        author=options.author,
    )


def _every(lake: Lake, options: argparse.Namespace) -> Reply:
    """Measure all products but the one of the scores; those without rows fail nobody."""
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.cli.text import time_text

    reports = [_measure(lake, name, options) for name in lake.products() if name != _SCORES]
    rows = [{name: value for name, value in _facts(each).items() if name in _ALL} for each in reports]
    failing = options.fail_below is not None and any(
        each.below(options.fail_below) or each.late for each in reports
    )
    grid = Grid(rows, _ALL, formats={"score": _score, "newest": time_text})
    return Reply(rows, [grid] if rows else ["No product here yet."], exit_code=int(failing))


def _one(report: QualityReport, options: argparse.Namespace) -> Reply:
    from lakehouse.cli.reply import Facts, Grid, Reply

    worst = _worst(report, options.worst)
    rules = [{name: getattr(each, name) for name in _RULES} for each in report.failures]
    facts = _facts(report)
    blocks: list[Any] = [Facts(facts | {"score": _score(report.score)})]
    if rules:
        blocks.append(Grid(rules, _RULES, title="Rules that rows break:"))
    if worst:
        blocks.append(Grid(worst, _WORST, title="Worst partitions:", formats={"score": _score}))
    failing = options.fail_below is not None and _fails(report, options.fail_below)
    return Reply({**facts, "failures": rules, "worst": worst}, blocks, exit_code=int(failing))


def _facts(report: QualityReport) -> dict[str, Any]:
    return {
        "product": report.product,
        "version": report.version,
        "contract": report.contract_version,
        "start": report.start,
        "end": report.end,
        "symbols": report.symbols,
        "score": report.score,
        "stored": report.stored,
        "refused": report.refused,
        "failed": report.failed,
        "newest": report.newest,
        "late": report.late,
    }


def _worst(report: QualityReport, number: int) -> list[dict[str, Any]]:
    from lakehouse.cli.values import json_rows

    return json_rows(report.worst(number).to_arrow())


def _fails(report: QualityReport, minimum: float) -> bool:
    return report.score is None or report.below(minimum) or report.late


def _score(score: float | None) -> str:
    return "no rows" if score is None else f"{score:.6f}"
