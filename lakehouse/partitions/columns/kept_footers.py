"""Footers of data files that lie elsewhere: without them, a cached column is of no use."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from lakehouse.names import fresh_id
from lakehouse.partitions.columns.checksum import checksum

_MAGIC = b"lakefoot"
_HEAD = len(_MAGIC) + 32 + 8  # magic, SHA-256 of the data file, checksum of what follows


def read_footer_bytes(folder: Path, sha256: str) -> bytes | None:
    """Return the last bytes of a data file; None if they are not there, or not what was written."""
    try:
        data = _file(folder, sha256).read_bytes()
    except OSError:
        return None
    footer = data[_HEAD:]
    return footer if footer and data[:_HEAD] == _head(sha256, footer) else None


def write_footer_bytes(folder: Path, sha256: str, footer: bytes) -> None:
    """Keep the last bytes of a data file, whole or not at all.

    Raises:
        OSError: the disk refused.
    """
    file = _file(folder, sha256)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{fresh_id()}")
    try:
        draft.write_bytes(_head(sha256, footer) + footer)
        draft.replace(file)
    finally:
        with suppress(OSError):
            draft.unlink()


def _file(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / f"{sha256}.footer"


def _head(sha256: str, footer: bytes) -> bytes:
    mark = checksum(np.frombuffer(footer, np.uint8), int(sha256[:12], 16))
    return _MAGIC + bytes.fromhex(sha256) + mark.to_bytes(8, "little")
