"""How much of a question the cache holds, without reading a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.partitions.columns.cache import column_cache
from lakehouse.partitions.row_groups import columns_of
from lakehouse.partitions.selection import Selection

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Hits:
    """Parts of a question; a part is one column of one row group."""

    parts: int
    """that the question needs from data files"""
    cached: int
    """that need not be decoded"""


def cached_row_groups(selections: Sequence[Selection], fields: Sequence[pa.Field]) -> Hits:
    """Count the parts that selections need, and those of them that the cache holds.

    Args:
        selections: of data files.
        fields: columns as stored, without the symbol; one that a file does not have is no part.
    """
    cache, parts, cached = column_cache(), 0, 0
    for selection in selections:
        names, groups = columns_of(selection), selection.groups
        for field in fields:
            if field.name not in names:
                continue
            parts += len(groups)
            found = cache.find(selection, field) if cache else None
            cached += int((found.kinds[groups] > 0).sum()) if found else 0
    return Hits(parts, cached)
