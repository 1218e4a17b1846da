"""Restore, explained first: a version, a snapshot or a lock becomes the newest version again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.catalog.lake_document import read_lake
from lakehouse.catalog.locks import read_lock
from lakehouse.catalog.snapshots import snapshot_names
from lakehouse.checkouts import from_lock, from_snapshot
from lakehouse.errors import ArgumentError, ContractError, NotFoundError
from lakehouse.ingest import restore as commits

if TYPE_CHECKING:
    from lakehouse.ingest.write import Provenance
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table
    from lakehouse.product import Product
    from lakehouse.store import Store


@dataclass(frozen=True, slots=True, repr=False)
class RestoreReport:
    """What a restore would change, or did."""

    product: str
    """`domain.product`"""
    version: int
    """the newest version, when it was looked at"""
    dry_run: bool
    """whether it only looked"""
    to: str
    """what is restored, in words"""
    to_version: int
    """its version"""
    files_come: int
    """files that become live again"""
    files_go: int
    """live files that go; old versions keep them"""
    rows_come: int
    """rows of the files that come"""
    rows_go: int
    """rows of the files that go; where both hold the same rows, they count here too"""
    rows: int
    """rows of the product afterwards"""
    digest: str
    """content digest of the product afterwards"""
    same_rows: bool
    """whether the newest version holds the very same rows"""
    layout: str | None = None
    """layout that comes back with the files; None where it is that of now"""
    commit: int | None = None
    """the version that it made; None where it only looked, or the same files are live"""

    def __repr__(self) -> str:
        """Say what comes and what goes."""
        title = f"restore of {self.product}, version {self.version}, to {self.to}"
        if not self.files_come and not self.files_go:
            return f"{title}: it is that already"
        lines = [
            f"{title}: {self.rows:,} rows afterwards{', the same as now' if self.same_rows else ''}",
            f"  come: {self.rows_come:,} rows in {self.files_come:,} files",
            f"  go: {self.rows_go:,} rows in {self.files_go:,} files",
        ]
        if self.layout is not None:
            lines.append(f"  the layout becomes {self.layout}")
        return "\n".join([*lines, "dry run: nothing was written" if self.dry_run else f"made {self.commit}"])


def restore(
    store: Store, product: Product, to: int | str | Path, provenance: Provenance, *, dry_run: bool
) -> RestoreReport:
    """Make an old state of a product its newest version; see `Lake.restore`.

    Raises:
        NotFoundError: there is no such version, snapshot or file, or the product is not in it.
        ContractError: the state does not fit the table.
        IntegrityError: a file of it is gone, or the lock was made in another lake.
        ConflictError: other machines won every attempt.
    """
    table = product.table
    old, label = _target(store, product, to)
    _check_fits(old, table)
    report = _look(old, table.head(), label, dry_run=dry_run)
    if dry_run or not (report.files_come or report.files_go):
        return report
    named = dataclasses.replace(provenance, source=label)
    return dataclasses.replace(report, commit=commits.restore(table, old, named).version)


def _target(store: Store, product: Product, to: int | str | Path) -> tuple[TableState, str]:
    """Return the state to restore, and what it is in words."""
    if isinstance(to, bool) or not isinstance(to, int | str | Path):
        raise ArgumentError(
            f"Can not restore {to!r}.", hint="Give a version number, a snapshot name, or the Path of a lock."
        )
    if isinstance(to, int):
        if not product.table.exists:
            raise NotFoundError(f"{product.name} was never written, so there is no version to restore.")
        return product.state(version=to), f"version {to}"
    if isinstance(to, Path) or (to not in snapshot_names(store) and Path(to).is_file()):
        checkout = from_lock(store, read_lock(Path(to)), read_lake(store).id)
    else:
        checkout = from_snapshot(store, to)
    state = checkout[product.name].state()
    return state, f"version {state.version} of {checkout.label}"


def _check_fits(old: TableState, table: Table) -> None:
    """Raise unless the files of a state can be live in a table.

    Raises:
        ContractError: the major version or a column differs.
    """
    if old.major != table.major:
        raise ContractError(
            f"That version of {table.name} is of major version {old.major}, and the newest contract is of "
            f"{table.major}, with a table of its own.",
            hint="Read it with checkout, and write its rows.",
        )
    head = table.head()
    unknown = sorted({name for file in old.files for name in file.columns} - set(head.schema.names))
    if unknown:
        raise ContractError(
            f"That version of {table.name} has columns that the table has not: {', '.join(unknown)}.",
            hint=f"It was written under contract {old.contract_version}: apply that contract first.",
        )


def _look(old: TableState, head: TableState, label: str, *, dry_run: bool) -> RestoreReport:
    live, wanted = {file.path for file in head.files}, {file.path for file in old.files}
    come = [file for file in old.files if file.path not in live]
    go = [file for file in head.files if file.path not in wanted]
    return RestoreReport(
        product=str(head.name),
        version=head.version,
        dry_run=dry_run,
        to=label,
        to_version=old.version,
        files_come=len(come),
        files_go=len(go),
        rows_come=sum(file.rows for file in come),
        rows_go=sum(file.rows for file in go),
        rows=old.rows,
        digest=old.digest,
        same_rows=old.digest == head.digest,
        layout=str(old.layout) if come and head.layout not in (None, old.layout) else None,
    )
