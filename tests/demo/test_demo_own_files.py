"""The demo takes a user's own files: their columns become a contract, and their own defects are shown."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lakehouse.demo.data import Input, own_input
from lakehouse.demo.main import main
from lakehouse.errors import ArgumentError, SourceError

pytest.importorskip("matplotlib", reason="the extra demo is not installed")


def wave(bars: int) -> list[float]:
    """Return prices that rise and fall, so that a trend is found and lost."""
    prices: list[float] = (100 + 20 * np.sin(np.arange(bars) / 25)).round(2).tolist()
    return prices


def write_days(folder: Path, bars: int = 200) -> pl.DataFrame:
    """Write one semicolon file a symbol, as a German spreadsheet does."""
    days = [date(2024, 1, 1) + timedelta(days=day) for day in range(bars)]
    frame = pl.DataFrame({"Date": days, "Close": wave(bars), "Vol": range(1, bars + 1), "Remark": "x"})
    folder.mkdir(exist_ok=True)
    for symbol in ("日経225", "NA"):
        frame.write_csv(folder / f"{symbol}.csv", separator=";")
    return frame


def types_of(given: Input) -> dict[str, str]:
    return {column.name: column.type for column in given.contract.schema.columns}


def test_columns_become_a_contract(tmp_path: Path) -> None:
    write_days(tmp_path)
    given = own_input(tmp_path)
    assert types_of(given) == {"symbol": "string", "date": "date", "close": "float64", "volume": "int64"}
    assert given.contract.schema.key == ("symbol", "date")


def test_own_files_run_to_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_days(tmp_path / "bars")
    assert main(["--data", str(tmp_path / "bars"), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "400 rows in = 400 accepted" in printed
    assert "日経225" in printed


def test_defects_of_own_files_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = write_days(tmp_path / "bars")
    frame.with_columns(Vol=-pl.col("Vol")).tail(3).write_csv(tmp_path / "bars" / "WRONG.csv")
    assert main(["--data", str(tmp_path / "bars"), "--out", str(tmp_path / "out")]) == 0
    assert "403 rows in = 400 accepted + 3 quarantined" in capsys.readouterr().out
    assert not (tmp_path / "out" / "deliberately_broken.csv").exists()


def test_instants_with_a_zone_stay_instants(tmp_path: Path) -> None:
    minutes = [datetime(2024, 1, 2, 9, 30, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(30)]
    pl.DataFrame({"ts": minutes, "c": wave(30)}).write_parquet(tmp_path / "IBM.parquet")
    assert types_of(own_input(tmp_path))["time"] == "timestamp[ns]"


def test_local_times_need_their_zone(tmp_path: Path) -> None:
    minutes = [datetime(2024, 1, 2, 9, 30) + timedelta(minutes=minute) for minute in range(30)]
    pl.DataFrame({"ts": minutes, "c": wave(30)}).write_parquet(tmp_path / "IBM.parquet")
    with pytest.raises(SourceError, match="--time-zone"):
        own_input(tmp_path)
    assert types_of(own_input(tmp_path, time_zone="America/New_York"))["time"] == "timestamp[ns]"


def test_file_without_a_close_is_refused(tmp_path: Path) -> None:
    (tmp_path / "IBM.csv").write_text("date,rating\n2024-01-02,AA\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match="no column for the closing price; it has date, rating"):
        own_input(tmp_path)


def test_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There are no data files"):
        own_input(tmp_path)


def test_history_too_short_for_a_backtest_ends_with_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_days(tmp_path / "bars", bars=10)
    assert main(["--data", str(tmp_path / "bars"), "--out", str(tmp_path / "out")]) == 1
    assert "A backtest on 10 bars says nothing" in capsys.readouterr().err
