"""Prove that stored bytes are what was recorded: size, SHA-256, and the digests recomputed from the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, pairwise
from operator import itemgetter

import numpy as np
import pyarrow as pa

from lakehouse.errors import LakehouseError
from lakehouse.partitions import digest as digests
from lakehouse.partitions.arrays import dictionary_array
from lakehouse.partitions.footers import Footer, Integers, check_size, footer_of, local_file
from lakehouse.partitions.row_groups import read_groups
from lakehouse.partitions.selection import Selection
from lakehouse.partitions.sorting import run_starts
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.partitions.threads import flow
from lakehouse.schema import stored_schema

_ROWS_AT_ONCE = 131_072


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


Sums = dict[int, str]
"""content digest by position in a footer's symbols"""


@dataclass(frozen=True, slots=True)
class _Step:
    """One task: decode some row groups of a file, or hash its bytes."""

    file: DataFile
    groups: tuple[int, ...] | None
    """None: hash the bytes"""


def verify_state(state: TableState, *, quick: bool = False) -> Verification:
    """Check every data file of a version, its partitions, and the version's digest against its files.

    Bytes are hashed and row groups decoded side by side on all cores, a few row groups in memory at a time.

    Args:
        state: the version.
        quick: look at sizes and recorded digests alone; do not read the files.
    """
    found = flow(partial(_size_problem, state), state.files) if quick else _read_problems(state)
    problems = [problem for problem in found if problem is not None]
    total = digests.add(digests.EMPTY, *(file.digest for file in state.files))
    if total != state.digest:
        what = "the digest of the version is not the sum of its files"
        problems.append(Problem(str(state.name), "", what, state.digest, total))
    return Verification(1, len(state.files), state.rows, tuple(problems))


def content_digest(state: TableState, file: DataFile) -> str:
    """Return the digest of a file's rows, read from its bytes.

    Raises:
        IntegrityError: the file is missing, or can not be read.
    """
    footer = footer_of(state.store, file, state.schema.time)
    every = Selection(file, footer, np.arange(len(footer.code)))
    return digests.add(digests.EMPTY, *_sums(state, every).values())


def _size_problem(state: TableState, file: DataFile) -> Problem | None:
    try:
        check_size(state.store, file)
    except LakehouseError as error:
        return _unreadable(state, file, error)
    return None


def _read_problems(state: TableState) -> Iterator[Problem | None]:
    """Read every file, and yield what is wrong with it; a file's steps are neighbours, the hash first."""
    steps = chain.from_iterable(flow(partial(_steps, state), state.files))
    found = flow(lambda step: (step.file, _take(state, step)), steps)
    for file, parts in groupby(found, key=itemgetter(0)):
        yield _judge(state, file, [part for _, part in parts])


def _steps(state: TableState, file: DataFile) -> list[_Step]:
    """Cut a file into tasks of about `_ROWS_AT_ONCE` rows."""
    try:
        ends = footer_of(state.store, file, state.schema.time).group_starts[1:]
    except LakehouseError:  # the second step meets it again, and reports it
        return [_Step(file, None), _Step(file, ())]
    tasks = (ends - 1) // _ROWS_AT_ONCE
    cuts = [*run_starts(tasks).tolist(), len(ends)]
    return [_Step(file, None), *(_Step(file, tuple(range(*cut))) for cut in pairwise(cuts))]


def _take(state: TableState, step: _Step) -> Problem | Sums:
    """Do one task; what it finds wrong is its answer."""
    try:
        if step.groups is None:
            return _hash_problem(state, step.file) or {}
        footer = footer_of(state.store, step.file, state.schema.time)
        return _sums(state, Selection(step.file, footer, _pieces(footer, step.groups)))
    except LakehouseError as error:
        return _unreadable(state, step.file, error)


def _hash_problem(state: TableState, file: DataFile) -> Problem | None:
    check_size(state.store, file)
    with local_file(state.store, file) as local, local.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found == file.sha256:
        return None
    return Problem(
        str(state.name), file.path, "the bytes were altered", f"sha256 {file.sha256}", f"sha256 {found}"
    )


def _pieces(footer: Footer, groups: tuple[int, ...]) -> Integers:
    found: Integers = np.flatnonzero(np.isin(footer.group, groups))
    return found


def _sums(state: TableState, selection: Selection) -> Sums:
    """Recompute the digest of each symbol's rows in whole row groups.

    Columns that the file does not have are null, which adds nothing to a digest.
    """
    footer, pieces, schema = selection.footer, selection.pieces, state.schema
    stored = [field for field in stored_schema(schema) if field.name != schema.symbol]
    present = [field for field in stored if field.name in footer.metadata.schema.names]
    text = [field.name for field in present if pa.types.is_string(field.type)]
    rows = read_groups(state.store, selection, [field.name for field in present], encoded=text)
    codes, counts = footer.code[pieces], footer.rows[pieces]
    if schema.symbol is not None:
        names = footer.symbols[codes[0] : codes[-1] + 1]
        column = dictionary_array(np.repeat((codes - codes[0]).astype(np.int32), counts), names)
        rows = rows.append_column(schema.symbol, column)
    if "_none" in rows.column_names:
        rows = rows.drop_columns("_none")
    starts = np.cumsum(counts) - counts
    sums: Sums = {}
    for code, part in zip(codes.tolist(), digests.run_digests(rows, starts), strict=True):
        sums[code] = digests.add(sums.get(code, digests.EMPTY), part)
    return sums


def _judge(state: TableState, file: DataFile, parts: list[Problem | Sums]) -> Problem | None:
    """Compare what the steps of a file found with what was recorded of it, and of its partitions."""
    sums: Sums = {}
    for part in parts:
        if isinstance(part, Problem):
            return part
        for code, digest in part.items():
            sums[code] = digests.add(sums.get(code, digests.EMPTY), digest)
    total = digests.add(digests.EMPTY, *sums.values())
    name = str(state.name)
    if total != file.digest:
        return Problem(name, file.path, "the rows are not those recorded", file.digest, total)
    footer = footer_of(state.store, file, state.schema.time)
    for code, recorded in enumerate(footer.digests):
        if sums.get(code, digests.EMPTY) != recorded:
            what = f"the rows of {footer.symbols[code] or 'the file'} are not those of its footer"
            return Problem(name, file.path, what, recorded, sums.get(code, digests.EMPTY))
    return None


def _unreadable(state: TableState, file: DataFile, error: LakehouseError) -> Problem:
    recorded = f"{file.size} bytes, {file.rows} rows"
    return Problem(str(state.name), file.path, error.message, recorded, "unreadable")
