"""YAML as the catalog reads and writes it: no doubled keys, and text that stays text in every YAML reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from lakehouse.errors import ContractError

_LINE_WIDTH = 110
_SURELY_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9_ ./,()\[\]%=+-]*", re.ASCII)
_WORDS_WITH_MEANING = frozenset(
    ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "na", "nan", "inf")
)


def load_yaml(text: str, *, kind: str) -> dict[str, Any]:
    """Read one YAML mapping.

    Args:
        text: the document.
        kind: what it should be, for the error.

    Raises:
        ContractError: it is not YAML, holds a key twice, or is not a mapping.
    """
    import yaml

    try:
        document = yaml.load(text, Loader=_loader())  # a SafeLoader
    except yaml.YAMLError as error:
        raise ContractError(f"The {kind} is not YAML: {_first_problem(error)}.") from error
    except (ValueError, RecursionError) as error:  # an impossible date, or brackets without end
        raise ContractError(f"The {kind} is not YAML: {error}.") from error
    if not isinstance(document, dict):
        raise ContractError(f"The {kind} must be a YAML mapping, got {type(document).__name__}.")
    return document


def dump_yaml(document: Mapping[str, Any]) -> str:
    """Write a mapping in its own order; every text that some reader could take for another type is quoted.

    Raises:
        ContractError: a text holds half a surrogate pair and so has no UTF-8 form.

    Examples:
        >>> print(dump_yaml({"plain": "IBM", "country": "NO", "size": "1e5"}), end="")
        plain: IBM
        country: 'NO'
        size: '1e5'
    """
    import yaml

    text: str = yaml.dump(
        dict(document), Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=_LINE_WIDTH
    )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ContractError("A text of the document holds half a surrogate pair, which UTF-8 can not store.")
    return text


@cache
def _loader() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]  # chosen at run time: the C one is ten times faster
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[tuple[str, str]] = set()
            for key, _ in node.value:
                identity = (key.tag, str(key.value))
                if identity in seen:
                    problem = f"the key {key.value!r} stands twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(identity)
            return super().construct_mapping(node, deep=deep)

    return Loader


@cache
def _dumper() -> Any:
    import yaml

    base: Any = yaml.SafeDumper

    class Dumper(base):  # type: ignore[misc]  # PyYAML's own annotations are a package apart
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def represent_text(dumper: Any, text: str) -> Any:
        style: str | None = None
        if not _SURELY_TEXT.fullmatch(text) or text.casefold() in _WORDS_WITH_MEANING:
            style = "'" if text.isprintable() else '"'  # single quotes would fold line breaks of any kind
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def represent_list(dumper: Any, values: list[Any]) -> Any:
        one_line = not any(isinstance(value, dict | list) for value in values)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=one_line)

    Dumper.add_representer(str, represent_text)
    Dumper.add_representer(list, represent_list)
    return Dumper


def _first_problem(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else str(problem)
