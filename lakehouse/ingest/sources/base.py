"""What a backfill asks of a source: its symbols, its contract, a plan of chunks, and their rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.schema import TableSchema
from lakehouse.times import Interval

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.catalog.contract import Contract


@dataclass(frozen=True, slots=True)
class Chunk:
    """One unit of a backfill: read whole, committed whole, and entered in the ledger under its id."""

    id: str
    """32 hex digits; it changes when the input bytes, the recipe, the symbols or the interval change, and
    does not change when the same files are moved to another folder"""
    symbol: str | None
    """the one symbol of the chunk where it is known before reading; None for unknown or several"""
    interval: Interval
    """rows outside are not read; narrower than asked for where the file's name says which day it holds"""
    files: tuple[str, ...]
    """what is read, for messages: paths relative to the folder of the source, with '/' between segments, or
    what else the source is made of, such as the name of a table"""
    bytes: int
    """size of the input, for progress; 0 where it is not known before"""
    symbols: tuple[str, ...] | None = None
    """rows of other symbols are not read; None for all symbols"""
    content: str = ""
    """32 hex digits; as `id`, whatever interval and symbols: chunks of equal content may share rows"""


class Source(ABC):
    """Somewhere rows come from. A source is read only, and reading a chunk twice gives equal tables.

    A source that is installed under the entry point `lakehouse.sources` has a name of its own: a class, or a
    function, that is called with what follows `name:` and with the keyword options of the caller
    (`registry.open_source`). Sources are sent to other processes: keep what can be pickled, and open files
    and connections when they are needed.
    """

    name: str
    """as the user named it: a path, for messages and the commit's record; never a password"""

    splits_time: bool = False
    """whether a part of an interval costs only that part, as of a service that is asked for a range: a plan
    by a calendar then cuts the interval at sessions"""

    @abstractmethod
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that the source holds, sorted; () if its rows have none."""

    def contract(self) -> Contract | None:
        """Return the contract that fits the rows, for `lake.create(name, like=source)`; None if unknown.

        The name in it is a proposal: the product gets its own.

        Raises:
            SourceError: the source itself can not be read.
        """
        return None

    @abstractmethod
    def chunks(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval
    ) -> tuple[Chunk, ...]:
        """Plan the reading of some symbols (None for all) and an interval `[start, end)`.

        A chunk may turn out to have no rows. A file that is damaged is planned like any other and fails when
        read. Chunks of overlapping intervals are different chunks: a ledger of ids does not see that they
        share rows.

        Raises:
            SourceError: the source itself can not be listed.
        """

    @abstractmethod
    def read(self, chunk: Chunk, schema: TableSchema) -> pa.Table:
        """Return the rows of a chunk, in the order of the file.

        Every column of the contract comes first, in its order and exact type; a nullable column that the file
        lacks is null. A cell that is not exactly a value of its type is null there, and its text stands in an
        extra string column `_raw_<column>`, which is null in all other rows. Columns that the contract does
        not know follow under the name in the file. Rows whose time or symbol is null are inside every
        interval and every choice of symbols.

        Raises:
            SourceError: the chunk's files are missing, have changed, are damaged, or lack a column.
        """
