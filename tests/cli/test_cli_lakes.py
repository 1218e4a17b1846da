from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


def test_init_makes_a_lake_in_this_folder(lake: Run) -> None:
    ran = lake("init", "--json")

    assert ran.json == {"lake": str(Path.cwd()), "id": lakehouse.open(".").id, "created": True}


def test_init_leaves_a_lake_as_it_is(lake: Run) -> None:
    first = lake("init", "there", "--json").json
    second = lake("init", "there", "--json").json

    assert (second["id"], second["created"]) == (first["id"], False)


def test_init_starter_brings_contracts_domains_and_queries(lake: Run) -> None:
    from lakehouse.catalog.starter import starter_files

    added = lake("init", "--starter", "--json").json["starter"]["added"]

    assert added == [path for path, _ in starter_files()]
    assert BARS in lakehouse.open(".").products()


def test_a_second_init_starter_changes_nothing(lake: Run) -> None:
    lake("init", "--starter")
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}
    ran = lake("init", "--starter", "--json").json["starter"]

    assert ran["added"] == []
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()} == before


def test_init_starter_leaves_an_own_product_of_the_same_name_alone(bars: Run) -> None:
    before = lake_contract()
    ran = bars("init", "--starter", "--json").json["starter"]

    assert any(path.startswith("catalog/products/market_data/bars_1d/") for path in ran["present"])
    assert lake_contract() == before


def lake_contract() -> Any:
    return lakehouse.open(".")[BARS].contract


def test_ls_tells_what_each_product_holds(bars: Run) -> None:
    (row,) = bars("ls", "--json").json

    assert (row["product"], row["contract"], row["version"], row["rows"]) == (BARS, "1.0.0", 1, 5)
    assert (row["first"], row["last"]) == ("2024-01-02T00:00:00Z", "2024-01-04T00:00:00Z")


@pytest.mark.parametrize(
    ("pattern", "count"), [("market_data", 1), ("market*", 1), ("market_data.b*", 1), ("events", 0)]
)
def test_ls_takes_a_domain_or_a_pattern(bars: Run, pattern: str, count: int) -> None:
    assert len(bars("ls", pattern, "--json").json) == count


def test_ls_of_an_empty_lake_says_what_to_do(lake: Run) -> None:
    lake("init")

    assert "lake init --starter" in lake("ls").out
    assert lake("ls", "--json").json == []


def test_ls_prints_aligned_text_into_a_pipe(bars: Run) -> None:
    header, row = bars("ls").out.splitlines()

    assert header.split()[:5] == ["product", "contract", "version", "rows", "size"]
    assert row.startswith(BARS)
    assert header.index("rows") + 3 == row.index("5")


def test_show_prints_contract_columns_rows_symbols_and_versions(bars: Run) -> None:
    out = bars("show", BARS).out

    for line in (
        "key           symbol, date",
        "close   float64  true",
        "ohlc",
        "2 symbols",
        "Newest commits",
    ):
        assert line in out


def test_show_gives_the_same_as_json(bars: Run) -> None:
    shown = bars("show", BARS, "--json").json

    assert [column["column"] for column in shown["columns"]][:2] == ["symbol", "date"]
    assert [(row["symbol"], row["rows"]) for row in shown["symbols"]] == [("AAPL", 3), ("IBM", 2)]
    assert [commit["operation"] for commit in shown["commits"]] == ["backfill", "create"]
    assert shown["rules"][0]["kind"] == "ohlc"


def test_show_of_a_product_without_rows(lake: Run) -> None:
    lake("init", "--starter")
    shown = lake("show", "market_data.trades", "--json").json

    assert (shown["rows"], shown["symbols"], shown["first"], shown["commits"]) == (0, None, None, [])


def test_show_contract_prints_what_apply_takes(bars: Run) -> None:
    Path("contract.yaml").write_text(bars("show", BARS, "--contract").out)

    assert bars("apply", "contract.yaml", "--json").json[0]["published"] is False


def test_the_lake_is_found_from_a_folder_below(bars: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    below = Path("catalog/products").resolve()
    monkeypatch.chdir(below)

    assert bars("ls", "--json").json[0]["product"] == BARS


def test_an_option_names_the_lake_before_and_after_the_command(
    bars: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path.cwd()
    monkeypatch.chdir(root.parent)

    assert bars("--lake", root, "ls", "--json").json == bars("ls", "--lake", root, "--json").json != []


def test_the_environment_names_the_lake(bars: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_ROOT", str(Path.cwd()))
    monkeypatch.chdir(Path.cwd().parent)

    assert len(bars("ls", "--json").json) == 1


def test_without_a_lake_the_error_says_how_to_name_one(lake: Run) -> None:
    ran = lake("ls")

    assert (ran.code, ran.out) == (1, "")
    assert "There is no lake in" in ran.err
    assert "--lake PATH or LAKEHOUSE_ROOT" in ran.err
