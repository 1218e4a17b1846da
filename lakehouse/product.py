"""A data product: what a researcher reads, and what a feed writes."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lakehouse.cached import cached_property
from lakehouse.catalog.session import session_of
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.times import to_nanoseconds
from lakehouse.writing import Symbols, Writable, interval_of, provenance_of, symbols_of

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.ingest.quarantine import Quarantine
    from lakehouse.ingest.verbs import PendingWrite
    from lakehouse.names import ProductName
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table
    from lakehouse.partitions.verify import Verification
    from lakehouse.queries.difference import Difference
    from lakehouse.queries.latest import LatestReader
    from lakehouse.queries.result import Result
    from lakehouse.queries.scan import Scan
    from lakehouse.schema import TableSchema


class ReadableProduct(ABC):
    """The read API, the same for the head, an old version, and a pinned one.

    Times are UTC; `start` and `end` make the half-open interval [start, end), and take a str, date, datetime,
    numpy.datetime64, pandas.Timestamp or int nanoseconds; without a zone they are UTC. Rows come in the
    total order (symbol, time, order of arrival).
    """

    name: ProductName
    """`domain.product`"""

    @abstractmethod
    def state(self, *, version: int | None = None, time: Any = None) -> TableState:
        """Return the version to read."""

    def live(self) -> TableState:
        """Return what reads see: the newest version, and beside it the rows that are not sealed yet.

        The latter are part of no version: `version`, `rows` and `digest` do not count them.
        """
        return self.state()

    @property
    def version(self) -> int:
        """The newest version; 0 is the empty product."""
        return self.state().version

    @property
    def schema(self) -> TableSchema:
        """The columns and their roles."""
        return self.state().schema

    @property
    def rows(self) -> int:
        """Number of rows; from the log alone."""
        return self.state().rows

    @property
    def digest(self) -> str:
        """Content digest of all rows, 32 hex digits: equal rows, however stored, give equal digests."""
        return self.state().digest

    def read(
        self,
        symbols: Symbols = None,
        start: Any = None,
        end: Any = None,
        columns: Sequence[str] | None = None,
        *,
        version: int | None = None,
        time: Any = None,
    ) -> Result:
        """Read rows; without a version or a time, those that are streamed and not sealed yet among them.

        Args:
            symbols: one, several, or None for all.
            start: first instant inside; None for the beginning.
            end: first instant after; None for the end.
            columns: in the order wanted; None for all.
            version: a commit number; None for the newest, and what is not sealed yet beside it.
            time: the newest version committed at or before this instant.

        Raises:
            NotFoundError: a symbol, column or version does not exist.
            ArgumentError: `start` is after `end`, or a time can not be read.
            IntegrityError: a data file is missing or altered.
        """
        return self.scan(symbols, start, end, columns, version=version, time=time).read()

    def scan(
        self,
        symbols: Symbols = None,
        start: Any = None,
        end: Any = None,
        columns: Sequence[str] | None = None,
        *,
        version: int | None = None,
        time: Any = None,
    ) -> Scan:
        """Return a lazy scan, with the arguments of `read`: stream it, explain it, or read it."""
        from lakehouse.queries.scan import Scan

        newest = version is None and time is None
        state = self.live() if newest else self.state(version=version, time=time)
        wanted, interval = symbols_of(state, symbols), interval_of(state, start, end)
        return Scan(state, symbols=wanted, interval=interval, columns=columns)

    def head(
        self, count: int = 5, *, symbols: Symbols = None, columns: Sequence[str] | None = None
    ) -> Result:
        """Return the first `count` rows of each symbol."""
        return self._ends(count, last=False, symbols=symbols, columns=columns)

    def tail(
        self, count: int = 5, *, symbols: Symbols = None, columns: Sequence[str] | None = None
    ) -> Result:
        """Return the last `count` rows of each symbol, reading only the row groups that hold them."""
        return self._ends(count, last=True, symbols=symbols, columns=columns)

    def latest(self, symbols: Symbols = None, *, columns: Sequence[str] | None = None) -> Result:
        """Return the last row of each symbol."""
        return self.tail(1, symbols=symbols, columns=columns)

    def symbols(self) -> Result:
        """Return symbol, first, last and rows of each symbol; no data page is read."""
        from lakehouse.queries.coverage import read_symbols

        return read_symbols(self.live())

    def coverage(self) -> Result:
        """Return the runs of days that each symbol has, and its gaps; see `read_coverage`."""
        from lakehouse.queries.coverage import read_coverage

        return read_coverage(self.live())

    def digests(self) -> Result:
        """Return symbol, period, rows and content digest of each partition; no data page is read.

        Equal rows give equal digests, however they are spread over files: after a compaction too.
        """
        from lakehouse.queries.digests import read_digests

        return read_digests(self.state())

    def verify(self, *, quick: bool = False) -> Verification:
        """Recompute hashes and digests of every file of this version, and name what differs."""
        from lakehouse.partitions.verify import verify_state

        return verify_state(self.state(), quick=quick)

    def _ends(self, count: int, *, last: bool, symbols: Symbols, columns: Sequence[str] | None) -> Result:
        from lakehouse.queries.ends import read_ends

        state = self.live()
        return read_ends(state, count, last=last, symbols=symbols_of(state, symbols), columns=columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Stream every row to polars, DuckDB, pandas, pyarrow and their kin."""
        return self.scan().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        """Name the product and its version."""
        state = self.state()
        size = f"{state.rows:,} rows, {len(state.schema.columns)} columns"
        return f"<{type(self).__name__} {self.name}: version {state.version}, {size}>"


