"""The contract of a data product: what its columns mean, which rows are good, who owns it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lakehouse.catalog.contract_diff import ContractDiff, diff_contracts
from lakehouse.catalog.durations import parse_duration
from lakehouse.catalog.odcs import write_text
from lakehouse.catalog.odcs_reader import read_fields
from lakehouse.catalog.rule import Rule, check_rule
from lakehouse.catalog.versions import parse_version
from lakehouse.errors import ContractError
from lakehouse.names import ProductName
from lakehouse.schema import TableSchema

__all__ = ["Contract", "ContractDiff", "Rule"]

_PARTITION_COLUMNS = ("partition_date", "symbol_bucket")
_LAYOUT_PARTS = {
    "date": re.compile(r"day|week|month|year|none"),
    "symbol": re.compile(r"row_groups|identity|bucket\([1-9][0-9]{0,3}\)", re.ASCII),
}


@dataclass(frozen=True)
class Contract:
    """One version of the contract of one product.

    Raises:
        ContractError: a part is not valid, or the parts do not fit together.
        ArgumentError: the name is not `domain.product`.

    Examples:
        >>> from lakehouse.schema import Column
        >>> columns = (Column("symbol", "string", nullable=False), Column("close", "float64"))
        >>> schema = TableSchema(columns, symbol="symbol")
        >>> contract = Contract(ProductName("market_data", "closes"), "1.0.0", schema)
        >>> Contract.from_yaml(contract.to_yaml()) == contract
        True
    """

    name: ProductName
    """`domain.product`"""
    version: str
    """`major.minor.patch`; a breaking change needs a new major number, and gets a table of its own"""
    schema: TableSchema
    """columns, and the roles of symbol, time and key"""
    owners: tuple[str, ...] = ()
    """who answers for the product: user or team names"""
    description: str = ""
    """what the product is, for the reader of the catalog"""
    layout: str = "auto"
    """`auto`, or a form such as `date=month,symbol=row_groups`, applied when a table is made"""
    rules: tuple[Rule, ...] = ()
    """what good rows are"""
    retention: str | None = None
    """how long rows are kept, by their time, such as `10y`; None leaves it to the domain"""
    freshness: str | None = None
    """how old the newest row may become, such as `1d`; None for no promise"""
    on_bad_value: Literal["reject", "quarantine"] = "quarantine"
    """what becomes of a write with values of the wrong type, or nulls where none may be"""

    def __post_init__(self) -> None:
        """Bring every part to its one form, and check them."""
        object.__setattr__(self, "name", ProductName.parse(str(self.name)))
        owners = (self.owners,) if isinstance(self.owners, str) else tuple(self.owners)
        object.__setattr__(self, "owners", owners)
        object.__setattr__(self, "rules", tuple(self.rules))
        _check(self)

    @classmethod
    def from_yaml(cls, text: str) -> Contract:
        """Read a document of the Open Data Contract Standard v3.1 (or v3.0, v3.2).

        Raises:
            ContractError: the document is broken, or asks for what the lake can not enforce; it says where.
        """
        return cls(**read_fields(text))

    def to_yaml(self) -> str:
        """Return the contract as a document of the Open Data Contract Standard v3.1, for `from_yaml`."""
        return write_text(self)

    def diff(self, other: Contract) -> ContractDiff:
        """Say how `other`, the newer one, differs from this contract; see `diff_contracts`."""
        return diff_contracts(self, other)

    @property
    def major(self) -> int:
        """The major number of the version; each has a table of its own."""
        return parse_version(self.version)[0]


def _check(contract: Contract) -> None:
    parse_version(contract.version)
    _check_layout(contract.layout)
    for part in ("retention", "freshness"):
        text = getattr(contract, part)
        if text is not None:
            parse_duration(text, of=part)
    if contract.on_bad_value not in ("reject", "quarantine"):
        raise ContractError(f"on_bad_value is {contract.on_bad_value!r}.", hint="Use reject or quarantine.")
    if not all(isinstance(owner, str) and owner for owner in contract.owners):
        raise ContractError(f"Owners must be names; got {list(contract.owners)}.")
    _check_columns(contract.schema)
    names = [rule.name for rule in contract.rules]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ContractError(f"Rules must have different names; doubled: {', '.join(doubled)}.")
    for rule in contract.rules:
        check_rule(rule, contract.schema)


def _check_columns(schema: TableSchema) -> None:
    for name in schema.names:
        if name.casefold() in _PARTITION_COLUMNS:
            raise ContractError(f"Column {name!r}: the name is kept for the lake's own partition folders.")
    if len(set(schema.key)) < len(schema.key):
        raise ContractError(f"The key names a column twice: {', '.join(schema.key)}.")


def _check_layout(text: str) -> None:
    """Raise unless the layout has the grammar that `lakehouse.partitions.layout` reads."""
    parts = [part.partition("=") for part in text.split(",")]
    keys = [key for key, _, _ in parts]
    known = all(key in _LAYOUT_PARTS and _LAYOUT_PARTS[key].fullmatch(value) for key, _, value in parts)
    if text != "auto" and not (known and len(set(keys)) == len(keys)):
        raise ContractError(
            f"Unknown layout {text!r}.",
            hint="Write auto, or date=day|week|month|year|none,symbol=row_groups|identity|bucket(n).",
        )
