"""What a source asks of a database: its columns, and rows in batches; the same for every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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


def refused(address: Address, error: Exception) -> SourceError:
    """Build our error of a library's; raise it outside of the handler, so that it does not carry the other.

    What the server does not answer for the moment is temporary: a connection, a lock, a shutdown.
    """
    reason = " ".join(address.scrub(str(error)).split()).rstrip(".")
    return SourceError(
        f"Can not read {address.shown}: {reason or type(error).__name__}.",
        temporary=type(error).__name__ in ("OperationalError", "IOException"),
    )


def guarded(
    address: Address, kinds: tuple[type[Exception], ...], rows: Callable[[], Iterator[Any]]
) -> Iterator[Any]:
    """Give on what `rows` gives, with errors of a library turned into ours.

    Raises:
        SourceError: the library raised one of `kinds`.
    """
    problem: SourceError | None = None
    try:
        yield from rows()
    except kinds as error:
        problem = refused(address, error)
    if problem is not None:
        raise problem
