"""What a lake loads from sources: plan, backfill, look how far it is, compute a range again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.names import ProductName
from lakehouse.product import Product
from lakehouse.writing import Symbols

if TYPE_CHECKING:
    from lakehouse.ingest.backfill import BackfillPlan, BackfillReport, BackfillStatus, Policy, Progress
    from lakehouse.ingest.sources.base import Source
    from lakehouse.partitions.commit_record import Commit


class Loading:
    """The part of `Lake` that loads sources."""

    @abstractmethod
    def __getitem__(self, name: str | ProductName) -> Product:
        """Return a product."""

    @abstractmethod
    def products(self) -> list[str]:
        """Return the names of all products."""

    def backfill(
        self,
        name: str,
        source: Source | str | Path,
        *,
        recipe: Any = None,
        start: Any = None,
        end: Any = None,
        symbols: Symbols = None,
        calendar: str | None = None,
        sessions_per_chunk: int = 20,
        commit_bytes: int | None = None,
        executor: Literal["threads", "processes"] | Executor | None = None,
        workers: int | None = None,
        policy: Policy | None = None,
        only: Literal["pending", "failed"] = "pending",
        progress: Callable[[Progress], None] | None = None,
        author: str = "",
        message: str = "",
    ) -> BackfillReport:
        """Load a source in chunks, each exactly once: what an earlier run committed is skipped.

        An interrupted backfill goes on when it is called again with the same arguments. Several processes may
        do so at once: they share the work, and take over from one that dies. A chunk that can not be loaded
        stops no other; its error is in the report, and kept (`backfills`).

        Args:
            name: of the product.
            source: a `Source`, or the path or URL of a file, a folder, a glob or a template such as
                `bars/{symbol}.csv.gz` or `s3://bucket/bars/*.parquet`, or `name:location` of an installed
                source, such as `lean:/data/lean/equity/usa/daily`; see `lakehouse.sources`.
            recipe: how to read the files, where their headers do not say it.
            start: first instant inside; None for the beginning.
            end: first instant after; None for the end.
            symbols: one or several; None for all.
            calendar: a name that exchange-calendars knows, such as "XNYS": the report names the sessions
                without rows, and a source that can be asked for a part of an interval is asked by sessions.
            sessions_per_chunk: how many sessions such a chunk has.
            commit_bytes: size of the files that are claimed and committed together; None for a 16th of the
                plan, 32 MB at least and 256 MB at most. Processes that share a backfill must agree on it.
            executor: what loads chunks: "threads" (None), "processes", or any `concurrent.futures.Executor`,
                such as a Dask client's, whose workers reach the lake and the source under the same names.
            workers: how many threads or processes, or how many the executor has; None for one a core.
            policy: rate limit, retries and circuit breaker of the source; None for none.
            only: "failed" for those chunks alone that failed in an earlier run; the only chunk of a source is
                tried again in any case.
            progress: called after every chunk that was read, and after every commit.
            author: who; empty for user@host.
            message: why.

        Raises:
            SourceError: the source has no readable chunk.
            NotFoundError: there is no such product or calendar, or no source of that name.
            ArgumentError: an option can not mean anything, a recipe came with a source that is open, a source
                can not be sent to another process, or an executor forks: its processes would wait for ever.
            MissingExtraError: the calendar or the retries need a library that is not installed.
            LakehouseError: every worker process died, or one of the executor's; what was committed stays.

        Examples:
            >>> import lakehouse, polars, tempfile
            >>> from pathlib import Path
            >>> folder = Path(tempfile.mkdtemp())
            >>> quotes = polars.DataFrame({"symbol": ["IBM"], "bid": [161.1]})
            >>> quotes.write_parquet(folder / "quotes.parquet")
            >>> lake = lakehouse.open(folder / "lake", create=True)
            >>> _ = lake.create("fx.quotes", like=quotes, key=["symbol"])
            >>> first, again = (lake.backfill("fx.quotes", folder / "quotes.parquet") for _ in range(2))
            >>> first.accepted, again.skipped, again.rows
            (1, 1, 1)
        """
        from dataclasses import replace

        from lakehouse.ingest.backfill.plan import make_plan
        from lakehouse.ingest.backfill.run import Settings, backfill
        from lakehouse.ingest.write import Provenance

        product, given = _opened(self, name, source, recipe)
        if calendar and product.contract.schema.time is None:
            raise ArgumentError(f"{name} has no time column, so no sessions.")
        extent = _extent(start, end, symbols, calendar, sessions_per_chunk, commit_bytes)
        plan = make_plan(product.table, given, extent)
        settings = Settings(executor, workers, policy, only, progress)
        provenance = Provenance(author=author, message=message)
        report = backfill(product.table, product.contract, given, plan, settings, provenance)
        return replace(report, missing=_missing(product, plan, symbols)) if calendar else report

    def plan_backfill(
        self,
        name: str,
        source: Source | str | Path,
        *,
        recipe: Any = None,
        start: Any = None,
        end: Any = None,
        symbols: Symbols = None,
        calendar: str | None = None,
        sessions_per_chunk: int = 20,
        commit_bytes: int | None = None,
    ) -> BackfillPlan:
        """Return what `backfill` would load, and write nothing; the arguments are those of `backfill`.

        Raises:
            SourceError: the source has no readable chunk.
            NotFoundError: there is no such product or calendar, or no source of that name.
            ArgumentError: an option can not mean anything, or a recipe came with a source that is open.
            MissingExtraError: the calendar needs a library that is not installed.

        Examples:
            >>> import lakehouse, polars, tempfile
            >>> from pathlib import Path
            >>> folder = Path(tempfile.mkdtemp())
            >>> quotes = polars.DataFrame({"symbol": ["IBM"], "bid": [161.1]})
            >>> quotes.write_parquet(folder / "quotes.parquet")
            >>> lake = lakehouse.open(folder / "lake", create=True)
            >>> _ = lake.create("fx.quotes", like=quotes, key=["symbol"])
            >>> plan = lake.plan_backfill("fx.quotes", folder / "quotes.parquet")
            >>> [chunk.files for chunk in plan.pending], plan.done
            ([('quotes.parquet',)], frozenset())
        """
        from lakehouse.ingest.backfill.plan import make_plan

        extent = _extent(start, end, symbols, calendar, sessions_per_chunk, commit_bytes)
        product, given = _opened(self, name, source, recipe)
        return make_plan(product.table, given, extent)

    def backfills(self, name: str | None = None) -> list[BackfillStatus]:
        """Return how far each backfill of several chunks is, oldest first, by product.

        Args:
            name: of a product; None for all. Only the newest major version is looked at.

        Raises:
            NotFoundError: there is no such product.
            IntegrityError: a document of the catalog is broken.

        Examples:
            >>> import lakehouse, tempfile
            >>> lakehouse.open(tempfile.mkdtemp() + "/lake", create=True).backfills()
            []
        """
        from lakehouse.ingest.backfill.status import plans_of, status_of

        tables = [self[each].table for each in ([name] if name else self.products())]
        return [status_of(table, plan) for table in tables for plan in plans_of(table)]

    def restate(
        self,
        name: str,
        source: Source | str | Path,
        start: Any = None,
        end: Any = None,
        symbols: Symbols = None,
        *,
        recipe: Any = None,
        executor: Literal["threads", "processes"] | Executor | None = None,
        workers: int | None = None,
        author: str = "",
        message: str = "",
    ) -> Commit:
        """Compute a range again: replace exactly its rows by what the source gives now, in one commit.

        All or nothing: where one chunk can not be read, nothing is replaced. Rows that break a rule go to
        quarantine, as ever, and are missing from the range afterwards; where every row does, nothing is
        replaced. Older versions stay readable. The range must fit in memory.

        Args:
            name: of the product.
            source: as for `backfill`.
            start: first instant inside, UTC; None for the beginning.
            end: first instant after; None for the end.
            symbols: whose rows; None for all.
            recipe: how to read the files, where their headers do not say it.
            executor: what reads chunks, as for `backfill`.
            workers: how many; None for one a core.
            author: who; empty for user@host.
            message: why.

        Raises:
            SourceError: a chunk can not be read, or the source has no row in the range, or gives others.
            SchemaError: rows do not fit the contract.
            KeyConflictError: a key is stored outside the range, or two chunks hold it with different values.
            NotFoundError: there is no such product, or no source of that name.
            ArgumentError: a recipe came with a source that is open.

        Examples:
            >>> import lakehouse, polars, tempfile
            >>> from pathlib import Path
            >>> file = Path(tempfile.mkdtemp()) / "quotes.parquet"
            >>> quotes = polars.DataFrame({"symbol": ["IBM"], "bid": [161.1]})
            >>> quotes.write_parquet(file)
            >>> lake = lakehouse.open(file.parent / "lake", create=True)
            >>> product = lake.create("fx.quotes", like=quotes, key=["symbol"])
            >>> _ = lake.backfill("fx.quotes", file)
            >>> quotes.with_columns(bid=161.2).write_parquet(file)
            >>> commit = lake.restate("fx.quotes", file, symbols=["IBM"], message="vendor correction")
            >>> commit.accepted, commit.removed, product.read().to_polars()["bid"].to_list()
            (1, 1, [161.2])
        """
        from lakehouse.ingest.backfill.restate import restate
        from lakehouse.ingest.write import Provenance

        product, given = _opened(self, name, source, recipe)
        provenance = Provenance(author=author, source=given.name, message=message)
        extent = _extent(start, end, symbols, None, 1, None)
        return restate(
            product.table,
            product.contract,
            given,
            extent,
            provenance,
            executor=executor,
            workers=workers,
        )


def _opened(lake: Loading, name: str, source: Source | str | Path, recipe: Any) -> tuple[Product, Source]:
    """Return a product and a source; a product that is missing is told with what the source would make."""
    from lakehouse.ingest.contracts import missing_product
    from lakehouse.ingest.sources import as_source

    opened = as_source(source, recipe)
    try:
        return lake[name], opened
    except NotFoundError as error:
        raise missing_product(error, name, opened) from None


def _extent(
    start: Any,
    end: Any,
    symbols: Symbols,
    calendar: str | None,
    sessions_per_chunk: int,
    commit_bytes: int | None,
) -> Any:
    from lakehouse.ingest.backfill.plan import Extent
    from lakehouse.times import Interval

    chosen = [symbols] if isinstance(symbols, str) else symbols
    return Extent(chosen, Interval.of(start, end), calendar, sessions_per_chunk, commit_bytes)


def _missing(product: Product, plan: BackfillPlan, symbols: Symbols) -> tuple[str, ...]:
    """Return the sessions of a plan of which the product has no row."""
    from lakehouse.ingest.backfill.sessions import missing_sessions

    column = product.contract.schema.time
    assert column is not None
    first, last = plan.sessions[0].start_ns, plan.sessions[-1].close_ns + 1
    reader = product.scan(symbols, first, last, columns=[column]).to_reader()
    return missing_sessions(plan.sessions, (each for batch in reader for each in batch.columns))