class PinnedProduct(ReadableProduct):
    """A product at one version for ever: what a checkout gives."""

    def __init__(self, state: TableState) -> None:
        self.name = state.name
        self._state = state

    def state(self, *, version: int | None = None, time: Any = None) -> TableState:
        """Return the pinned version.

        Raises:
            ArgumentError: another version was asked for.
        """
        if time is not None or version not in (None, self._state.version):
            raise ArgumentError(
                f"This checkout pins {self.name} at version {self._state.version}.",
                hint="Open the lake to read other versions.",
            )
        return self._state


class Product(ReadableProduct, Writable["Commit"]):
    """A product of an open lake: reads see the newest version, writes make the next."""

    def __init__(self, table: Table, contract: Callable[[], Contract]) -> None:
        self.name = table.name
        self.table = table
        self._contract = contract

    @property
    def contract(self) -> Contract:
        """The contract against which rows are checked; read on first use, since reads do without it.

        Raises:
            ContractError: its document is broken.
        """
        return self._contract()

    def state(self, *, version: int | None = None, time: Any = None) -> TableState:
        """Return the head, a version, or the version of a time.

        Raises:
            ArgumentError: both a version and a time are given.
            NotFoundError: there is no such version, or garbage collection is deleting it just now.
        """
        if version is not None and time is not None:
            raise ArgumentError("Give a version or a time, not both.")
        session = session_of(self.table.store)
        if version is None and time is None:
            return session.follow(self.table.path, self.table.head)
        state = self.table.at(version) if version is not None else self.table.at_time(to_nanoseconds(time))
        session.hold(self.table.path, state)
        return state

    def live(self) -> TableState:
        """See `ReadableProduct.live`; costs one look at a folder more than `state` where nothing is streamed.

        Raises:
            IntegrityError: the header of a segment of the tail is damaged.
        """
        from lakehouse.partitions.tail import open_tail
        from lakehouse.partitions.unsealed import Unsealed

        tail = open_tail(self.table.store, self.table.path)
        state = self.state()  # after the tail was opened: what is sealed in between is in the version
        return state if tail is None else replace(state, tail=Unsealed(tail, state))

    def latest(self, symbols: Symbols = None, *, columns: Sequence[str] | None = None) -> Result:
        """Return the last row of each symbol; of one symbol that is streamed, in microseconds."""
        found = self._latest.find(symbols, columns, self.state) if isinstance(symbols, str) else None
        return super().latest(symbols, columns=columns) if found is None else found

    @cached_property
    def _latest(self) -> LatestReader:
        from lakehouse.queries.latest import LatestReader

        return LatestReader(self.table)

    def _take(self, pending: PendingWrite) -> Commit:
        """Commit at once."""
        return pending.commit()

    def restore(self, version: int, **provenance: Any) -> Commit:
        """Make an old version the newest, as a new commit; nothing is lost.

        It acts at once; `Lake.restore` explains first, and takes snapshots and locks too.

        Raises:
            NotFoundError: there is no such version, or the product was never written.
            IntegrityError: a file of it is gone.
        """
        from lakehouse.ingest.restore import restore

        if not self.table.exists:
            raise NotFoundError(f"{self.name} was never written, so there is no version to restore.")
        return restore(self.table, self.state(version=version), provenance_of(provenance))

    def history(self) -> list[Commit]:
        """Return every commit, newest first."""
        return list(self.table.history())

    def diff(self, before: int, after: int | None = None) -> Difference:
        """Return what differs between two versions, by key, and the commit behind each row.

        Files and partitions that are equal in both are not read.

        Args:
            before: a version.
            after: another one; None for the newest.

        Raises:
            NotFoundError: there is no such version.
        """
        from lakehouse.queries.difference import difference

        return difference(self.state(version=before), self.state(version=after), self.table)

    @property
    def quarantine(self) -> Quarantine:
        """The rows that broke a rule: list, read, correct, replay."""
        from lakehouse.ingest.quarantine import Quarantine

        return Quarantine(self.table, self.contract)


def _before_fork() -> None:
    """Load what first reads load: a child waits for ever for a module that was being loaded at the fork."""
    import lakehouse.partitions.columns.writer
    import lakehouse.queries.ends
    import lakehouse.queries.scan  # noqa: F401


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
