"""What a source asks of a database: its columns, and rows in batches; the same for every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.databases.address import Address

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
"""Rows that travel at once: the memory of a read is that of its chunk and of one batch."""


class Engine(Protocol):
    """One kind of database. Every call opens a connection of its own, and only reads."""

    def mark(self, position: int) -> str:
        """Return the placeholder of the parameter at a position from 1."""

    def columns(self, relation: str) -> pa.Schema:
        """Return the columns of a table or query; a type is null where it depends on the row.

        Raises:
            SourceError: it can not be asked.
        """

    def batches(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.Table]:
        """Give the rows of a query in batches; of the empty result one batch without rows.

        Raises:
            SourceError: it can not be asked.
        """

    def seconds(self, column: str) -> str:
        """Return the SQL for seconds since 1970 of a date or timestamp column, whole or not."""


def quoted(name: str) -> str:
    """Return an identifier as SQL writes it, whatever is in it.

    Examples:
        >>> quoted('we"ird; drop')
        '"we""ird; drop"'
    """
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Guard:
    """How a library's errors become ours."""

    address: Address
    """of the database"""
    kind: type[Exception]
    """what the library raises"""
    is_temporary: Callable[[Any], bool]
    """whether another attempt may succeed: a lost connection, a lock"""

    def watch(self, rows: Callable[[], Iterator[pa.Table]]) -> Iterator[pa.Table]:
        """Give on what `rows` gives.

        Raises:
            SourceError: the library failed. It does not carry that error, which may name the address.
        """
        problem: SourceError | None = None
        try:
            yield from rows()
        except self.kind as error:
            problem = self._ours(error)
        if problem is not None:
            raise problem

    def _ours(self, error: Exception) -> SourceError:
        reason = " ".join(self.address.scrub(str(error)).split()).rstrip(".")
        return SourceError(
            f"Can not read {self.address.shown}: {reason or type(error).__name__}.",
            temporary=self.is_temporary(error),
        )
