"""From a URL to its store."""

from __future__ import annotations

from pathlib import Path

from lakehouse.errors import ArgumentError
from lakehouse.store.base import Store
from lakehouse.store.local import LocalStore


def open_store(url: str | Path) -> Store:
    """Return the store at a local path or `s3://bucket/prefix`.

    Raises:
        ArgumentError: the URL has another scheme.
        MissingExtraError: it is a bucket and the extra `s3` is not installed.
    """
    text = str(url)
    scheme, separator, _ = text.partition("://")
    if not separator:
        return LocalStore(Path(text).expanduser().absolute())
    if scheme == "s3":
        from lakehouse.store.s3 import S3Store

        return S3Store(text)
    raise ArgumentError(f"Can not open {scheme}:// lakes.", hint="Give a local path or s3://bucket/prefix.")
