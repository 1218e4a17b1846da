"""Retention takes out rows older than a cutoff, whole files without reading them, and never a pinned one."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.catalog.contract import Contract
from lakehouse.catalog.domains import Domain
from lakehouse.catalog.session import session_of
from lakehouse.errors import ArgumentError, ContractError, IntegrityError
from lakehouse.maintenance import retain as retention
from lakehouse.names import ProductName
from lakehouse.schema import Column, TableSchema
from lakehouse.times import NS_PER_DAY

NAME = "market_data.ticks"
APPENDS = [[("A", 0, 1), ("B", 9, 2)], [("A", 35, 3)], [("A", 70, 4), ("A", 71, 5)]]
"""January, February, and two days of March 1970."""

Make = Callable[..., lakehouse.Product]


def prices(product: lakehouse.Product) -> list[float]:
    found: list[float] = product.read().to_polars()["price"].to_list()
    return found


def test_a_dry_run_says_what_would_go_and_does_nothing(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    report = lake.retain(NAME, before="1970-03-13")

    assert (report.rows, report.rows_left, report.files_dropped, report.files_rewritten) == (4, 1, 2, 1)
    assert (report.first, report.last) == ("1970-01-01T00:00:00Z", "1970-03-12T00:00:00Z")
    assert (report.commit, made.version, len(prices(made))) == (None, 3, 5)
    assert "4 rows go, 1 stay" in repr(report)


def test_rows_at_the_cutoff_stay(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    report = lake.retain(NAME, before="1970-03-13", dry_run=False, author="ann", message="policy")
    commit = made.history()[0]

    assert report.commit == commit.version == 4
    assert prices(made) == [5.0]
    assert (commit.operation, commit.removed, commit.author, commit.message) == ("retain", 4, "ann", "policy")
    assert made.verify().ok
    assert lake.retain(NAME, before="1970-03-13", dry_run=False).commit is None


def test_one_nanosecond_makes_the_difference(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    assert lake.retain(NAME, before=70 * NS_PER_DAY).rows == 3
    assert lake.retain(NAME, before=70 * NS_PER_DAY + 1).rows == 4
    lake.retain(NAME, before=70 * NS_PER_DAY, dry_run=False)
    assert prices(made) == [4.0, 5.0]


def test_files_that_are_older_as_a_whole_are_not_read(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    old = [Path(lake.url, file.path) for file in made.state().files if (file.max_time or 0) < 40 * NS_PER_DAY]
    for path in old:
        path.write_bytes(b"torn")
    report = lake.retain(NAME, before="1970-03-01", dry_run=False)

    assert (report.files_dropped, report.files_rewritten, len(old)) == (2, 0, 2)
    assert prices(made) == [4.0, 5.0]
    assert all(path.exists() for path in old)


def test_what_is_pinned_stays_and_is_named(
    lake: lakehouse.Lake, product: Make, ticks: Any, tmp_path: Path
) -> None:
    made = product(*APPENDS[:1])
    lake.snapshot("jan", author="ann")
    for rows in APPENDS[1:]:
        made.append(ticks(rows))
    pin = lake.lock(tmp_path / "all.lock", author="bob").pin
    report = lake.retain(NAME, before="1971-01-01", dry_run=False)

    held = {held.holder.name: (held.holder.kind, held.holder.author, held.files) for held in report.held}
    assert held == {"jan": ("snapshot", "ann", 1), pin: ("lock", "bob", 3)}
    assert "1 of them stay on disk for snapshot jan (ann)" in repr(report)
    assert prices(made) == []
    assert lake.checkout("jan").verify().ok
    assert lakehouse.checkout(tmp_path / "all.lock").verify().ok


def test_who_holds_other_files_is_not_named(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    lake.snapshot("new", {NAME: 0})
    assert lake.retain(NAME, before="1970-02-01").held == ()
    assert made.version == 3


def test_a_span_counts_back_from_now(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    product(*APPENDS)
    monkeypatch.setattr(time, "time_ns", lambda: 71 * NS_PER_DAY)
    report = lake.retain(NAME, "36d")

    assert (report.cutoff, report.rows, report.policy) == ("1970-02-05T00:00:00Z", 2, "keep 36d")


def test_a_clock_that_jumped_does_not_empty_a_product(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(*APPENDS)
    monkeypatch.setattr(time, "time_ns", lambda: (72 + 40) * NS_PER_DAY)
    for dry_run in (True, False):
        with pytest.raises(ArgumentError, match="would take out all 5 rows"):
            lake.retain(NAME, "30d", dry_run=dry_run)
    assert made.version == 3


def test_a_clock_that_jumped_is_noticed_on_the_version_that_is_committed(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer takes out what was to stay, after the first look."""
    made = product(*APPENDS)
    monkeypatch.setattr(time, "time_ns", lambda: 72 * NS_PER_DAY)
    other, look = lakehouse.open(lake.url)[NAME], retention._look

    def then_delete(*args: Any, **options: Any) -> Any:
        report = look(*args, **options)
        other.delete("A", "1970-02-01")
        return report

    monkeypatch.setattr(retention, "_look", then_delete)
    with pytest.raises(ArgumentError, match="would take out all 2 rows"):
        lake.retain(NAME, "10d", dry_run=False)
    assert prices(made) == [1.0, 2.0]


