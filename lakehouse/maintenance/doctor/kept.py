"""Under which name the bytes of an altered object are kept when an intact copy takes its place."""

from __future__ import annotations

import re

_KEPT = re.compile(r".+\.altered-[0-9a-f]{12}")


def kept_path(path: str, sha256: str) -> str:
    """Return where altered bytes are kept: of a data file in the quarantine of its table, else beside it.

    The name tells the bytes, so that a repair that was cut short and begins anew keeps them once.

    Examples:
        >>> kept_path("partitions/a/b/v1/date=2024-01-02/part-0-1.parquet", "0123456789abcdef")
        'partitions/a/b/v1/_quarantine/part-0-1.parquet.altered-0123456789ab'
    """
    folder, _, name = path.rpartition("/")
    if path.startswith("partitions/"):
        folder = "/".join([*path.split("/")[:4], "_quarantine"])
    return f"{folder}/{name}.altered-{sha256[:12]}"


def is_kept(path: str) -> bool:
    """Say whether a repair has put the object there."""
    return bool(_KEPT.fullmatch(path.rpartition("/")[2]))
