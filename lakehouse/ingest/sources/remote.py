"""Files behind a URL as a source: s3://, https://, memory:// and whatever else fsspec knows.

An S3 URL is reached as a lake in a bucket is: by the usual AWS variables or a profile. Messages and records
show a URL without user, password and query, for these may be secrets.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from lakehouse.errors import ArgumentError, MissingExtraError, SourceError
from lakehouse.store.s3_settings import read_settings

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # one letter alone is a drive of Windows
_LOGIN = re.compile(r"(?<=//)[^/@\s]*@")
_QUERY = re.compile(r"[?#][^\s'\")]*")
_WEB = ("http", "https")
_BUCKETS = ("s3", "s3a")
_TRUE = ("1", "true", "on", "yes", "y")


def scheme_of(path: str | Path) -> str | None:
    """Return the scheme of a URL, in small letters; None for a local path.

    Examples:
        >>> scheme_of("S3://bucket/bars.csv"), scheme_of("bars.csv")
        ('s3', None)
    """
    found = _SCHEME.match(path) if isinstance(path, str) else None
    return found[1].lower() if found else None


def split_query(url: str) -> tuple[str, str]:
    """Split what follows a '?' from a web address; elsewhere '?' is a wildcard, and stays.

    Examples:
        >>> split_query("https://host/bars.csv?key=1")
        ('https://host/bars.csv', '?key=1')
    """
    if scheme_of(url) not in _WEB:
        return url, ""
    place, mark, query = url.partition("?")
    return place, mark + query


def shown(url: str) -> str:
    """Return a URL as messages and records may show it: without user, password and query.

    Examples:
        >>> shown("https://me:hush@host/bars.csv?signature=hush")
        'https://host/bars.csv'
    """
    return _LOGIN.sub("", split_query(url)[0])


class RemoteOpener:
    """A folder behind a URL; each file is fetched whole."""

    def __init__(self, folder: str, *, query: str = "") -> None:
        """Find the file system; nothing is sent yet.

        Args:
            folder: its URL.
            query: of a web address, sent with each file.

        Raises:
            ArgumentError: nobody knows the scheme, or the AWS variables can not be used.
            MissingExtraError: the library of the scheme is not installed.
        """
        self._shown = shown(folder)
        self._query = query
        self._files = _connect(folder)
        self._root = str(self._files._strip_protocol(folder)).rstrip("/")

    def below(self, name: str) -> RemoteOpener:
        """Return the opener of a folder in this one."""
        found = copy(self)
        found._shown, found._root = f"{self._shown}/{name}", f"{self._root}/{name}"
        return found

    def kind(self, name: str) -> str | None:
        """Return 'file', 'directory', or None where there is nothing.

        Raises:
            SourceError: it can not be asked.
        """

        def look() -> str | None:
            try:
                return str(self._files.info(self._place(name))["type"])
            except FileNotFoundError:
                return None

        return self._ask(name, look)

    def names(self) -> Iterator[str]:
        """See `Opener.names`.

        Raises:
            SourceError: the folder can not be listed.
        """
        found = self._ask("", lambda: self._files.find(self._root))
        below = (str(place)[len(self._root) :].lstrip("/") for place in found)
        yield from sorted(
            name for name in below if name and not name.endswith("/") and "/." not in f"/{name}"
        )

    def size(self, name: str) -> int:
        """See `Opener.size`."""
        size = self._ask(name, lambda: self._files.size(self._place(name)))
        return len(self.open(name).read()) if size is None else int(size)  # a web server need not say it

    def open(self, name: str) -> BinaryIO:
        """See `Opener.open`."""
        return io.BytesIO(self._ask(name, lambda: self._files.cat_file(self._place(name))))

    def _place(self, name: str) -> str:
        return "/".join(filter(None, (self._root, name))) + self._query

    def _ask(self, name: str, question: Callable[[], T]) -> T:
        """Turn what goes wrong into an error of ours, without the original: it may hold secrets.

        Raises:
            SourceError: anything.
        """
        try:
            return question()
        except Exception as error:  # each file system has errors of its own library
            reason = _reason(error)
        place = "/".join(filter(None, (self._shown, name)))
        raise SourceError(f"Can not read {place}: {reason}.")  # outside the block, so that it has no context


def _connect(url: str) -> AbstractFileSystem:
    scheme = scheme_of(url) or ""
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError.of("fsspec", "s3") from error
    options = _bucket_options(url) if scheme in _BUCKETS else {}
    try:
        # Anew each time: a cached one would show an old listing, and keep the keys of an earlier environment.
        found: AbstractFileSystem = fsspec.filesystem(scheme, skip_instance_cache=True, **options)
    except ImportError as error:
        if scheme in _BUCKETS:
            raise MissingExtraError.of("s3fs", "s3") from error
        if scheme in _WEB:
            raise MissingExtraError.of("aiohttp", "s3") from error
        raise MissingExtraError(f"Can not open {scheme}:// files: {_reason(error)}.") from error
    except ValueError as error:
        hint = "Use a local path, s3://bucket/folder, https://, or a scheme that fsspec knows."
        raise ArgumentError(f"Can not open {scheme}:// files.", hint=hint) from error
    return found


def _bucket_options(url: str) -> dict[str, Any]:
    """Say where a bucket is as lakes do; keys are left to botocore, which finds them in the same places."""
    settings = read_settings(f"s3://{url.partition('://')[2].partition('/')[0]}")
    region = settings.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return {
        "endpoint_url": settings.endpoint,
        "anon": os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in _TRUE,
        "client_kwargs": {"region_name": region} if region else {},
        "config_kwargs": {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 3}},
        "use_listings_cache": False,
    }


def _reason(error: Exception) -> str:
    status = getattr(error, "status", None)  # of a web server, whose error repeats the whole address
    if status:
        return f"the server answers {status}"
    first_line = str(error).partition("\n")[0].strip().rstrip(".")
    text = _QUERY.sub("", _LOGIN.sub("", first_line))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
