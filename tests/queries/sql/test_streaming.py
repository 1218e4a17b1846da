"""An answer of any size streams in little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import QueryError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    days = pl.Series(range(50)).cast(pl.Date)
    frame = pl.DataFrame({"symbol": ["IBM"] * 50, "day": days, "close": [float(each) for each in range(50)]})
    lake.create("market_data.bars", like=frame, key=["symbol", "day"]).append(frame)
    return lake


def test_it_gives_the_answer_of_sql_in_batches(lake: Any) -> None:
    text = "SELECT symbol, day, close FROM market_data.bars WHERE close >= $least ORDER BY day"
    reader = lake.sql_reader(text, {"least": 10})
    assert reader.schema == lake.sql(text, {"least": 10}).schema
    assert reader.read_all().equals(lake.sql(text, {"least": 10}).to_arrow())


def test_what_is_wrong_is_said_at_once(lake: Any) -> None:
    with pytest.raises(QueryError, match="prize"):
        lake.sql_reader("SELECT prize FROM market_data.bars")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell the peak")
def test_an_answer_of_a_gigabyte_takes_little_memory(lake: Any) -> None:
    code = """
import re, sys
from pathlib import Path
import lakehouse
lake = lakehouse.open(sys.argv[1])
text = "SELECT b.close, n.range AS n, n.range * 2 AS m FROM market_data.bars AS b, range(1_000_000) AS n"
rows = sum(batch.num_rows for batch in lake.sql_reader(text))
# ru_maxrss would begin with the memory of the process that started this one
print(rows, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10)
"""
    command = [sys.executable, "-c", code, str(lake.url)]
    found = subprocess.run(command, check=True, cwd=ROOT, timeout=300, capture_output=True)
    rows, megabytes = map(int, found.stdout.split())
    assert rows == 50_000_000
    assert megabytes < 600  # all rows at once are 1,200
