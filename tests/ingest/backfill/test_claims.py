"""Claims share a plan between coordinators, and end with the process that holds them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lakehouse
from lakehouse.catalog.claims import lease_path
from lakehouse.catalog.documents import to_json
from lakehouse.catalog.process import Process
from lakehouse.catalog.session import session_of
from lakehouse.ingest.backfill import claims as claims_module
from lakehouse.ingest.backfill.claims import Claims

NAME = "market_data.bars_1d"
PLAN = "0" * 32
Vendor = Callable[..., Path]
Serial = Callable[[Path], str]


def claims_of(lake: lakehouse.Lake) -> Claims:
    return Claims(lake.store, PLAN, lake[NAME].table.path)


def test_a_slice_is_taken_once_until_it_is_given_back(lake: lakehouse.Lake) -> None:
    first, second = claims_of(lake), claims_of(lakehouse.open(lake.url))
    assert first.take(3)
    assert not second.take(3)
    assert second.take(4)
    assert first.held() == {3, 4}
    first.give_back(3)
    assert second.take(3)


def test_the_claim_of_a_dead_process_is_taken_over(lake: lakehouse.Lake) -> None:
    code = (
        "import os, sys, lakehouse; from lakehouse.ingest.backfill.claims import Claims;"
        "lake = lakehouse.open(sys.argv[1]);"
        f"assert Claims(lake.store, '{PLAN}', lake['{NAME}'].table.path).take(0); os._exit(9)"
    )
    root = Path(lakehouse.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code, lake.url], cwd=root, check=False).returncode == 9
    mine = claims_of(lake)
    assert mine.held() == set()
    assert mine.take(0)
    mine.give_back(0)
    assert list(lake.store.list("catalog/backfills")) == []


def test_a_claim_that_this_process_dropped_is_taken_over(
    lake: lakehouse.Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert claims_of(lake).take(0)
    monkeypatch.setattr(claims_module, "_held", set())
    assert claims_of(lake).take(0)


@pytest.fixture
def stranger(lake: lakehouse.Lake) -> Callable[[str], None]:
    """Give what puts the claim of a session of another machine."""
    process = Process("elsewhere", 1, "1", "elsewhere")
    assert not process.is_gone

    def put(session: str) -> None:
        document = {"session": session, "process": dataclasses.asdict(process)}
        lake.store.put_if_absent(f"catalog/backfills/{PLAN}/claims/0.1.json", to_json(document))

    return put


def test_a_claim_without_a_lease_is_taken_over(lake: lakehouse.Lake, stranger: Callable[[str], None]) -> None:
    stranger("f" * 32)
    assert claims_of(lake).take(0)


def test_a_claim_whose_lease_is_not_renewed_is_taken_over(
    lake: lakehouse.Lake, stranger: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake[NAME].state()
    session = session_of(lake.store).intend(lake[NAME].table.path)
    stranger(session)
    assert lake.store.size(lease_path(session, 1)) is not None
    now = 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    mine = claims_of(lake)
    assert not mine.take(0)
    now += 890
    assert not mine.take(0)
    now += 20
    assert mine.take(0)


def test_two_coordinators_share_the_work(lake: lakehouse.Lake, vendor: Vendor, serial: Serial) -> None:
    folder = vendor(10)
    lakes = [lake, lakehouse.open(lake.url)]
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda each: each.backfill(NAME, folder, commit_bytes=1), lakes))
    assert [report.committed + report.skipped for report in reports] == [10, 10]
    assert sum(report.committed for report in reports) == 10
    assert sum(report.accepted for report in reports) == 40
    assert sum(report.duplicates for report in reports) == 0
    assert {(report.rows, report.digest) for report in reports} == {(40, lake[NAME].digest)}
    assert lake[NAME].digest == serial(folder)
    assert not [entry for entry in lake.store.list("catalog/backfills") if "/claims/" in entry.path]
