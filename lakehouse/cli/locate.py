"""Which lake a command means, and how it is opened."""

from __future__ import annotations

import os
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import NotFoundError

if TYPE_CHECKING:
    from lakehouse.checkouts import Checkout
    from lakehouse.lake import Lake

ROOT_VARIABLE = "LAKEHOUSE_ROOT"
_MARK = Path("catalog") / "lake.json"


def given_root(options: Namespace) -> str | None:
    """Return the root that the user named, by `--lake` or by the environment."""
    return getattr(options, "lake", None) or os.environ.get(ROOT_VARIABLE) or None


def find_root(options: Namespace) -> str:
    """Return the root that the user named, else the nearest lake around the current folder.

    Raises:
        NotFoundError: there is none.
    """
    root = given_root(options) or _surrounding(Path.cwd())
    if root is None:
        raise NotFoundError(
            f"There is no lake in {Path.cwd()} or above it.",
            hint=f"Name one with --lake PATH or {ROOT_VARIABLE}, or make one: lake init PATH.",
        )
    return root


def open_lake(options: Namespace) -> Lake:
    """Open the lake that a command means."""
    import lakehouse

    return lakehouse.open(find_root(options))


def open_checkout(options: Namespace, what: str) -> Checkout:
    """Open a snapshot, a lock file or a time."""
    return open_lock(options, what) if Path(what).is_file() else open_lake(options).checkout(what)


def open_pinned(options: Namespace, *, checked: bool = True) -> Checkout | None:
    """Open what `--lock` or `--snapshot` names; None for neither."""
    if options.lock:
        return open_lock(options, options.lock, checked=checked)
    return open_snapshot(options, options.snapshot) if options.snapshot else None


def open_snapshot(options: Namespace, name: str) -> Checkout:
    """Open a snapshot, and nothing else of that name.

    Raises:
        NotFoundError: there is no such snapshot.
    """
    from lakehouse.catalog.snapshots import load_snapshot

    lake = open_lake(options)
    return lake.checkout(load_snapshot(lake.store, name).name)


def open_lock(options: Namespace, path: str, *, checked: bool = True) -> Checkout:
    """Open a lock file, in the lake that `lock_root` finds.

    Args:
        options: of the command line.
        path: of the file.
        checked: refuse a lake in which a pinned file is missing or has another size.
    """
    import lakehouse

    root = lock_root(options, path)
    return lakehouse.checkout(path, root=root) if checked else lakehouse.open(root).checkout(path)


def lock_root(options: Namespace, lock: str) -> str:
    """Return the root of the lake in which a lock file opens.

    It is the lake that the user named, else the one around the current folder if it is the same lake or a
    copy of it, else where the lock was made.

    Raises:
        NotFoundError: there is no such file.
    """
    import lakehouse
    from lakehouse.catalog.locks import read_lock

    named = given_root(options)
    if named is not None:
        return named
    read, near = read_lock(lock), _surrounding(Path.cwd())
    return near if near is not None and lakehouse.open(near).id == read.lake_id else read.lake_url


def plain_root(root: str) -> str:
    """Return a root without `..` and symbolic links, for a new lake; a bucket as it is.

    Examples:
        >>> plain_root("s3://bucket/lake")
        's3://bucket/lake'
    """
    return root if "://" in root else str(Path(root).expanduser().resolve())


def _surrounding(start: Path) -> str | None:
    for folder in (start, *start.parents):
        with suppress(OSError):  # a folder above that may not be looked into
            if (folder / _MARK).is_file():
                return str(folder)
    return None
