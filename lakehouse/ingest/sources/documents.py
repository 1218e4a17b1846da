"""Find the text of a recipe: a .yaml or .toml file of the user, or one that is shipped with the package."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from lakehouse.errors import ArgumentError, NotFoundError, SourceError

_YAML = (".yaml", ".yml")
_TOML = (".toml",)


def load_document(name: str | Path) -> Mapping[str, Any]:
    """Return the mapping in a recipe file, or in the shipped recipe called `name`.

    Raises:
        ArgumentError: the text is not YAML or TOML, or holds no mapping.
        NotFoundError: `name` has no ending of a file and no shipped recipe is called so.
        SourceError: the file can not be read.
    """
    path = Path(name)
    if path.suffix.lower() in (*_YAML, *_TOML):
        return _parse(_read(path), path.suffix.lower(), str(path))
    shipped = {
        item.name.removesuffix(".yaml"): item for item in _shipped().iterdir() if item.name.endswith(".yaml")
    }
    if str(name) not in shipped:
        raise NotFoundError.among("recipe", str(name), shipped)
    return _parse(shipped[str(name)].read_text("utf-8"), ".yaml", str(name))


def shipped_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with the package, sorted.

    Examples:
        >>> "lean_equity_daily" in shipped_recipes()
        True
    """
    return tuple(
        sorted(
            item.name.removesuffix(".yaml") for item in _shipped().iterdir() if item.name.endswith(".yaml")
        )
    )


def _shipped() -> Any:
    return resources.files("lakehouse.ingest.sources") / "recipes"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"Can not read the recipe {str(path)!r}: {str(error).splitlines()[0]}.") from error


def _parse(text: str, suffix: str, where: str) -> Mapping[str, Any]:
    import yaml

    try:
        document = tomllib.loads(text) if suffix in _TOML else yaml.safe_load(text)
    except (tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        raise ArgumentError(f"The recipe {where!r} is not valid: {' '.join(str(error).split())}.") from error
    if not isinstance(document, Mapping):
        raise ArgumentError(f"The recipe {where!r} must hold keys and values.")
    return document
