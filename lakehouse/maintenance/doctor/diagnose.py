"""The doctor at work: look, look again, repair where told to, and look once more at what remains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lakehouse.catalog.authors import author_of
from lakehouse.maintenance.doctor.copies import Copies, copies_for
from lakehouse.maintenance.doctor.diagnosis import Diagnosis
from lakehouse.maintenance.doctor.examine import Look, Scope, examine
from lakehouse.maintenance.doctor.findings import ADVICE, Finding, Repair, Repaired
from lakehouse.maintenance.doctor.repairs import run_repairs
from lakehouse.names import ProductName
from lakehouse.store import Store


def diagnose(
    store: Store,
    *,
    products: Iterable[str] | None = None,
    quick: bool = False,
    repair: bool = False,
    source: Store | None = None,
    author: str = "",
) -> Diagnosis:
    """Find what is not as it was recorded; see `Lake.doctor`.

    Raises:
        NotFoundError: there is no such product.
        StorageError: the disk or bucket can not be listed.
    """
    names = None if products is None else frozenset(ProductName.parse(name) for name in products)
    scope, copies = Scope(names, quick), copies_for(store, source)
    found = _look(store, scope, copies)
    if not repair or not any(finding.repair for finding in found.findings):
        return _diagnosis(store, scope, found, ())
    done = run_repairs(store, found.findings, copies, author=author_of(author))
    return _diagnosis(store, scope, _look(store, scope, copies), done)


def _look(store: Store, scope: Scope, copies: Copies) -> Look:
    """Look, and keep of the findings what a second look finds too.

    Between two listings a living writer commits, renews or ends, and a collector deletes: damage stays.
    """
    first = examine(store, scope)
    paths = frozenset(finding.path for finding in first.findings if finding.kind not in ADVICE)
    if not paths:
        return first
    second = {finding.identity: finding for finding in examine(store, replace(scope, only=paths)).findings}
    confirmed = [second[each.identity] for each in first.findings if each.identity in second]
    return Look(tuple(_with_copy(finding, copies) for finding in confirmed), first.tables, first.files)


def _with_copy(finding: Finding, copies: Copies) -> Finding:
    """Plan to put back a lost or altered file of which there is an intact copy."""
    if finding.sha256 is None:
        return finding
    copy = copies.find(finding.path, finding.sha256, finding.size)
    if copy is None:
        return finding
    text = f"put the intact copy {copy} in its place; altered bytes are kept under another name"
    return replace(finding, repair=Repair("put-copy", text), advice="")


def _diagnosis(store: Store, scope: Scope, look: Look, repairs: Sequence[Repaired]) -> Diagnosis:
    ordered = sorted(look.findings, key=lambda finding: (finding.path, finding.kind))
    return Diagnosis(
        url=store.url,
        quick=scope.quick,
        tables=look.tables,
        files=look.files,
        findings=tuple(finding for finding in ordered if finding.kind not in ADVICE),
        advice=tuple(finding for finding in ordered if finding.kind in ADVICE),
        repairs=tuple(repairs),
    )
