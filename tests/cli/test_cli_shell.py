"""The real DuckDB command line, version 1.5, on views that DuckDB 2 wrote."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.cli import session
from lakehouse.errors import AlreadyExistsError, ArgumentError, MissingExtraError
from lakehouse.queries.shell import INIT_SQL, write_views
from lakehouse.schema import Column, TableSchema

Run = Callable[..., Any]
BARS = "market_data.bars_1d"

pytestmark = pytest.mark.skipif(
    shutil.which("duckdb") is None and find_spec("duckdb_cli") is None,
    reason="the extra shell is not installed",
)


def asked(ran: Any) -> list[dict[str, Any]]:
    """Return what the shell answered under -json."""
    assert ran.code == 0, ran.err
    return list(json.loads(ran.out))


def test_the_shell_shows_each_product_under_its_domain(bars: Run, away: Run) -> None:
    assert asked(away("shell", "--", "-json", "-c", f"select count(*) as n from {BARS}")) == [{"n": 5}]


def test_the_shell_is_the_installable_command_line(bars: Run, away: Run) -> None:
    (row,) = asked(away("shell", "--", "-json", "-c", "select version() as v"))

    assert row["v"].startswith("v1.")


def test_a_session_has_utc_and_the_quick_as_of_join(bars: Run, away: Run) -> None:
    settings = ("TimeZone", "asof_loop_join_threshold")
    text = "select " + ", ".join(f"current_setting('{name}')::varchar as {name}" for name in settings)
    (row,) = asked(away("shell", "--", "-json", "-c", text, environment={"TZ": "Asia/Tokyo"}))

    assert row == {"TimeZone": "UTC", "asof_loop_join_threshold": "0"}


def test_the_shell_answers_as_sql_does(bars: Run, away: Run) -> None:
    text = f"select symbol, date, close from {BARS} order by symbol, date"
    shown = list(csv.reader(away("shell", "--", "-csv", "-c", text).out.splitlines()))

    assert shown == list(csv.reader(bars("sql", text, "--csv").out.splitlines()))


def test_every_column_type_and_nanosecond_arrives(lake: Run, away: Run) -> None:
    """Local zones must not move a time, and a column that a file lacks reads as null."""
    lake("init")
    types = (
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "float32",
        "float64",
        "string",
        "date",
        "timestamp[us]",
        "timestamp[ns]",
    )
    columns = [Column(f"c{number}", name) for number, name in enumerate(types)]
    schema = TableSchema((Column("symbol", "string", nullable=False), *columns), symbol="symbol")
    product = lakehouse.open(".").create(
        lakehouse.Contract(lakehouse.names.ProductName("test", "types"), "1.0.0", schema)
    )
    frame = pl.DataFrame(
        {
            "symbol": ["日経225"],
            "c0": [True],
            **{
                f"c{number}": pl.Series([number], dtype=dtype)
                for number, dtype in enumerate((pl.Int8, pl.Int16, pl.Int32, pl.Int64), 1)
            },
            "c5": pl.Series([1.5], dtype=pl.Float32),
            "c6": [2.5],
            "c7": ["it's"],
            "c8": pl.Series([19724]).cast(pl.Int32).cast(pl.Date),
            "c9": pl.Series([1_704_186_600_000_001]).cast(pl.Datetime("us", "UTC")),
            "c10": pl.Series([1_704_186_600_000_000_001]).cast(pl.Datetime("ns", "UTC")),
        }
    )
    product.append(frame)
    (row,) = asked(away("shell", "--", "-json", "-c", "from test.types", environment={"TZ": "Asia/Tokyo"}))

    assert list(row.values()) == [
        *("日経225", True, 1, 2, 3, 4, 1.5, 2.5, "it's", "2024-01-02"),
        *("2024-01-02 09:10:00.000001", "2024-01-02 09:10:00.000000001"),
    ]


def test_a_product_without_rows_is_an_empty_view(lake: Run, away: Run) -> None:
    lake("init", "--starter")

    assert asked(
        away(
            "shell", "market_data.trades", "--", "-json", "-c", "select count(*) as n from market_data.trades"
        )
    ) == [{"n": 0}]


def test_the_shell_on_a_snapshot_and_on_a_lock_shows_what_is_pinned(
    bars: Run, away: Run, vendor: Path
) -> None:
    bars("snapshot", "s")
    bars("lock", "b.lock")
    path = vendor / "AAPL.csv"
    path.write_text(path.read_text().replace("185.64", "185.99"))
    bars("ingest", BARS, path, "--mode", "upsert")
    question = ("--", "-json", "-c", f"select max(close) as top from {BARS}")

    assert asked(away("shell", "--snapshot", "s", *question)) == [{"top": 185.64}]
    assert asked(away("shell", "--lock", "b.lock", *question)) == [{"top": 185.64}]
    assert asked(away("shell", *question)) == [{"top": 185.99}]


def test_sql_comes_from_standard_input_too(bars: Run, away: Run) -> None:
    ran = away("shell", "--", "-json", text=f"select count(*) as n from {BARS};\n")

    assert asked(ran) == [{"n": 5}]


def test_the_exit_code_is_that_of_the_shell(bars: Run, away: Run) -> None:
    ran = away("shell", "--", "-c", "select nonsense")

    assert ran.code == 1
    assert "Binder Error" in ran.err


def test_nothing_is_left_behind(bars: Run, away: Run, tmp_path: Path) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    away("shell", "--", "-c", "create table scratch as select 1", environment={"TMPDIR": str(place)})

    assert list(place.iterdir()) == []


def test_the_users_own_settings_hold(bars: Run, away: Run, tmp_path: Path) -> None:
    (tmp_path / ".duckdbrc").write_text(".mode csv\n")
    ran = away("shell", "--", "-c", "select 1 as a, 2 as b", environment={"HOME": str(tmp_path)})

    assert ran.out == "a,b\n1,2\n"


def test_a_lake_in_a_folder_with_the_marks_of_a_pattern(
    lake: Run, away: Run, vendor: Path, tmp_path: Path
) -> None:
    """DuckDB would read `[ab]` as a choice of letters, and a quote as the end of the name."""
    root = tmp_path / "it's [ab]"
    for words in (
        ("init", root),
        ("create", BARS, "--like", vendor / "AAPL.csv", "--symbol-from-name"),
        ("backfill", BARS, vendor),
    ):
        assert lake("--lake", root, *words).code == 0

    assert asked(away("--lake", root, "shell", "--", "-json", "-c", f"select count(*) as n from {BARS}")) == [
        {"n": 5}
    ]


def test_write_leaves_files_that_duckdb_opens_by_itself(bars: Run) -> None:
    made = bars("shell", "--write", "views.duckdb", "--json").json
    program = session.find_duckdb()
    ran = subprocess.run(
        [program, *made["command"][1:], "-json", "-c", f"select count(*) as n from {BARS}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(ran.stdout) == [{"n": 5}]
    assert made["products"] == [BARS]


def test_write_replaces_nothing(bars: Run) -> None:
    Path("views.duckdb").write_text("mine")
    ran = bars("shell", "--write", "views.duckdb")

    assert (ran.code, Path("views.duckdb").read_text()) == (1, "mine")


def test_a_views_file_has_the_storage_format_of_duckdb_1_5(bars: Run, tmp_path: Path) -> None:
    import duckdb

    path = write_views([lakehouse.open(".")[BARS].state()], tmp_path / "v.duckdb")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS v (READ_ONLY)")
        (row,) = connection.sql(
            "select tags['storage_version'] from duckdb_databases() where database_name = 'v'"
        ).fetchall()

    assert row[0].startswith("v1.5")


def test_a_views_file_may_not_be_called_like_a_domain(bars: Run, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="market_data is a domain"):
        write_views([lakehouse.open(".")[BARS].state()], tmp_path / "market_data.duckdb")


def test_a_views_file_is_never_overwritten(bars: Run, tmp_path: Path) -> None:
    states = [lakehouse.open(".")[BARS].state()]
    path = write_views(states, tmp_path / "v.duckdb")
    before = path.read_bytes()

    with pytest.raises(AlreadyExistsError, match="There is a file"):
        write_views(states, path)
    assert path.read_bytes() == before


def test_a_view_of_a_missing_file_is_an_error_and_leaves_nothing(bars: Run, tmp_path: Path) -> None:
    (file,) = Path("partitions").rglob("part-*.parquet")
    file.unlink()
    ran = bars("shell", "--write", tmp_path / "out" / "v.duckdb")

    assert ran.code == 1
    assert list((tmp_path / "out").glob("*")) == [] or not (tmp_path / "out").exists()


def test_without_the_extra_the_error_names_it(
    bars: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = bars("shell")

    assert ran.code == 1
    assert "quant-lakehouse[shell]" in ran.err
    with pytest.raises(MissingExtraError, match="duckdb-cli"):
        session.find_duckdb()


def test_an_unknown_product_snapshot_or_lock_starts_nothing(bars: Run) -> None:
    for words in (("market_data.nothing",), ("--snapshot", "nothing"), ("--lock", "nothing.lock")):
        assert bars("shell", *words, "--", "-c", "select 1").code == 1


_CHILD = """
import sys, time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("cancelled", flush=True)
    sys.exit(7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT can not be sent to another process on Windows")
def test_ctrl_c_is_for_the_program_that_owns_the_terminal() -> None:
    """A terminal sends the signal to both processes; ours outlives it, and passes on how the other ended."""
    child = f"[sys.executable, '-c', {_CHILD!r}]"
    ours = f"import sys; from lakehouse.cli.session import run; sys.exit(run({child}))"
    with subprocess.Popen(
        [sys.executable, "-c", ours],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (7, "cancelled\n", "")


def test_the_init_file_sets_what_the_views_rely_on() -> None:
    assert "asof_loop_join_threshold = 0" in INIT_SQL
    assert "TimeZone = 'UTC'" in INIT_SQL
