"""doctor: what is not as it was recorded, and the repairs that can not make it worse."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import find_root

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.maintenance.doctor import Diagnosis, Finding
    from lakehouse.store import Store

_NOTES = """\
Without --apply nothing is changed. A repair looks again before it acts, never touches what is
intact, and keeps the bytes that it replaces. Exit code 0: healthy; 1: something was found, or
remains after the repairs."""


def add_commands(commands: Commands) -> None:
    """Add `doctor`."""
    parser = commands.add(
        "doctor",
        doctor,
        "find what is missing, altered, torn, orphaned or foreign, and mend it",
        group="care",
        notes=_NOTES,
        examples=(
            "doctor --quick",
            "doctor market_data.bars_1d --json",
            "doctor --apply",
            "doctor --apply --source /backup/lake",
            "doctor --probe --quick",
        ),
    )
    parser.add_argument("products", nargs="*", metavar="PRODUCT", help="by default the whole lake")
    parser.set_defaults(trailing="products")
    parser.add_argument("--quick", action="store_true", help="do not read the data files")
    parser.add_argument("--apply", action="store_true", help="run the repairs, then look again")
    parser.add_argument(
        "--source", metavar="PATH", help="a lake, export or backup to put lost files back from"
    )
    parser.add_argument(
        "--probe", action="store_true", help="also try out whether of writers who race exactly one wins"
    )
    parser.add_argument("--author", default="", help="who; by default LAKEHOUSE_AUTHOR, else user@host")


def doctor(options: argparse.Namespace) -> Reply:
    """Look at a lake, also at one whose own document is broken."""
    from lakehouse.cli.reply import Reply
    from lakehouse.lake import Lake

    store = _store(find_root(options))
    found = Lake(store).doctor(
        products=options.products or None,
        quick=options.quick,
        repair=options.apply,
        source=options.source,
        author=options.author,
    )
    document, blocks, ok = _document(found), [str(found)], found.ok
    if options.probe:
        from lakehouse.store.probe import probe_store

        probe = probe_store(store)
        document["probe"] = {"ok": probe.ok, "safe": probe.safe, **dataclasses.asdict(probe)}
        blocks, ok = [str(probe), *blocks], ok and probe.ok
    return Reply(document, blocks, exit_code=0 if ok else 1)


def _store(root: str) -> Store:
    """Return the store at a root where something of a lake is left.

    Raises:
        NotFoundError: there is nothing.
    """
    from lakehouse.catalog.lake_document import read_lake
    from lakehouse.store import open_store

    store = open_store(root)
    if not any(any(True for _ in store.list(folder)) for folder in ("catalog", "partitions")):
        read_lake(store)
    return store


def _document(found: Diagnosis) -> dict[str, Any]:
    return {
        "lake": found.url,
        "ok": found.ok,
        "quick": found.quick,
        "tables": found.tables,
        "files": found.files,
        "findings": [_row(each) for each in found.findings],
        "advice": [_row(each) for each in found.advice],
        "repairs": [dataclasses.asdict(each) for each in found.repairs],
    }


def _row(finding: Finding) -> dict[str, Any]:
    row = dataclasses.asdict(finding)
    return {name: value for name, value in row.items() if name not in ("size", "sha256")}
