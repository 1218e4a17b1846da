"""What an open lake and a checkout share: products by name, SQL, and named queries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.names import ProductName
    from lakehouse.partitions.state import TableState
    from lakehouse.product import ReadableProduct
    from lakehouse.queries.result import Result
    from lakehouse.queries.sql import QueryPlan
    from lakehouse.store import Store

Parameters = Mapping[str, Any] | Sequence[Any] | None


class LakeView(ABC):
    """Products by name, SQL over `domain.product`, and the named queries of `queries/`."""

    store: Store
    """the bytes of the lake"""

    @abstractmethod
    def products(self) -> list[str]:
        """Return the names of all products, sorted."""

    @abstractmethod
    def __getitem__(self, name: str | ProductName) -> ReadableProduct:
        """Return a product.

        Raises:
            NotFoundError: there is none of that name; the nearest ones are in the hint.
        """

    def __contains__(self, name: object) -> bool:
        """Say whether there is a product of that name."""
        return str(name) in self.products()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the products."""
        return iter(self.products())

    def __len__(self) -> int:
        """Return the number of products."""
        return len(self.products())

    def sql(self, text: str, parameters: Parameters = None) -> Result:
        """Answer one SELECT over `domain.product` names, in DuckDB's dialect, and nothing else.

        Only the files that the query needs are listed. Of an open lake it sees the newest versions, and the
        rows that are streamed and not sealed yet. Times without a zone are UTC.

        Args:
            text: SQL with `$name` or `?` parameters.
            parameters: their values.

        Raises:
            QueryError: the text is no single SELECT, or uses what the sandbox forbids, or fails.
            NotFoundError: a product does not exist.
        """
        from lakehouse.queries.result import Result
        from lakehouse.queries.sql import run_sql

        return Result(run_sql(text, self._state, parameters=parameters, known=self.products).read_all())

    def sql_reader(self, text: str, parameters: Parameters = None) -> pa.RecordBatchReader:
        """Answer one SELECT as a stream of record batches: for answers that are larger than memory.

        The query runs while the stream is read, and holds a few batches at a time, besides what its own
        ORDER BY, GROUP BY and joins need; these spill to disk. Otherwise as `sql`.

        Args:
            text: SQL with `$name` or `?` parameters.
            parameters: their values.

        Raises:
            QueryError: the text is no single SELECT, or uses what the sandbox forbids, or fails, which it may
                do in the middle of the stream.
            NotFoundError: a product does not exist.
        """
        from lakehouse.queries.sql import run_sql

        return run_sql(text, self._state, parameters=parameters, known=self.products).to_reader()

    def explain(self, text: str, parameters: Parameters = None) -> QueryPlan:
        """Say what a query would read of each product: files, row groups, rows, bytes, and by which engine.

        Footers are opened, and no data page.

        Raises:
            QueryError: as for `sql`.
            NotFoundError: a product does not exist.
        """
        from lakehouse.queries.sql import explain_sql

        return explain_sql(text, self._state, parameters=parameters, known=self.products)

    def query(self, name: str, **arguments: Any) -> Result:
        """Run a named query of `queries/<name>.sql`.

        Args:
            name: of the query; `queries()` lists them.
            arguments: its parameters, and for a logical table the product to use instead of the default.

        Raises:
            NotFoundError: there is no query of that name.
            ArgumentError: an argument is unknown or missing.
        """
        from lakehouse.queries.library import bind_query, load_query

        text, parameters = bind_query(load_query(self.store, name), arguments)
        return self.sql(text, parameters)

    def queries(self) -> Result:
        """Return name, description and parameters of every named query."""
        from lakehouse.queries.library import describe_queries

        return describe_queries(self.store)

    def _state(self, name: ProductName) -> TableState:
        return self[name].live()

    def _ipython_key_completions_(self) -> list[str]:
        """Complete `lake["…` in notebooks."""
        return self.products()
