"""Compaction: the same rows in fewer and better files, proven before the commit.

It commits like any writer, on the version that it read. What others append meanwhile does not disturb it; who
rewrites one of its sources makes it plan anew. The sources stay for old versions, snapshots and open readers
until garbage collection proves that nobody needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lakehouse.catalog.session import session_of
from lakehouse.errors import IntegrityError
from lakehouse.ingest.plans import NOTHING, Plan
from lakehouse.ingest.write import NothingToDoError, Provenance, commit_without_rows
from lakehouse.maintenance.merges import Merge, Survey, most_merged_rows
from lakehouse.maintenance.ordered_rows import ordered_rows
from lakehouse.partitions import digest as digests
from lakehouse.partitions.parquet_files import WrittenFile
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.partitions.verify import content_digest

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.partitions.table import Table

_MERGES_SHOWN = 20


@dataclass(frozen=True, slots=True, repr=False)
class CompactReport:
    """What a compaction would do, or did."""

    product: str
    """`domain.product`"""
    version: int
    """the version that was looked at"""
    dry_run: bool
    """whether it only looked"""
    files: int
    """live files of that version"""
    merges: tuple[Merge, ...]
    """what is worth doing, partition by partition"""
    commits: tuple[int, ...] = ()
    """the versions that it made; several where there is much to do"""

    @property
    def files_before(self) -> int:
        """The number of files that go."""
        return sum(len(merge.files) for merge in self.merges)

    @property
    def files_after(self) -> int:
        """The number of files that their rows will fill, as estimated."""
        return sum(merge.files_after for merge in self.merges)

    @property
    def rows(self) -> int:
        """The number of rows to write anew."""
        return sum(merge.rows for merge in self.merges)

    @property
    def size(self) -> int:
        """The bytes of the files that go."""
        return sum(merge.size for merge in self.merges)

    def __repr__(self) -> str:
        """Say what, where and why, one merge a line."""
        title = f"compaction of {self.product}, version {self.version}"
        if not self.merges:
            return f"{title}: its {self.files:,} files are well laid out"
        lines = [
            f"{title}: {self.files_before:,} of {self.files:,} files become {self.files_after:,} "
            f"({self.rows:,} rows, {self.size:,} bytes)"
        ]
        lines += [f"  {describe(merge)}" for merge in self.merges[:_MERGES_SHOWN]]
        if len(self.merges) > _MERGES_SHOWN:
            lines.append(f"  … and {len(self.merges) - _MERGES_SHOWN:,} more")
        made = ", ".join(map(str, self.commits)) or "none: another process did it first"
        lines.append("dry run: nothing was written" if self.dry_run else f"versions made: {made}")
        return "\n".join(lines)


def describe(merge: Merge) -> str:
    """Return one line: where, how many files, and why."""
    where = merge.partition.rstrip("/") or "the whole table"
    return f"{where}: {len(merge.files):,} files → {merge.files_after:,}, {' and '.join(merge.why)}"


def compact(table: Table, provenance: Provenance, *, dry_run: bool) -> CompactReport:
    """Merge the files of a table that are worth it, in as many commits as bound the work that one may lose.

    Files that others add meanwhile are left to the next time.

    Raises:
        IntegrityError: the rows of a source, or those that were written, are not those recorded; nothing was
            committed, and the files that were written are gone.
        ConflictError: other writers rewrote the same files in every attempt.
    """
    state = session_of(table.store).follow(table.path, table.head)
    run = _Run(state)
    merges = tuple(run.survey.merges(state))
    commits = () if dry_run or not merges else tuple(_commits(table, provenance, run, most=len(state.files)))
    return CompactReport(str(table.name), state.version, dry_run, len(state.files), merges, commits)


def _commits(table: Table, provenance: Provenance, run: _Run, *, most: int) -> Iterator[int]:
    for _ in range(most):
        try:
            yield commit_without_rows(table, provenance, "compact", run.plan).version
        except NothingToDoError:
            return


class _Run:
    """One compaction: which files it may touch, those that it made included."""

    def __init__(self, state: TableState) -> None:
        self.survey = Survey()
        self._ours = {file.path for file in state.files}

    def plan(self, state: TableState) -> Plan:
        """Plan the next commit.

        Raises:
            NothingToDoError: nothing is worth doing.
        """
        merges = self.survey.merges(state, [file for file in state.files if file.path in self._ours])
        if not merges:
            raise NothingToDoError(f"The files of {state.name} are well laid out.")
        batch = _batch(merges, most_merged_rows(state.schema))
        sources = tuple(file for merge in batch for file in merge.files)
        proof = partial(self._prove, state, sources)
        return Plan(_rows(state, batch), NOTHING, remove=sources, proof=proof)

    def _prove(self, state: TableState, sources: Sequence[DataFile], written: Sequence[WrittenFile]) -> None:
        files = [each.file for each in written]
        found = digests.add(*(content_digest(state, file) for file in files))
        _check(state, sources, sum(file.rows for file in files), found, "were written")
        self._ours |= {file.path for file in files}


def _batch(merges: Sequence[Merge], limit: int) -> list[Merge]:
    """Return the first merges that have at most `limit` rows together, and one at least."""
    batch, rows = [merges[0]], merges[0].rows
    for merge in merges[1:]:
        rows += merge.rows
        if rows > limit:
            break
        batch.append(merge)
    return batch


def _rows(state: TableState, batch: Sequence[Merge]) -> Iterator[pa.Table]:
    """Yield the rows of each merge, one file's at a time, cut into equal files where they fill several.

    Raises:
        IntegrityError: those of a merge are not the ones that its sources are recorded to have.
    """
    for merge in batch:
        count, found = 0, digests.EMPTY
        for rows in ordered_rows(state, merge.files, at_once=-(-merge.rows // merge.files_after)):
            count, found = count + rows.num_rows, digests.add(found, digests.digest_of(rows))
            yield rows
        _check(state, merge.files, count, found, "were read")


def _check(state: TableState, sources: Sequence[DataFile], rows: int, digest: str, what: str) -> None:
    expected_rows = sum(file.rows for file in sources)
    expected = digests.add(*(file.digest for file in sources))
    if (rows, digest) != (expected_rows, expected):
        raise IntegrityError(
            f"{rows} rows with the digest {digest} {what}, but the {len(sources)} files of {state.name}, "
            f"such as {sources[0].path}, are recorded with {expected_rows} and {expected}. "
            "Nothing was committed.",
            hint="lake.verify() names the files that were altered.",
        )
