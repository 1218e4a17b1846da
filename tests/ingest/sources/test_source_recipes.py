"""Recipes: read from dicts, YAML, TOML and by name; nothing in them is ignored silently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import ArgumentError, NotFoundError, SourceError
from lakehouse.ingest.sources import Recipe, TimeRule, shipped_recipes

YAML = """
files: "{symbol}/{date}_trade.zip"
columns: [time, open, null, close]
divide: {open: 10000}
time: {format: ms_since_midnight, time_zone: America/New_York, base_date: 2013-10-07}
"""
TOML = """
files = "{symbol}/{date}_trade.zip"
columns = ["time", "open", "_", "close"]
divide = {open = 10000}
[time]
format = "ms_since_midnight"
time_zone = "America/New_York"
base_date = "2013-10-07"
"""


def test_yaml_toml_and_dict_read_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(YAML)
    (tmp_path / "a.toml").write_text(TOML)
    recipe = Recipe.load(tmp_path / "a.yaml")
    assert recipe == Recipe.load(str(tmp_path / "a.toml"))
    assert recipe.columns == {0: "time", 1: "open", 2: None, 3: "close"}
    assert recipe.time == TimeRule(
        format="ms_since_midnight", time_zone="America/New_York", base_date="2013-10-07"
    )


def test_an_unknown_key_names_the_choices_and_the_nearest() -> None:
    with pytest.raises(
        ArgumentError, match=r"(?s)Unknown key 'delimeter'.*Known: format, .*Did you mean delimiter"
    ):
        Recipe.load({"delimeter": ";"})


def test_an_unknown_key_of_the_time_is_refused_too() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)Unknown key 'timezone' in time of the recipe.*time_zone"):
        Recipe.load({"time": {"timezone": "UTC"}})


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"header": "yes"}, "header of the recipe must be true or false"),
        ({"delimiter": ";;"}, "delimiter of the recipe must be one ASCII character"),
        ({"delimiter": '"'}, "delimiter and the quote of the recipe are the same"),
        ({"divide": {"open": 0}}, "must be numbers above 0"),
        ({"divide": {"open": "x"}}, "must be numbers above 0"),
        ({"divide": {"open": 2}, "multiply": {"open": 2}}, "both divided and multiplied"),
        ({"extra": "drop"}, "must be one of refuse, ignore"),
        ({"columns": {"a": "x", "b": "x"}}, "two source columns one name"),
        ({"columns": {-1: "x"}}, "by its name or its position from 0"),
        ({"time": {"format": "iso8601"}}, "format of time of the recipe must be one of auto, iso"),
        ({"time": {"fold": "both"}}, "must be one of earliest, latest"),
        ({"drop": "a"}, "drop of the recipe must be a list"),
        ({"skip_lines": -1}, "whole number of at least 0"),
    ],
)
def test_an_impossible_value_is_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Recipe.load(recipe)


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_reads(name: str) -> None:
    assert Recipe.load(name).files


def test_an_unknown_shipped_recipe_names_the_nearest() -> None:
    with pytest.raises(
        NotFoundError, match=r"(?s)Unknown recipe 'lean_daily'.*Did you mean lean_equity_daily"
    ):
        Recipe.load("lean_daily")


def test_a_recipe_file_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    (tmp_path / "torn.yaml").write_text("columns: [a, b\n")
    with pytest.raises(ArgumentError, match="must hold keys and values"):
        Recipe.load(tmp_path / "list.yaml")
    with pytest.raises(ArgumentError, match="is not valid"):
        Recipe.load(tmp_path / "torn.yaml")
    with pytest.raises(SourceError, match="Can not read the recipe"):
        Recipe.load(tmp_path / "absent.yaml")


def test_the_digest_changes_with_any_field_and_only_then() -> None:
    assert Recipe.load({"delimiter": ";"}).digest == Recipe.load({"delimiter": ";", "extra": "refuse"}).digest
    assert Recipe.load({"delimiter": ";"}).digest != Recipe.load({"delimiter": "|"}).digest


def test_the_digest_of_a_recipe_is_the_same_in_every_version_of_this_library() -> None:
    """The ledger remembers chunks by it: a field added later must leave recipes without that field alone."""
    recipe = {"columns": ["time", "price"], "divide": {"price": 10000}, "time": {"format": "ms"}}
    assert Recipe.load(recipe).digest == "1d167ea6a1446e5f85bf6a14ab931b93"
    assert Recipe().digest == "44136fa355b3678a1146ad16f7e8649e"
