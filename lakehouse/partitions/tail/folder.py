"""Where tails lie: in the folder of the table; that of a bucket, in a folder of this user on this machine.

Not in the cache, which is safe to delete: a tail holds rows that were acknowledged.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from functools import lru_cache
from pathlib import Path

from lakehouse.errors import NotFoundError
from lakehouse.store import Store
from lakehouse.store.local import LocalStore

TAIL = "_tail"
WATERMARK = "tail:"
"""prefix of the Delta transaction id that carries a writer's watermark"""

_WRITER = re.compile(r"[0-9a-f]{32}")
_SEGMENT = re.compile(r"[0-9]{20}-[0-9a-f]{8}\.log")


@lru_cache(maxsize=4096)
def tail_folder(store: Store, table_path: str) -> str:
    """Return the folder of a table's writers, whether it is there or not."""
    if isinstance(store, LocalStore):
        return os.path.join(os.path.abspath(store.url), table_path, TAIL)  # noqa: PTH100, PTH118 - on the path of reads
    bucket = hashlib.sha256(f"{_lake_in(store)} {store.url}".encode()).hexdigest()[:32]
    return str(_local_tails() / bucket / table_path / TAIL)


@lru_cache(maxsize=256)
def _lake_in(store: Store) -> str:
    """Return the id of a lake: those of two servers, or a lake and its successor, may share a URL."""
    try:
        return str(json.loads(store.get("catalog/lake.json"))["id"])
    except NotFoundError:
        return ""


def writers_in(folder: str) -> list[str]:
    """Return the ids of all writers that ever wrote here, sorted."""
    try:
        return sorted(filter(_WRITER.fullmatch, os.listdir(folder)))  # noqa: PTH208 - three times as quick
    except (FileNotFoundError, NotADirectoryError):
        return []


def segments_in(folder: str, writer: str) -> list[str]:
    """Return the names of a writer's segments, in the order of their rows."""
    try:
        return sorted(filter(_SEGMENT.fullmatch, os.listdir(f"{folder}/{writer}")))  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []


def segment_name(first: int, salt: int) -> str:
    """Return the name of a segment: no other one ever gets it."""
    return f"{first:020d}-{salt:08x}.log"


def segment_first(name: str) -> int:
    """Return the number of the first row of a segment."""
    return int(name[:20])


def _local_tails() -> Path:
    """Return the folder that LAKEHOUSE_TAILS names, else one for this user's data on this platform."""
    if chosen := os.environ.get("LAKEHOUSE_TAILS"):
        return Path(chosen).expanduser().absolute()
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().absolute() / "lakehouse" / "tails"
