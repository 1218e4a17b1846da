"""Semantic versions of contracts: `major.minor.patch`, compared as numbers."""

from __future__ import annotations

import re

from lakehouse.errors import ContractError

_VERSION = re.compile(r"([1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})", re.ASCII)


def parse_version(text: str) -> tuple[int, int, int]:
    """Read `major.minor.patch`, so that versions compare as numbers.

    Raises:
        ContractError: the text is no such version. A major number of 0 is refused: it promises nothing.

    Examples:
        >>> parse_version("1.10.0") > parse_version("1.9.3")
        True
    """
    found = _VERSION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ContractError(
            f"Not a contract version: {text!r}.",
            hint="Write major.minor.patch in quotes, starting at '1.0.0'.",
        )
    major, minor, patch = (int(number) for number in found.groups())
    return major, minor, patch


def major_of(version: str) -> int:
    """Return the major number of a version.

    Raises:
        ContractError: the text is no version.
    """
    return parse_version(version)[0]


def is_version(text: str) -> bool:
    """Say whether `text` is a contract version."""
    return _VERSION.fullmatch(text) is not None


def sort_versions(versions: list[str]) -> tuple[str, ...]:
    """Return the versions from the lowest to the highest.

    Examples:
        >>> sort_versions(["1.10.0", "2.0.0", "1.9.0"])
        ('1.9.0', '1.10.0', '2.0.0')
    """
    return tuple(sorted(versions, key=parse_version))
