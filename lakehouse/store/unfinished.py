"""What writers that died left in the middle of a write to a local disk; a bucket shows no such thing.

To delete one is safe by construction: no reader ever opens a temporary file, and its writer, should it live
after all, can only fail to give it a name. It then raises, and nothing that it had acknowledged is touched.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lakehouse.store.base import Store
from lakehouse.store.disk_errors import translated
from lakehouse.store.local import LocalStore

_OURS = re.compile(r"\.tmp-[0-9a-f]{32}")
_CHECKPOINT = re.compile(r".+\.checkpoint\.parquet#[0-9]+|_last_checkpoint#[0-9]+")  # as deltalake stages


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A file that never got its name."""

    path: str
    """relative to the root"""
    size: int
    """in bytes"""
    age_s: float
    """seconds since it was last written to"""


def is_unfinished(path: str) -> bool:
    """Say whether a name is that of a file in the middle of a write.

    Examples:
        >>> is_unfinished("partitions/a/b/v1/.tmp-0123456789abcdef0123456789abcdef")
        True
    """
    folder, _, name = path.rpartition("/")
    return bool(_OURS.fullmatch(name) or (folder.endswith("/_delta_log") and _CHECKPOINT.fullmatch(name)))


def list_unfinished(store: Store, folder: str) -> Iterator[Unfinished]:
    """Yield every file below a folder that is in the middle of a write, or was left there.

    Raises:
        StorageError: a folder can not be looked into.
    """
    if isinstance(store, LocalStore):
        with translated(folder):
            yield from sorted(_walk(store.url, folder), key=lambda each: each.path)


def delete_unfinished(store: Store, path: str, *, older_than_s: float) -> bool:
    """Delete such a file if it still lies there and is still old; say whether.

    Raises:
        StorageError: the disk refused.
    """
    if not isinstance(store, LocalStore) or not is_unfinished(path):
        return False
    file = Path(store.url) / path
    with translated(path):
        try:
            if time.time() - file.lstat().st_mtime < older_than_s:
                return False
            file.unlink()
        except FileNotFoundError:
            return False
    return True


def _walk(root: str, folder: str) -> Iterator[Unfinished]:
    try:
        with os.scandir(f"{root}/{folder}") as listing:
            children = list(listing)
    except (FileNotFoundError, NotADirectoryError):
        return
    for child in children:
        path = f"{folder}/{child.name}"
        if child.is_dir(follow_symlinks=False):
            yield from _walk(root, path)
        elif is_unfinished(path) and child.is_file(follow_symlinks=False):
            with suppress(FileNotFoundError):  # its writer has just finished
                found = child.stat(follow_symlinks=False)
                yield Unfinished(path, found.st_size, time.time() - found.st_mtime)
