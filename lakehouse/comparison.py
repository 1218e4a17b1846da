"""What differs between two locks, snapshots or checkouts of one lake, product by product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.errors import NotFoundError
from lakehouse.names import ProductName

if TYPE_CHECKING:
    from lakehouse.checkouts import Checkout
    from lakehouse.lake import Lake
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table
    from lakehouse.queries.difference import Difference

Status = Literal["equal", "changed", "added", "removed", "renewed"]


@dataclass(frozen=True, slots=True)
class ProductDifference:
    """One product in two checkouts."""

    product: str
    """`domain.product`"""
    status: Status
    """added and removed: only one of both has it; renewed: under another major version of its contract, so
    that rows do not compare"""
    before: int | None
    """version in the first checkout"""
    after: int | None
    """version in the second checkout"""
    rows: Difference | None = None
    """what differs where the status is `changed`, else None"""

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return self.status != "equal"

    def __repr__(self) -> str:
        """Give the counts."""
        counts = "" if self.rows is None else f", {self.rows!r}"
        return f"<{self.product}: {self.status}, version {self.before} to {self.after}{counts}>"


@dataclass(frozen=True, slots=True)
class LakeDifference:
    """What differs between two checkouts, one entry a product."""

    before: str
    """the first, such as `snapshot 2026-q3`"""
    after: str
    """the second"""
    products: tuple[ProductDifference, ...]
    """sorted by name, equal ones too"""

    def __getitem__(self, name: str) -> ProductDifference:
        """Return the entry of one product.

        Raises:
            NotFoundError: there is none of that name.
        """
        for entry in self.products:
            if entry.product == name:
                return entry
        raise NotFoundError.among(
            "product of this difference", name, [entry.product for entry in self.products]
        )

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return any(self.products)

    def __repr__(self) -> str:
        """Give one line for each product that differs."""
        lines = [f"<LakeDifference: {self.before} to {self.after}, {len(self.products)} products>"]
        return "\n  ".join([*lines, *(repr(entry) for entry in self.products if entry)])


def compare(lake: Lake, before: Any, after: Any, products: Sequence[str] | None = None) -> LakeDifference:
    """Compare two checkouts of a lake; see `Lake.diff`."""
    old, new = _checkout(lake, before), _checkout(lake, after)
    names = sorted(old.states.keys() | new.states.keys())
    if products is not None:
        wanted = {ProductName.parse(name) for name in products}
        for missing in sorted(wanted - set(names)):
            raise NotFoundError.among("product of both", str(missing), map(str, names))
        names = sorted(wanted)
    entries = (_entry(lake, name, old.states.get(name), new.states.get(name)) for name in names)
    return LakeDifference(old.label, new.label, tuple(entries))


def _checkout(lake: Lake, what: Any) -> Checkout:
    from lakehouse.checkouts import Checkout

    return what if isinstance(what, Checkout) else lake.checkout(what)


def _entry(
    lake: Lake, name: ProductName, before: TableState | None, after: TableState | None
) -> ProductDifference:
    from lakehouse.queries.difference import difference

    if before is None or after is None:
        status: Status = "added" if before is None else "removed"
        return ProductDifference(str(name), status, _version(before), _version(after))
    versions = before.version, after.version
    if before.major != after.major:
        return ProductDifference(str(name), "renewed", *versions)
    if before.digest == after.digest and before.rows == after.rows:
        return ProductDifference(str(name), "equal", *versions)
    found = difference(before, after, _table(lake, name, after.major))
    return ProductDifference(str(name), "changed" if found else "equal", *versions, found)


def _version(state: TableState | None) -> int | None:
    return None if state is None else state.version


def _table(lake: Lake, name: ProductName, major: int) -> Table | None:
    """Return the table whose log names the commits; None where the lake has no contract of it any more."""
    try:
        return lake.product(name, major=major).table
    except NotFoundError:
        return None
