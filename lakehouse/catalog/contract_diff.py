"""What changed between two versions of a contract, and whether the version number says so.

Breaking, because an old query or an old writer would go wrong: a column removed or of another type or unit;
null newly allowed (readers that count on a value meet none) or newly forbidden (writers are refused, and
stored nulls contradict it); a new column that may not be null (old files can not supply it); another key,
time or symbol column. Compatible: a nullable column added, columns in another order, rules, retention,
freshness, layout (which only new tables take up), the fate of bad values. Patch: descriptions, owners, the
order of rules, a unit where none was named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lakehouse.catalog.versions import parse_version
from lakehouse.errors import ContractError
from lakehouse.schema import Column, TableSchema

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.catalog.rule import Rule

DiffLevel = Literal["breaking", "compatible", "patch", "equal"]
Change = tuple[DiffLevel, str]

_ORDER: tuple[DiffLevel, ...] = ("breaking", "compatible", "patch", "equal")


@dataclass(frozen=True, slots=True)
class ContractDiff:
    """How one contract differs from another, its version number aside."""

    level: DiffLevel
    """the gravest of the changes; equal when there is none"""
    reasons: tuple[str, ...]
    """one sentence a change, each led by its own level, the gravest first"""


def diff_contracts(old: Contract, new: Contract) -> ContractDiff:
    """Say how `new` differs from `old`; version numbers do not count.

    Raises:
        ContractError: they are contracts of two different products.
    """
    if old.name != new.name:
        raise ContractError(f"{old.name} and {new.name} are different products.")
    changes = [*_column_changes(old.schema, new.schema), *_role_changes(old.schema, new.schema)]
    changes += [*_rule_changes(old, new), *_fact_changes(old, new)]
    changes.sort(key=lambda change: _ORDER.index(change[0]))
    return ContractDiff(
        changes[0][0] if changes else "equal", tuple(f"{level}: {reason}" for level, reason in changes)
    )


def check_successor(old: Contract, new: Contract) -> None:
    """Raise unless the version number of `new` rises far enough above that of `old` for what changed.

    A breaking change needs a new major number, a compatible one a new minor number, any other a new patch.

    Raises:
        ContractError: with the changes and the lowest version that fits.
    """
    found = diff_contracts(old, new)
    lowest = next_version(old.version, found.level)
    if parse_version(new.version) >= parse_version(lowest):
        return
    reasons = "; ".join(found.reasons) or "nothing changed"
    raise ContractError(
        f"{new.name} {new.version} can not follow {old.version} ({reasons}).",
        hint=f"Give it the version {lowest}.",
    )


def next_version(version: str, level: DiffLevel) -> str:
    """Return the lowest version that may follow `version` after a change of this level.

    Examples:
        >>> next_version("1.4.2", "breaking"), next_version("1.4.2", "patch")
        ('2.0.0', '1.4.3')
    """
    major, minor, patch = parse_version(version)
    match level:
        case "breaking":
            return f"{major + 1}.0.0"
        case "compatible":
            return f"{major}.{minor + 1}.0"
        case _:
            return f"{major}.{minor}.{patch + 1}"


def _column_changes(old: TableSchema, new: TableSchema) -> Iterator[Change]:
    for name in old.names:
        if name not in new.names:
            yield "breaking", f"column {name} was removed"
    for column in new.columns:
        if column.name in old.names:
            yield from _one_column_changes(old[column.name], column)
        elif column.nullable:
            yield "compatible", f"nullable column {column.name} was added"
        else:
            yield (
                "breaking",
                f"column {column.name} was added and must not be null, but old rows have no value",
            )
    kept = [name for name in old.names if name in new.names]
    if kept != [name for name in new.names if name in old.names]:
        yield "compatible", "columns stand in another order"


def _one_column_changes(old: Column, new: Column) -> Iterator[Change]:
    name = new.name
    if old.type != new.type:
        yield "breaking", f"column {name} changed its type from {old.type} to {new.type}"
    if old.nullable != new.nullable:
        yield "breaking", f"column {name} {'may now' if new.nullable else 'must no longer'} be null"
    if old.unit != new.unit:
        level: DiffLevel = "patch" if old.unit is None else "breaking"
        yield level, f"column {name} changed its unit from {old.unit or 'none'} to {new.unit or 'none'}"
    if old.description != new.description:
        yield "patch", f"column {name} has another description"


def _role_changes(old: TableSchema, new: TableSchema) -> Iterator[Change]:
    for role in ("symbol", "time"):
        before, after = getattr(old, role), getattr(new, role)
        if before != after:
            yield "breaking", f"the {role} column changed from {before or 'none'} to {after or 'none'}"
    if old.key != new.key:
        yield "breaking", f"the key changed from {_listed(old.key)} to {_listed(new.key)}"


def _rule_changes(old: Contract, new: Contract) -> Iterator[Change]:
    before: dict[str, Rule] = {rule.name: rule for rule in old.rules}
    after: dict[str, Rule] = {rule.name: rule for rule in new.rules}
    for name in before:
        if name not in after:
            yield "compatible", f"rule {name} was removed"
    for name, rule in after.items():
        if name not in before:
            yield "compatible", f"rule {name} was added"
        elif replace(before[name], description=rule.description) != rule:
            yield "compatible", f"rule {name} changed"
        elif before[name].description != rule.description:
            yield "patch", f"rule {name} has another description"
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield "patch", "rules stand in another order"


def _fact_changes(old: Contract, new: Contract) -> Iterator[Change]:
    for part in ("retention", "freshness", "layout", "on_bad_value"):
        before, after = getattr(old, part), getattr(new, part)
        if before != after:
            yield "compatible", f"{part} changed from {before or 'none'} to {after or 'none'}"
    if old.owners != new.owners:
        yield "patch", f"owners changed from {_listed(old.owners)} to {_listed(new.owners)}"
    if old.description != new.description:
        yield "patch", "the description changed"


def _listed(names: tuple[str, ...]) -> str:
    return f"({', '.join(names)})" if names else "none"
