"""The lake does no more work than when its table of counts was last accepted; no clock is involved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.regression.instructions import count_instructions, missing, versions
from benchmarks.regression.jobs import FEW, JOBS, MANY, make_lake
from benchmarks.regression.table import HINT, count_work, load_accepted, worse


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("work") / "lake"
    make_lake(place)
    return place


def accepted(part: str) -> dict[str, Any]:
    found = load_accepted()[part]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("job", JOBS)
def test_a_job_does_no_more_work_than_accepted(job: str, lake: Path) -> None:
    found = worse(count_work(lake, job), accepted("work")[job])
    assert not found, f"{'; '.join(found)}. {HINT}"


def test_the_cost_follows_the_question_and_not_the_number_of_files(lake: Path) -> None:
    few, many = (count_work(lake, f"read of one day among {files} files") for files in (FEW, MANY))
    assert not worse(many, few), "thirty times the files, and the same question"


def test_counts_are_the_same_in_every_process(lake: Path) -> None:
    job = next(iter(JOBS))
    first = count_work(lake, job)
    assert first["cold calls"] > first["warm calls"] > 0
    again = count_work(lake, job)
    assert again.keys() == first.keys()
    assert not worse(again, first, tolerance=1.02), "locks may take a call or two more"


def test_more_work_is_noticed_beyond_the_tolerance_only() -> None:
    assert worse({"get": 115}, {"get": 100}) == []
    assert worse({"get": 116}, {"get": 100}) == ["get: 116, accepted 100"]
    assert worse({"get": 2}, {"get": 1}) == ["get: 2, accepted 1"]
    assert worse({"list": 1}, {}) == ["list: 1, accepted 0"]


@pytest.mark.services
@pytest.mark.skipif(missing() is not None, reason=f"{missing()}")
def test_a_job_takes_no_more_instructions_than_accepted(lake: Path) -> None:
    if load_accepted()["versions"] != versions():
        pytest.skip(f"the accepted counts belong to {load_accepted()['versions']}, here is {versions()}")
    found = worse(count_instructions(lake), accepted("instructions"), tolerance=1.25)
    assert not found, f"{'; '.join(found)}. {HINT}"
