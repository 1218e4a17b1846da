"""From a URL to its store."""

from __future__ import annotations

import re
from pathlib import Path

from lakehouse.errors import ArgumentError
from lakehouse.store.base import Store
from lakehouse.store.local import LocalStore

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")  # one letter alone is a drive of Windows
_FORMS = "Give a local path, or s3://bucket/prefix as text."


def open_store(url: str | Path) -> Store:
    """Return the store at a local path or `s3://bucket/prefix`.

    Raises:
        ArgumentError: the URL is empty, has another scheme, or is a bucket in a `Path`, which holds none.
        MissingExtraError: it is a bucket and the extra `s3` is not installed.
    """
    text = str(url)
    if text.startswith("s3://"):
        from lakehouse.store.s3 import S3Store

        return S3Store(text)
    if not text:
        raise ArgumentError("An empty text names no lake.", hint=_FORMS)
    if scheme := _SCHEME.match(text):
        raise ArgumentError(f"Can not open {scheme.group()}/ lakes.", hint=_FORMS)
    return LocalStore(Path(text).expanduser().absolute())
