"""The second wall: an engine that got past the first still reads the listed files and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lakehouse.queries.sql.bounds import ANY
from lakehouse.queries.sql.choice import choose
from lakehouse.queries.sql.engine import Engine
from lakehouse.queries.sql.views import View


@pytest.fixture(params=["parquet", "decoded"])
def engine(desk: Any, request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = Engine(memory_limit="1GiB")
    engine.load([choose(View.of(desk.states["market_data.trades"], ANY), None, engine=request.param)])
    yield engine
    engine.close()


@pytest.mark.parametrize(
    "statement",
    [
        "FROM read_text('{file}')",
        "FROM '{file}'",
        "FROM glob('{folder}/*')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "COPY (SELECT 1) TO '{lake}/out.csv'",
        "ATTACH '{folder}/other.duckdb'",
        "EXPORT DATABASE '{folder}/dump'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "SET enable_external_access = true",
        "SET GLOBAL allowed_paths = ['{file}']",
        "RESET lock_configuration",
        "FROM read_parquet('{quotes}')",
        "FROM python_variable",
    ],
)
def test_nothing_else_can_be_read_written_or_set(
    desk: Any, engine: Engine, tmp_path: Path, statement: str
) -> None:
    python_variable = __import__("polars").DataFrame({"a": [1]})
    assert python_variable.height == 1
    (tmp_path / "file.csv").write_text("a\n1\n")
    places = {"file": tmp_path / "file.csv", "folder": tmp_path, "lake": desk.root}
    places["quotes"] = desk.root / desk.states["market_data.quotes"].files[0].path
    for name, place in places.items():
        statement = statement.replace(f"{{{name}}}", place.as_posix())
    with pytest.raises(duckdb.Error, match=r"\w"):
        engine.connection.cursor().execute(statement).fetchall()
    assert [path.name for path in tmp_path.iterdir()] == ["file.csv"]


def test_its_streams_run_under_its_settings(engine: Engine) -> None:
    names = "('TimeZone', 'asof_loop_join_threshold', 'memory_limit', 'lock_configuration')"
    rows = engine.connection.cursor().sql(
        f"SELECT name, value FROM duckdb_settings() WHERE name IN {names} ORDER BY 1"
    )
    assert dict(rows.fetchall()) == {
        "TimeZone": "UTC",
        "asof_loop_join_threshold": "0",
        "lock_configuration": "true",
        "memory_limit": "1.0 GiB",
    }


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system can not change its zone")
def test_the_zone_of_the_machine_does_not_matter(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "SELECT moment, moment::TIMESTAMPTZ AS z FROM signals.scores WHERE moment > '2024-01-05' ORDER BY ALL"
    )
    here = desk.table(text)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert desk.table(text).equals(here)
    monkeypatch.undo()
    time.tzset()


def test_it_spills_to_a_private_folder_that_goes_away(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = desk.run(
        "SELECT count(*) FROM (SELECT range, random() AS x FROM range(3_000_000) ORDER BY x)",
        memory_limit="40MiB",
    )
    modes = [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()]
    assert modes == [0o700] or os.name == "nt"
    assert result.read_all().column(0).to_pylist() == [3_000_000]
    del result
    assert not list(tmp_path.iterdir())
