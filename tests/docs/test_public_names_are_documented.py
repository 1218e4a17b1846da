"""The README lists every public name, and none that is not there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import lakehouse
from lakehouse import LakehouseError, errors

README = Path(__file__).parents[2] / "README.md"


def names_in_readme() -> list[str]:
    section = README.read_text(encoding="utf-8").partition("\n## Public names\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_readme_lists_the_public_names_and_no_others() -> None:
    assert sorted(names_in_readme()) == sorted(lakehouse.__all__)


@pytest.mark.parametrize("name", lakehouse.__all__)
def test_public_name_exists_and_says_what_it_is(name: str) -> None:
    thing = getattr(lakehouse, name)
    assert isinstance(thing, str) or (inspect.getdoc(thing) or "").strip()


def test_tree_in_the_errors_module_names_every_error() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    classes = [name for name, thing in vars(errors).items() if inspect.isclass(thing)]
    defined = {name for name in classes if issubclass(getattr(errors, name), LakehouseError)}
    assert set(drawn) | {"LakehouseError"} == defined
