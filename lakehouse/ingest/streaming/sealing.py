"""Sealing: the rows of a tail become a version, each exactly once, whatever dies when.

Rows that broke a rule of their own, rows that break a rule over many rows, and rows whose key is stored with
other values go to the quarantine of the commit: an acknowledged row may be flagged, and it never vanishes. A
rule of level `reject` counts as `quarantine` here, since nobody is left to whom the row could be given back.

The commit carries the watermark, and stands only where the watermark before it is the one that the rows
follow. So a commit whose answer was lost is not repeated, and segments are deleted only after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.session import session_of
from lakehouse.errors import IntegrityError, KeyConflictError
from lakehouse.ingest.plans import key_scope_of, stored_in
from lakehouse.ingest.prepare import prepare
from lakehouse.ingest.write import AlreadySealedError, Provenance, Sealed, commit_prepared
from lakehouse.partitions.arrays import take_rows
from lakehouse.partitions.keys import match
from lakehouse.partitions.reading import to_reader_types
from lakehouse.partitions.tail.folder import WATERMARK, segment_first, segments_in, tail_folder, writers_in
from lakehouse.partitions.tail.frames import Damage, Frame
from lakehouse.partitions.tail.packing import RowFormat
from lakehouse.partitions.tail.pieces import Piece
from lakehouse.partitions.tail.segment import Segment
from lakehouse.partitions.tail.writers import Writer, clean, try_writer
from lakehouse.schema import TableSchema
from lakehouse.store import durable

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table

_KEY_RULE = "unique_key"


class Target(Protocol):
    """Where rows go; a product is one."""

    table: Table
    """the table"""

    @property
    def contract(self) -> Contract:
        """The contract against which rows are checked."""


Targets = Callable[[], Target]
"""returns the product under its newest contract"""


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes of a segment that hold no row that could be read."""

    file: str
    """the segment; kept under this name with `.damaged` behind it, where rows of it were acknowledged"""
    offset: int
    """where the bytes begin"""
    length: int
    """how many they are; 0 where rows are missing of which no byte is left"""
    is_torn: bool
    """the writer died within its last frame, which it had not acknowledged"""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was sealed of one writer."""

    product: str
    """`domain.product`"""
    writer: str
    """its id"""
    rows: int
    """how many rows"""
    commit: Commit | None
    """the version that has them; None where there were none"""
    cut: tuple[Cut, ...] = ()
    """what could not be read"""


@dataclass(frozen=True, slots=True)
class _Read:
    """A segment that was read to its end."""

    file: Path
    segment: Segment | None
    """None where its header is damaged"""
    frames: Sequence[Frame]
    cut: Sequence[Cut]

    @property
    def last(self) -> int:
        """Number of the last row; 0 for none."""
        return self.frames[-1].first + self.frames[-1].rows - 1 if self.frames else 0

    @property
    def end(self) -> int:
        """Where the last row ends in the file; 0 for none."""
        return self.frames[-1].end if self.frames else 0


def recover(target: Targets) -> list[Recovery]:
    """Seal what the writers of a table left that do not live any more.

    Args:
        target: returns the product under its newest contract.

    Raises:
        StorageError: the disk refused, or has no locks.
        LakehouseError: a newer version of the lakehouse wrote a segment.
        ConflictError: other writers won every attempt.
    """
    table = target().table
    folder = tail_folder(table.store, table.path)
    found = []
    for identity in writers_in(folder):
        writer = try_writer(folder, identity) if segments_in(folder, identity) else None
        if writer is not None:
            try:
                found.append(seal_writer(target, writer))
                clean(writer)
            finally:
                writer.release()
    return found


def seal_writer(target: Targets, writer: Writer, files: Sequence[Path] | None = None) -> Recovery:
    """Seal segments of a writer that this process holds, and delete them.

    Args:
        target: returns the product under its newest contract.
        writer: whose rows they are.
        files: segments that get no more rows; None for all.

    Raises:
        StorageError: the disk refused.
        LakehouseError: a newer version of the lakehouse wrote a segment.
        ConflictError: other writers won every attempt; the rows stay in the tail.
    """
    table = target().table
    if files is None:
        names = segments_in(str(writer.folder.parent), writer.id)
        files = [writer.folder / name for name in names]
    key = WATERMARK + writer.id
    reads = _with_holes([_read(file) for file in files], _watermark(table, key))
    rows, commit = 0, None
    last = max((each.last for each in reads), default=0)
    while last > (after := _watermark(table, key)):
        found = _rows_above(reads, after, table.schema)
        rows, commit = found.num_rows, _commit(target, found, Sealed(key, after, last))
    _delete(reads)
    return Recovery(
        str(table.name), writer.id, rows, commit, tuple(cut for each in reads for cut in each.cut)
    )


def _watermark(table: Table, key: str) -> int:
    return session_of(table.store).follow(table.path, table.head).transactions.get(key, 0)


def _read(file: Path) -> _Read:
    try:
        segment = Segment(str(file))
    except IntegrityError:
        return _Read(file, None, (), (Cut(str(file), 0, file.stat().st_size, is_torn=False),))
    found = list(segment.whole())
    frames = [each for each in found if isinstance(each, Frame)]
    cut = [
        Cut(str(file), each.offset, each.length, each.is_torn) for each in found if isinstance(each, Damage)
    ]
    return _Read(file, segment, frames, cut)


def _with_holes(reads: Sequence[_Read], after: int) -> Sequence[_Read]:
    """Say which segments lack rows up to the next one: those were on the disk before it began."""
    found = list(reads)
    for place, (each, later) in enumerate(pairwise(reads)):
        behind = segment_first(later.file.name) - 1
        if each.segment is not None and behind > max(each.last, after):
            hole = Cut(str(each.file), each.end, 0, is_torn=False)
            cut = [replace(known, is_torn=False) for known in each.cut] or [hole]
            found[place] = replace(each, cut=cut)
    return found


def _rows_above(reads: Iterable[_Read], after: int, schema: TableSchema) -> pa.Table:
    """Return the rows above the watermark, in order of arrival, flagged ones among them."""
    arrow = RowFormat(schema).arrow
    read = ((each.segment, list(each.frames)) for each in reads if each.segment is not None)
    pieces = (Piece(rows) for segment, frames in read for rows in segment.decode(frames))
    return pa.concat_tables([piece.above(after, arrow) for piece in pieces if piece.last > after])


def _commit(target: Targets, rows: pa.Table, sealed: Sealed) -> Commit | None:
    """Commit the rows; None where they were sealed before."""
    provenance = Provenance(source=f"stream {sealed.key.removeprefix(WATERMARK)}", sealed=sealed)
    refused: dict[str, npt.NDArray[np.bool_]] = {}
    while True:
        product = target()
        table, contract = product.table, product.contract
        frame = _as_it_came(rows, contract.schema)
        prepared = prepare(frame, _lenient(contract), refused=refused, store=table.store)
        try:
            return commit_prepared(table, prepared, provenance, "seal")
        except AlreadySealedError:
            return None
        except KeyConflictError:  # also where another writer came in between: look again
            known = refused.get(_KEY_RULE, np.zeros(rows.num_rows, np.bool_))
            refused = {_KEY_RULE: known | _conflicts(table.head(), rows)}


def _as_it_came(rows: pa.Table, schema: TableSchema) -> pa.Table:
    """Return rows as a frame for the gate, with nulls where none may be."""
    typed = to_reader_types(rows, schema, rows.column_names)
    return pa.Table.from_arrays(typed.columns, names=rows.column_names)


def _lenient(contract: Contract) -> Contract:
    rules = (replace(rule, level="quarantine") if rule.level == "reject" else rule for rule in contract.rules)
    return replace(contract, rules=tuple(rules), on_bad_value="quarantine")


def _conflicts(state: TableState, rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Say which rows have a key that is stored with other values."""
    schema = state.schema
    found = np.ones(rows.num_rows, np.bool_)
    for name in {*schema.key, schema.symbol, schema.time} - {None}:
        found &= pc.is_valid(rows.column(name)).to_numpy()
    complete = take_rows(rows, np.flatnonzero(found))
    old = stored_in(state, key_scope_of(complete, schema))
    found[found] = match(complete, old.select(rows.column_names), schema.key).changed_new
    return found


def _delete(reads: Sequence[_Read]) -> None:
    """Delete segments whose rows a version has; one that lost rows is kept under another name."""
    for each in reads:
        with suppress(PermissionError):  # Windows, where a reader maps it: the next recovery deletes it
            if all(cut.is_torn for cut in each.cut):
                each.file.unlink(missing_ok=True)
            else:
                each.file.rename(each.file.with_name(f"{each.file.name}.damaged"))
    for folder in {each.file.parent for each in reads}:
        durable.sync_folder(folder)