def test_an_instant_that_was_named_may_empty_a_product(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    assert lake.retain(NAME, before="2000-01-01", dry_run=False).rows == 5
    assert (made.rows, made.digest) == (0, "0" * 32)


def test_the_contract_counts_before_the_domain(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 72 * NS_PER_DAY)
    made = product(*APPENDS)
    with pytest.raises(ArgumentError, match=r"Neither the contract of market_data\.ticks nor the domain"):
        lake.retain(NAME)
    lake.add_domain(Domain("market_data", retention="40d"))
    assert lake.retain(NAME).policy == "keep 40d by the domain market_data"
    lake.apply(dataclasses.replace(made.contract, version="1.1.0", retention="36d"))
    report = lake.retain(NAME)
    assert (report.policy, report.cutoff) == ("keep 36d by the contract", "1970-02-06T00:00:00Z")


def test_a_retention_of_the_standard_is_read() -> None:
    schema = TableSchema((Column("price", "float64"),), None, None)
    contract = Contract(ProductName("a", "b"), "1.0.0", schema, retention="2y")
    assert "property: retention" in contract.to_yaml()
    assert Contract.from_yaml(contract.to_yaml().replace("unit: y", "unit: years")).retention == "2y"


def test_arguments_that_can_not_mean_anything(lake: lakehouse.Lake, product: Make) -> None:
    product(*APPENDS)
    with pytest.raises(ArgumentError, match="keep or before, not both"):
        lake.retain(NAME, "1y", before="2000-01-01")
    with pytest.raises(ContractError, match="Not a retention: 'long'"):
        lake.retain(NAME, "long")
    with pytest.raises(ArgumentError, match="as a point in time"):
        lake.retain(NAME, before="some day")


def test_a_product_without_a_time_column(lake: lakehouse.Lake, ticks: Any) -> None:
    lake.create("macro.rates", like=ticks([("A", 0, 1)]).select("price"), key=())
    with pytest.raises(ArgumentError, match="has no time column"):
        lake.retain("macro.rates", "1y")


@pytest.mark.parametrize("before", ["1970-01-01", "1960-01-01"])
def test_a_cutoff_before_the_first_row_does_nothing(lake: lakehouse.Lake, product: Make, before: str) -> None:
    made = product(*APPENDS)
    report = lake.retain(NAME, before=before, dry_run=False)
    assert (report.rows, report.first, report.held, made.version) == (0, None, (), 3)
    assert "no row is older" in repr(report)


def test_an_empty_product_has_nothing_to_take_out(lake: lakehouse.Lake, product: Make) -> None:
    made = product()
    assert lake.retain(NAME, "1d", dry_run=False).rows == 0
    assert not made.table.exists


def test_a_broken_snapshot_stops_it(lake: lakehouse.Lake, product: Make) -> None:
    """Who can not read what is pinned can not say what it holds."""
    made = product(*APPENDS)
    lake.snapshot("q1")
    path = Path(lake.url, "catalog", "snapshots", "q1.json")
    path.write_text(json.dumps({"format": 1}))
    with pytest.raises(IntegrityError, match="q1"):
        lake.retain(NAME, before="1970-02-01", dry_run=False)
    assert made.version == 3


def test_what_a_retention_reads_is_held(lake: lakehouse.Lake, product: Make) -> None:
    """Its files once could be collected while it counted their rows."""
    product(*APPENDS)
    again = lakehouse.open(lake.url)
    again.retain(NAME, before="1970-03-13")
    session_of(again.store).confirm([again[NAME].table.head()], "it")
