"""One version of one product, as facts: everything that a reader needs, and nothing that can change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse.cached import cached_property
from lakehouse.names import ProductName
from lakehouse.partitions.file_list import Files
from lakehouse.partitions.layout import Layout
from lakehouse.schema import TableSchema, stored_schema
from lakehouse.store import Store
from lakehouse.times import MAX_NS, MIN_NS, Interval

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.partitions.unsealed import SentRuns, Unsealed


@dataclass(frozen=True, slots=True)
class DataFile:
    """One immutable Parquet file; ranges are closed, times are UTC nanoseconds."""

    path: str
    """relative to the root of the lake, as on disk"""
    size: int
    """in bytes"""
    rows: int
    """number of rows"""
    sha256: str
    """of the file's bytes"""
    digest: str
    """content digest of its rows"""
    partition: tuple[tuple[str, str | None], ...] = ()
    """Delta partition values"""
    min_symbol: str | None = None
    """None in a table without symbols"""
    max_symbol: str | None = None
    """None in a table without symbols"""
    min_time: int | None = None
    """None in a table without a time column"""
    max_time: int | None = None
    """None in a table without a time column"""
    columns: tuple[str, ...] = ()
    """columns of the schema that the file has; later ones read as null"""

    def may_hold(self, symbols: Sequence[str] | None, interval: Interval) -> bool:
        """Say whether the file's ranges admit a row of one of the sorted `symbols` in the interval."""
        if (
            self.min_time is not None
            and self.max_time is not None
            and not interval.overlaps(self.min_time, self.max_time)
        ):
            return False
        if symbols is None or self.min_symbol is None or self.max_symbol is None:
            return True
        return any(self.min_symbol <= symbol <= self.max_symbol for symbol in symbols)


@dataclass(frozen=True)
class TableState:
    """One version of one product."""

    store: Store
    """where the files are"""
    name: ProductName
    """the product"""
    major: int
    """major number of the contract"""
    version: int
    """the commit; 0 is the empty table"""
    schema: TableSchema
    """as of this version"""
    layout: Layout | None
    """None until the first write chooses one"""
    files: Sequence[DataFile] = ()
    """the live data files; immutable"""
    digest: str = "0" * 32
    """content digest of all rows"""
    contract_version: str = ""
    """the contract under which this version was written"""
    transactions: Mapping[str, int] = field(default_factory=dict)
    """version at which each idempotency key and ledger chunk was committed; watermarks of tails"""
    time_ns: int = 0
    """when the version was committed, UTC"""
    tail: Unsealed | SentRuns | None = None
    """rows that are not sealed yet, which readers see beside the files: they are part of no version"""

    @cached_property
    def rows(self) -> int:
        """Number of rows."""
        files = self.files
        return files.rows if isinstance(files, Files) else sum(file.rows for file in files)

    @cached_property
    def size(self) -> int:
        """Bytes of all live data files."""
        files = self.files
        return files.size if isinstance(files, Files) else sum(file.size for file in files)

    @cached_property
    def stored(self) -> pa.Schema:
        """The columns as they are stored, with the sequence where there is one."""
        return stored_schema(self.schema)

    def select(self, symbols: Sequence[str] | None, interval: Interval) -> Sequence[DataFile]:
        """Return the files whose ranges admit a row of `symbols` (None: all) in `interval`."""
        wanted = None if symbols is None or self.schema.symbol is None else sorted(set(symbols))
        if wanted is None and interval.start == MIN_NS and interval.end == MAX_NS:
            return self.files
        if isinstance(self.files, Files):
            return self.files.select(wanted, interval)
        return tuple(file for file in self.files if file.may_hold(wanted, interval))
