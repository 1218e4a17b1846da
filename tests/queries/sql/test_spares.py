"""Instances made ahead: each is used by one query, and none is made for a process that asks once."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakehouse.queries.sql.engine import Engine
from lakehouse.queries.sql.spares import Spares, spares

if TYPE_CHECKING:
    import duckdb

ROOT = Path(__file__).parents[3]
ASOF = "SELECT sum(r.price) FROM m.t l ASOF JOIN m.t r ON l.symbol = r.symbol AND l.time >= r.time"


def test_each_is_given_once_and_holds_nothing() -> None:
    spares = Spares()
    taken = [spares.take() for _ in range(4)]
    assert len({id(each) for each in taken}) == 4
    for each in taken:
        each.execute("CREATE TABLE mine AS SELECT 1")
        assert each.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(1,)]
        spares.give_back(each)


def test_threads_never_get_the_same_one() -> None:
    spares = Spares()
    taken: list[duckdb.DuckDBPyConnection] = []

    def take() -> None:
        taken.extend(spares.take() for _ in range(3))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in taken}) == 12


def test_a_spare_has_the_settings_of_every_engine() -> None:
    names = (
        "('TimeZone', 'asof_loop_join_threshold', 'python_enable_replacements', 'autoload_known_extensions')"
    )
    for _ in range(3):
        engine = Engine()
        rows = engine.connection.sql(
            f"SELECT name, value FROM duckdb_settings() WHERE name IN {names}"
        ).fetchall()
        engine.close()
        assert dict(rows) == {
            "TimeZone": "UTC",
            "asof_loop_join_threshold": "0",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        }


def test_an_engine_that_goes_away_in_a_collection_waits_for_no_lock() -> None:
    """A collection may begin while the lock of the spares is held: it once waited for itself."""
    circle: list[Any] = [Engine(), Engine()]
    circle.append(circle)
    del circle

    def collect() -> None:
        with spares()._lock:
            gc.collect()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_that_ends_leaves_the_engines_of_its_parent_alone() -> None:
    """Its last act was to free what it had inherited: the folder into which the parent was spilling."""
    code = """
import os, sys, tempfile, warnings
from pathlib import Path
from lakehouse.queries.sql.engine import Engine
tempfile.tempdir = tempfile.mkdtemp()
engine = Engine()
warnings.simplefilter("ignore")
if (child := os.fork()) == 0:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
kept = len(list(Path(tempfile.tempdir).iterdir()))
engine.close()
print(kept, len(list(Path(tempfile.tempdir).iterdir())))
"""
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60, capture_output=True
    )
    assert (found.stdout.split(), found.stderr) == ([b"1", b"0"], b"")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_does_not_end_what_its_parent_left_to_the_collector() -> None:
    """It waited for the threads of a DuckDB instance, which run in the parent alone, and crashed."""
    code = """
import gc, os, warnings
from lakehouse.queries.sql.engine import Engine
warnings.simplefilter("ignore")
gc.disable()
cycle = [Engine()]
cycle[0].connection.execute("select sum(i) from range(1_000_000) as numbers(i)").fetchall()
cycle.append(cycle)
del cycle
if (child := os.fork()) == 0:
    gc.collect()
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60, capture_output=True
    )
    assert (found.stdout.split(), found.stderr) == ([b"0"], b"")


def test_an_engine_whose_folder_was_swept_away_ends_quietly() -> None:
    engine = Engine()
    folder = Path(engine.connection.sql("SELECT current_setting('temp_directory')").fetchall()[0][0])
    folder.rmdir()
    engine.close()
    assert not folder.exists()


def test_a_process_that_asks_once_makes_one() -> None:
    code = """
import threading
from lakehouse.queries.sql import run_sql
ask = lambda: run_sql("SELECT 42 AS x", lambda name: None, known=list).read_all().num_rows
ask()
once = [each.name for each in threading.enumerate() if each.name.startswith("lakehouse-duckdb")]
ask()
twice = [each.name for each in threading.enumerate() if each.name.startswith("lakehouse-duckdb")]
print(len(once), len(twice))
"""
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60, capture_output=True
    )
    assert found.stdout.split() == [b"0", b"1"]


def test_an_instance_that_waits_to_be_closed_holds_no_version(tmp_path: Path) -> None:
    """A process that asks once, and then writes for days, would keep the garbage collector from all of it."""
    import lakehouse

    frame = pl.DataFrame({"symbol": ["A", "A"], "time": [1, 2], "price": [1.0, 2.0]})
    frame = frame.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))
    lake = lakehouse.open(tmp_path / "lake", create=True)
    product = lake.create("m.t", like=frame, key=["symbol", "time"])
    for number in range(4):
        product.append(frame.with_columns(time=pl.col("time").dt.offset_by(f"{number}d")))
    for question in ("SELECT sum(price) FROM m.t", ASOF):
        assert lake.sql(question).num_rows == 1
        asked = weakref.ref(product.state())
        product.append(frame.with_columns(time=pl.col("time").dt.offset_by(f"{len(question)}d")))
        assert product.state() is not asked()
        gc.collect()
        assert asked() is None
