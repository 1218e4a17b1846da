"""Where every session starts: open a lake, or the exact data that a lock file pins."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import AlreadyExistsError, IntegrityError
from lakehouse.lake import Lake
from lakehouse.store import open_store

if TYPE_CHECKING:
    from lakehouse.checkouts import Checkout

_FILES_LOOKED_AT = 1_000


def open_lake(url: str | Path, *, create: bool = False) -> Lake:
    """Open the lake at a local path or `s3://bucket/prefix`.

    Args:
        url: of the root.
        create: make an empty lake where there is none; an existing one is opened. A bucket is tried out first
            (`store.probe`).

    Raises:
        NotFoundError: there is no lake, and `create` is False.
        StorageError: the place can not be written, or is a bucket where two writers can both win.
    """
    from lakehouse.catalog.lake_document import LAKE_DOCUMENT, create_lake, read_lake

    store = open_store(url)
    if create and store.size(LAKE_DOCUMENT) is None:
        from lakehouse.store.probe import require_safe

        require_safe(store)
        with suppress(AlreadyExistsError):  # another process made it in between
            create_lake(store)
    read_lake(store)
    return Lake(store)


def checkout(lock: str | Path, *, root: str | Path | None = None) -> Checkout:
    """Open the exact data that a lock file pins.

    What is checked when: the lock by its checksum and the manifests by their SHA-256 here and always. Data
    files by presence and size here, where the lock pins at most 1,000 of them; each file again when it is
    first read, in any case. `verify(quick=True)` on the result looks at all of them; `verify()` also reads
    every byte.

    Args:
        lock: path of the lock file.
        root: the lake; None for where the lock was made. A copy or an export of that lake will do.

    Raises:
        NotFoundError: the lock file, or the lake, is not there.
        IntegrityError: the lock was edited, or a manifest or a file is not what it pins.
    """
    from lakehouse.catalog.locks import read_lock
    from lakehouse.checkouts import from_lock

    read = read_lock(lock)
    lake = open_lake(read.lake_url if root is None else root)
    found = from_lock(lake.store, read, lake.id)
    if sum(len(state.files) for state in found.states.values()) > _FILES_LOOKED_AT:
        return found
    problems = found.verify(quick=True).problems
    if problems:
        first = problems[0]
        raise IntegrityError(
            f"{len(problems)} files that {lock} pins are not as recorded: {first.path}: {first.what}.",
            hint="Restore them from a backup or an export; lake verify names all.",
        )
    return found
