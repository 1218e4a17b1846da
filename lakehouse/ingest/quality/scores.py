"""The product `quality.scores`: every measurement as rows, to be plotted and alerted on."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import polars as pl

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.domains import Domain
from lakehouse.catalog.starter import starter_files
from lakehouse.names import ProductName
from lakehouse.times import to_nanoseconds

if TYPE_CHECKING:
    from lakehouse.ingest.quality.report import QualityReport

SCORES = ProductName("quality", "scores")

_INSTANT = pl.Datetime("us", "UTC")


def scores_contract() -> tuple[Domain, Contract]:
    """Return the domain and the contract of the product, as in the starter catalog."""
    documents = {path: data.decode("utf-8") for path, data in starter_files()}
    contracts = [path for path in documents if path.startswith(f"catalog/products/{SCORES.domain}/")]
    domain = Domain.from_yaml(documents[f"catalog/domains/{SCORES.domain}.yaml"])
    return domain, Contract.from_yaml(documents[max(contracts)])


def scores_key(report: QualityReport) -> str:
    """Return the idempotency key of a measurement: the same rows under the same rules are recorded once."""
    facts = [report.product, report.version, report.contract_version, report.start, report.end]
    facts += [report.symbols, report.refused, report.failed, sorted(report.compared.items()), report.late]
    return f"quality:{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}"


def scores_of(report: QualityReport) -> pl.DataFrame:
    """Return a measurement as rows of the product: one for all, one a partition, and one a broken rule."""
    whole = pl.DataFrame(
        {
            "scope": ["product"],
            "stored": [report.stored],
            "refused": [report.refused],
            "failed": [report.failed],
            "score": pl.Series([report.score], dtype=pl.Float64),
        }
    )
    partitions = report.partitions.to_polars().with_columns(scope=pl.lit("partition"))
    rows = pl.concat([whole, partitions, _rules(report)], how="diagonal")
    return rows.with_columns(
        product=pl.lit(report.product),
        measured=_instant(report.measured),
        version=pl.lit(report.version, pl.Int64),
        contract_version=pl.lit(report.contract_version),
        start=_instant(report.start),
        end=_instant(report.end),
        symbols=pl.lit(None if report.symbols is None else ",".join(report.symbols), pl.String),
    )


def _rules(report: QualityReport) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "scope": ["rule" for _ in report.failures],
            "rule": [each.rule for each in report.failures],
            "level": [each.level for each in report.failures],
            "stored": [each.stored for each in report.failures],
            "refused": [each.refused for each in report.failures],
            "failed": [each.rows for each in report.failures],
            "score": [(report.rows - each.rows) / report.rows for each in report.failures],
        },
        schema={
            **dict.fromkeys(("scope", "rule", "level"), pl.String),
            **dict.fromkeys(("stored", "refused", "failed"), pl.Int64),
            "score": pl.Float64,
        },
    )


def _instant(text: str | None) -> pl.Expr:
    """Return an instant in whole microseconds, rounded down."""
    return pl.lit(None if text is None else to_nanoseconds(text) // 1_000, pl.Int64).cast(_INSTANT)
