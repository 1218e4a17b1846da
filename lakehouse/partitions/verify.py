"""Prove that stored bytes are what was recorded: size, SHA-256, and the digest recomputed from the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from lakehouse.errors import LakehouseError
from lakehouse.partitions import digest as digests
from lakehouse.partitions.footers import check_size, local_file
from lakehouse.partitions.reading import read_stored, select_pieces
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.times import Interval


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as recorded."""

    product: str
    """`domain.product`"""
    path: str
    """of the file, relative to the root of the lake"""
    what: str
    """in words"""
    expected: str
    """as recorded"""
    got: str
    """as found"""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification looked at, and what differs."""

    products: int
    """number of product versions"""
    files: int
    """number of data files"""
    rows: int
    """number of rows"""
    problems: tuple[Problem, ...] = ()
    """empty where everything is as recorded"""

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.problems

    def __add__(self, other: Verification) -> Verification:
        """Join the verifications of two products."""
        counts = self.products + other.products, self.files + other.files, self.rows + other.rows
        return Verification(*counts, self.problems + other.problems)


def verify_state(state: TableState, *, quick: bool = False) -> Verification:
    """Check every data file of a version, and the version's digest against its files.

    Args:
        state: the version.
        quick: look at sizes and recorded digests alone; do not read the files.
    """
    problems = [problem for file in state.files for problem in _file_problems(state, file, quick=quick)]
    total = digests.add(digests.EMPTY, *(file.digest for file in state.files))
    if total != state.digest:
        problems.append(
            Problem(
                str(state.name),
                "",
                "the digest of the version is not the sum of its files",
                state.digest,
                total,
            )
        )
    return Verification(1, len(state.files), state.rows, tuple(problems))


def _file_problems(state: TableState, file: DataFile, *, quick: bool) -> Iterator[Problem]:
    name = str(state.name)
    try:
        check_size(state.store, file)
        if quick:
            return
        with local_file(state.store, file) as local, local.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
        if found != file.sha256:
            yield Problem(
                name, file.path, "the bytes were altered", f"sha256 {file.sha256}", f"sha256 {found}"
            )
            return
        content = _content_digest(state, file)
        if content != file.digest:
            yield Problem(name, file.path, "the rows are not those recorded", file.digest, content)
    except LakehouseError as error:
        yield Problem(name, file.path, error.message, f"{file.size} bytes, {file.rows} rows", "unreadable")


def _content_digest(state: TableState, file: DataFile) -> str:
    alone = TableState(
        state.store, state.name, state.major, state.version, state.schema, state.layout, (file,)
    )
    return digests.digest_of(read_stored(alone, select_pieces(alone, None, Interval())))
