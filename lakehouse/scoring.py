"""Quality scores of an open lake: measure, record, and refuse what is not good enough."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.domains import domain_names, publish_domain
from lakehouse.catalog.durations import parse_span
from lakehouse.errors import ArgumentError, NotFoundError, QualityError
from lakehouse.pinning import make_snapshot
from lakehouse.times import Interval
from lakehouse.upkeep import Upkeep
from lakehouse.writing import interval_of, symbols_of

if TYPE_CHECKING:
    from lakehouse.catalog.pinned import Snapshot
    from lakehouse.ingest.quality import QualityReport
    from lakehouse.partitions.state import TableState
    from lakehouse.product import Product
    from lakehouse.writing import Symbols

_NAMED = 3
"""products, and partitions of each, that an error names"""


class Scoring(Upkeep):
    """Quality: the rules of contracts over the rows that are there, and snapshots that demand it."""

    def snapshot(
        self,
        name: str,
        products: Sequence[str] | Mapping[str, int] | None = None,
        *,
        minimum_quality: float | None = None,
        author: str = "",
        message: str = "",
    ) -> Snapshot:
        """Name the present versions of several products, in one atomic step, for ever.

        Args:
            name: letters, digits, '-', '_' and '.'.
            products: names; or names and versions; None for all.
            minimum_quality: lowest score, from 0 to 1, that each of these versions must have over all its
                rows (see `quality`); None measures nothing.
            author: who; empty for user@host.
            message: why.

        Raises:
            AlreadyExistsError: the name is taken.
            NotFoundError: a product or version does not exist.
            QualityError: a version scores below the minimum; nothing was published.
        """
        check = None if minimum_quality is None else partial(check_quality, self, minimum_quality)
        return make_snapshot(self, name, products, check=check, author=author, message=message)

    def quality(
        self,
        name: str,
        *,
        last: str | None = None,
        start: Any = None,
        end: Any = None,
        symbols: str | Sequence[str] | None = None,
        record: bool = True,
        author: str = "",
    ) -> QualityReport:
        """Judge the rows of a product by the rules of its contract, and say how good they are as one score.

        The score is the share of rows that break no rule, quarantined rows that were not replayed included.
        Rules that follow a symbol through time see the rows before `start` too. Each measurement is appended
        to the product `quality.scores`, an equal one once.

        Args:
            name: of the product; its newest version is measured.
            last: a span that ends now, such as "24h" or "5d", instead of `start` and `end`.
            start: first instant inside; None for the beginning.
            end: first instant after; None for no end.
            symbols: one, several, or None for all.
            record: append the measurement to `quality.scores`.
            author: who measures, for that record; empty for user@host.

        Raises:
            NotFoundError: there is no such product or symbol.
            ArgumentError: `last` comes with `start` or `end`, or can not be read.
            ContractError: a rule compares with a product that there is not.
            IntegrityError: a data or quarantine file is missing or altered.

        Examples:
            >>> import lakehouse, polars, tempfile
            >>> from lakehouse import Rule
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> rates = polars.DataFrame({"symbol": ["EURUSD", "USDJPY"], "rate": [1.1, -150.0]})
            >>> product = lake.create("fx.spot", like=rates, rules=[Rule("real", "positive", ("rate",))])
            >>> commit = product.append(rates)
            >>> lake.quality("fx.spot").score
            0.5
        """
        return measure_product(
            self, name, last=last, start=start, end=end, symbols=symbols, record=record, author=author
        )


def measure_product(
    lake: Upkeep,
    name: str,
    *,
    last: str | None,
    start: Any,
    end: Any,
    symbols: Symbols,
    record: bool,
    author: str,
) -> QualityReport:
    """Measure the newest version of a product, and record it; see `Lake.quality`."""
    from lakehouse.ingest.quality import measure

    product, now_ns = lake[name], time.time_ns()
    state = product.state()
    if last is not None and (start is not None or end is not None):
        raise ArgumentError("Give `last`, or `start` and `end`, not both.", hint="last='24h' ends now.")
    interval = interval_of(state, start, end)
    if last is not None:
        interval = interval_of(state, now_ns - parse_span(last, of="last"), None)
    report = measure(
        product.table,
        state,
        product.contract,
        symbols=symbols_of(state, symbols),
        interval=interval,
        now_ns=now_ns,
    )
    if record:
        record_scores(lake, report, author=author)
    return report


def record_scores(lake: Upkeep, report: QualityReport, *, author: str) -> None:
    """Append a measurement to `quality.scores`, which is made on first use; an equal one is recorded once."""
    from lakehouse.ingest.quality.scores import scores_key, scores_of

    _scores(lake).append(
        scores_of(report),
        idempotency_key=scores_key(report),
        author=author,
        source=f"{report.product} version {report.version}",
    )


def check_quality(lake: Upkeep, minimum: float, states: Sequence[TableState]) -> None:
    """Raise unless every version scores at least `minimum` over all its rows; one without rows passes.

    Raises:
        ArgumentError: the minimum is no number from 0 to 1.
        QualityError: with the products and their worst partitions.
    """
    if isinstance(minimum, bool) or not isinstance(minimum, int | float) or not 0 <= minimum <= 1:
        raise ArgumentError(f"minimum_quality must be a number from 0 to 1, got {minimum!r}.")
    reports = [_measured(lake, state) for state in states]
    poor = sorted((each for each in reports if each.below(minimum)), key=lambda each: each.score or 0.0)
    if not poor:
        return
    raise QualityError(
        f"{len(poor)} of {len(reports)} products score below {minimum}: "
        f"{'; '.join(_described(each) for each in poor[:_NAMED])}.",
        hint="See lake.quality(name).worst(), and correct the rows: quarantine.correct, update or upsert.",
    )


def _measured(lake: Upkeep, state: TableState) -> QualityReport:
    from lakehouse.ingest.quality import measure

    product = lake[state.name]
    return measure(
        product.table,
        state,
        product.contract,
        symbols=None,
        interval=Interval(),
        now_ns=time.time_ns(),
    )


def _described(report: QualityReport) -> str:
    rules = ", ".join(f"{each.rule}: {each.rows}" for each in report.failures[:_NAMED])
    worst = report.worst(_NAMED).to_polars()
    places = ", ".join(
        f"{symbol or '?'} {period or 'all days'} ({score:.4f})"
        for symbol, period, score in worst.select("symbol", "period", "score").iter_rows()
    )
    return f"{report.product} version {report.version} scores {report.score:.6f} ({rules}; worst: {places})"


def _scores(lake: Upkeep) -> Product:
    """Return the product of scores, which is made on first use."""
    from lakehouse.ingest.contracts import apply_contract
    from lakehouse.ingest.quality.scores import SCORES, scores_contract

    try:
        return lake[SCORES]
    except NotFoundError:
        domain, contract = scores_contract()
        if domain.name not in domain_names(lake.store):
            publish_domain(lake.store, domain)
        apply_contract(lake.store, contract)
        return lake[SCORES]
