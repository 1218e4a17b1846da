"""What `pyproject.toml` promises agrees with the code and the documents."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lakehouse

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
REQUIREMENTS = [*PYPROJECT["project"]["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]


@pytest.mark.parametrize("requirement", sorted(set(REQUIREMENTS)))
def test_every_requirement_has_a_floor(requirement: str) -> None:
    assert ">=" in requirement or requirement.startswith("quant-lakehouse[")


def test_extras_that_name_extras_name_real_ones() -> None:
    named = [part for line in REQUIREMENTS for part in re.findall(r"quant-lakehouse\[(.*)\]", line)]
    assert {extra for part in named for extra in part.split(",")} <= set(EXTRAS)


def extras_in_hints() -> Iterator[tuple[str, str]]:
    """Yield the library and the extra of every `MissingExtraError.of("library", "extra")`."""
    for path in (ROOT / "lakehouse").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "MissingExtraError.of":
                yield ast.literal_eval(node.args[0]), ast.literal_eval(node.args[1])


def test_hints_name_extras_that_bring_the_library() -> None:
    for library, extra in extras_in_hints():
        names = {re.split(r"[\[>=]", line)[0] for line in EXTRAS[extra]}
        assert library in names, f"the extra {extra} does not bring {library}"


def test_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)[0] == lakehouse.__version__


def test_package_says_that_it_is_typed() -> None:
    assert (ROOT / "lakehouse" / "py.typed").is_file()
