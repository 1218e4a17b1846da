"""What a query reads, as a plan that can be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.queries.sql.choice import Engine, Source, decoded_row_count, hits, select

if TYPE_CHECKING:
    from lakehouse.partitions.selection import Selection

_SHOWN = ("product", "version", "engine", "files", "row groups", "rows", "bytes", "cached", "columns")


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What a query reads of one product."""

    product: str
    """its name"""
    version: int
    """the commit that is read"""
    engine: Engine
    """who reads: "parquet": DuckDB, from the files; "decoded": small, so decoded ahead; "cached columns":
    mapped from the column cache; "as-of kernel": matched ahead by the as-of join"""
    files: int
    """live data files of that version"""
    files_listed: int
    """those that can hold a row of the answer"""
    row_groups: int
    """row groups of the listed files that can hold a row of the answer"""
    rows: int
    """rows of those row groups"""
    bytes: int
    """size on disk of the columns of those row groups that the query can use"""
    chunks: int
    """columns of row groups that are read: the unit of the column cache"""
    cached: int
    """those that the column cache holds"""
    columns: tuple[str, ...]
    """that the query can use"""
    predicates: tuple[str, ...]
    """conditions on stored columns by which files and row groups were chosen"""


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """What a query reads: a sequence of one `ScanPlan` a product, by name, shown as a table.

    Examples:
        >>> QueryPlan((), ("The query reads no product.",))
        The query reads no product.
    """

    products: tuple[ScanPlan, ...]
    """by name"""
    notes: tuple[str, ...] = ()
    """what else there is to know, such as why an as-of join is left to DuckDB"""

    def __iter__(self) -> Iterator[ScanPlan]:
        """Iterate over the products."""
        return iter(self.products)

    def __len__(self) -> int:
        """Return the number of products."""
        return len(self.products)

    def __getitem__(self, name: str) -> ScanPlan:
        """Return the plan of a product.

        Raises:
            NotFoundError: the query does not read it.
        """
        from lakehouse.errors import NotFoundError

        for plan in self.products:
            if plan.product == name:
                return plan
        raise NotFoundError.among("product of the query", name, [plan.product for plan in self.products])

    def __repr__(self) -> str:
        """Show a line for each product, then the notes."""
        rows = [_SHOWN, *map(_cells, self.products)] if self.products else []
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *self.notes])


def scan_plan(source: Source) -> ScanPlan:
    """Return what is read of one product; opens footers and no data page.

    Raises:
        IntegrityError: a data file is missing, or its footer is altered.
    """
    view, state = source.view, source.view.state
    needed = view.bounds is not None and bool(view.files)
    selections = source.selections if source.selections is not None else select(view) if needed else []
    selections = [each for each in selections if each.stored]
    found = hits(state, selections, source.columns)
    return ScanPlan(
        product=str(state.name),
        version=state.version,
        engine=source.engine,
        files=len(state.files),
        files_listed=len(selections) if source.decoded else len(view.files),
        row_groups=sum(len(each.groups) for each in selections),
        rows=decoded_row_count(selections),
        bytes=sum(_stored_bytes(each, source.columns) for each in selections),
        chunks=found.parts,
        cached=found.cached,
        columns=source.columns,
        predicates=view.predicates(),
    )


def _stored_bytes(selection: Selection, columns: Sequence[str]) -> int:
    """Return the compressed size of some columns in the chosen row groups of one file."""
    metadata = selection.footer.metadata
    places = [place for place, name in enumerate(metadata.schema.names) if name in columns]
    groups = [metadata.row_group(group) for group in selection.groups]
    return sum(int(group.column(place).total_compressed_size) for group in groups for place in places)


def _cells(plan: ScanPlan) -> tuple[str, ...]:
    return (
        plan.product,
        str(plan.version),
        plan.engine,
        f"{plan.files_listed} of {plan.files}",
        str(plan.row_groups),
        f"{plan.rows:,}",
        f"{plan.bytes:,}",
        f"{plan.cached} of {plan.chunks}",
        ", ".join(plan.columns),
    )
