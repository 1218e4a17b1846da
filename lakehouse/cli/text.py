"""Values as text for people."""

from __future__ import annotations

import json
import math
from typing import Any

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def cell_text(value: Any, *, null: str = "") -> str:
    """Return one value as tables show it, on one line.

    Examples:
        >>> cell_text(0.1 + 0.2), cell_text(True), cell_text(None, null="null")
        ('0.3', 'true', 'null')
    """
    if value is None:
        return null
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else f"{value:.15g}"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in str(value))


def size_text(size: float) -> str:
    """Return a number of bytes for people.

    Examples:
        >>> size_text(999), size_text(12_345_678)
        ('999 B', '12.3 MB')
    """
    unit = 0
    while size >= 1000 and unit < len(_SIZES) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} B" if unit == 0 else f"{size:.3g} {_SIZES[unit]}"


def time_text(time: str) -> str:
    """Return an ISO 8601 instant as people look for it: the day alone for midnight, else down to the second.

    Examples:
        >>> time_text("2024-01-02T00:00:00Z"), time_text("2024-01-02T09:30:00.123Z")
        ('2024-01-02', '2024-01-02 09:30:00')
    """
    return time[:10] if time.endswith("T00:00:00Z") else time[:19].replace("T", " ")


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    Examples:
        >>> counted(1, "row"), counted(2000, "row")
        ('1 row', '2,000 rows')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"
