from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


def written(**changes: Any) -> Path:
    """Write the contract of the bars, with some of its parts replaced."""
    path = Path("changed.yaml")
    path.write_text(dataclasses.replace(lakehouse.open(".")[BARS].contract, **changes).to_yaml())
    return path


def test_create_infers_a_contract_from_a_file(lake: Run, vendor: Path) -> None:
    lake("init")
    made = lake("create", BARS, "--like", vendor / "AAPL.csv", "--symbol-from-name", "--json").json

    assert (made["symbol"], made["time"], made["key"]) == ("symbol", "date", ["symbol", "date"])
    assert lakehouse.open(".")[BARS].rows == 0


@pytest.mark.parametrize("suffix", ["parquet", "feather", "json", "jsonl", "csv.gz"])
def test_create_reads_the_usual_formats(lake: Run, tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame({"symbol": ["IBM"], "close": [161.5], "size": [7]})
    path = tmp_path / f"sample.{suffix}"
    writers: dict[str, Callable[[Path], object]] = {
        "parquet": frame.write_parquet,
        "feather": frame.write_ipc,
        "json": frame.write_json,
        "jsonl": frame.write_ndjson,
        "csv.gz": lambda target: target.write_bytes(gzip.compress(frame.write_csv().encode())),
    }
    writers[suffix](path)
    lake("init")
    made = lake("create", "market_data.closes", "--like", path, "--json").json

    assert [column["type"] for column in made["columns"]] == ["string", "float64", "int64"]


def test_create_takes_owner_layout_key_and_description(lake: Run, vendor: Path) -> None:
    lake("init")
    given = (
        "--owner",
        "desk",
        "--owner",
        "quant",
        "--layout",
        "date=year,symbol=row_groups",
        "--description",
        "As traded.",
    )
    ran = lake(
        "create", BARS, "--like", vendor / "AAPL.csv", "--symbol-from-name", "--key", "symbol,date", *given
    )
    contract = lakehouse.open(".")[BARS].contract

    assert ran.code == 0
    assert (contract.owners, contract.layout) == (("desk", "quant"), "date=year,symbol=row_groups")
    assert (contract.description, contract.schema.key) == ("As traded.", ("symbol", "date"))


def test_create_refuses_times_without_a_zone_unless_one_is_named(lake: Run, tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    path.write_text("symbol,time,price\nIBM,2024-01-02 09:30:00,161.5\n")
    lake("init")
    refused = lake("create", "market_data.ticks", "--like", path)
    ran = lake("create", "market_data.ticks", "--like", path, "--time-zone", "America/New_York", "--json")

    assert refused.code == 1
    assert "without a time zone" in refused.err
    assert ran.json["columns"][1]["type"] == "timestamp[ns]"


def test_create_names_an_unknown_time_zone(lake: Run, vendor: Path) -> None:
    lake("init")
    ran = lake("create", BARS, "--like", vendor / "AAPL.csv", "--time-zone", "Mars/Olympus")

    assert (ran.code, "Unknown time zone 'Mars/Olympus'" in ran.err) == (1, True)


def test_apply_publishes_a_new_product(bars: Run) -> None:
    path = written(name="market_data.bars_2d")
    (row,) = bars("apply", path, "--json").json

    assert (row["product"], row["published"], row["change"]) == ("market_data.bars_2d", True, "new")


def test_apply_names_the_change_and_its_reasons(bars: Run) -> None:
    path = written(version="1.0.1", description="Daily.")
    ran = bars("apply", path)

    assert ran.code == 0
    assert "patch change since 1.0.0" in ran.out
    assert "the description changed" in ran.out


def test_apply_twice_changes_nothing(bars: Run) -> None:
    path = written()
    ran = bars("apply", path)

    assert (ran.code, ran.out) == (0, f"{BARS} 1.0.0: there already, nothing changed\n")


def test_apply_refuses_a_number_that_does_not_fit_the_change(bars: Run) -> None:
    contract = lakehouse.open(".")[BARS].contract
    schema = dataclasses.replace(contract.schema, columns=contract.schema.columns[:-1])
    ran = bars("apply", written(version="1.0.1", schema=schema, rules=contract.rules[:2]))

    assert ran.code == 1
    assert "volume" in ran.err
    assert lakehouse.open(".")[BARS].contract == contract


def test_apply_reads_all_contracts_before_it_publishes_one(bars: Run) -> None:
    good = written(name="market_data.bars_2d")
    Path("broken.yaml").write_text("kind: nothing\n")
    ran = bars("apply", good, "broken.yaml")

    assert ran.code == 1
    assert "broken.yaml: " in ran.err
    assert lakehouse.open(".").products() == [BARS]
