"""Which snapshots and locks hold some files of a table, and so keep their bytes on the disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.maintenance.holders import Holder, list_holders
from lakehouse.maintenance.roots import paths_of

if TYPE_CHECKING:
    from lakehouse.partitions.state import DataFile, TableState


@dataclass(frozen=True, slots=True)
class Held:
    """What one snapshot or lock holds of some files."""

    holder: Holder
    """the snapshot, or the pin of the lock"""
    version: int
    """the version of the product that it holds"""
    files: int
    """how many of the files"""
    size: int
    """their bytes"""


def holders_of(state: TableState, files: Iterable[DataFile]) -> tuple[Held, ...]:
    """Return who holds any of the files of a table, by the manifests alone.

    Raises:
        IntegrityError: a document or a manifest is missing or broken: nobody could say what it holds.
    """
    sizes = {file.path: file.size for file in files}
    found = []
    for holder in list_holders(state.store) if sizes else ():
        for pinned in holder.products:
            if (pinned.name, pinned.major) == (state.name, state.major):
                paths = sizes.keys() & set(paths_of(state.store, pinned))
                if paths:
                    size = sum(sizes[path] for path in paths)
                    found.append(Held(holder, pinned.version, len(paths), size))
    return tuple(found)
