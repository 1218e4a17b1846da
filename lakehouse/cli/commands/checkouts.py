"""checkout, export, verify: what is pinned, and proof that it is what it was."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.cli.commands.questions import add_result_options, ask, rows_reply
from lakehouse.cli.locate import lock_root, open_checkout, open_lake, open_pinned, plain_root

if TYPE_CHECKING:
    from lakehouse.checkouts import Checkout
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.partitions.verify import Verification

_CHECKOUT_NOTES = """\
WHAT is the name of a snapshot, a lock file, or a time (then: the newest versions at that time). A
lock opens in the lake that --lake names, else in the lake around this folder if it is the same one
or a copy of it, else where the lock was made."""


def add_commands(commands: Commands) -> None:
    """Add `checkout`, `export` and `verify`."""
    _add_checkout(commands)
    parser = commands.add(
        "export",
        export,
        "make a smaller lake of just the data that a lock pins",
        group="pin",
        notes="Every byte is checked on the way; digests are equal, and the lock opens the copy too.",
        examples=("export backtest.lock /mnt/usb/lake",),
    )
    parser.add_argument("lock", metavar="LOCK", help="a lock file")
    parser.add_argument("target", metavar="TARGET", help="the root of the new lake")
    _add_verify(commands)


def checkout(options: argparse.Namespace) -> Reply:
    """Show what a snapshot, a lock or a time holds, or ask it."""
    if options.export:
        return _export_checkout(options)
    found = open_checkout(options, options.what)
    if options.sql:
        return rows_reply(found.sql(options.sql), options)
    if options.query:
        name, *arguments = options.query
        return ask(found, name, arguments, options)
    return _contents(found)


def export(options: argparse.Namespace) -> Reply:
    """Copy pinned data to a new lake."""
    return _export_lock(options, options.lock, options.target)


def verify(options: argparse.Namespace) -> Reply:
    """Prove stored bytes."""
    from lakehouse.errors import ArgumentError

    pinned = open_pinned(options, checked=False)
    if pinned is None:
        lake = open_lake(options)
        names = sorted(set(options.products)) or lake.products()
        return _verified(lake.verify(names, quick=options.quick), lake.url)
    if options.products:
        raise ArgumentError("Give products, a lock or a snapshot, and not two of them.")
    return _verified(pinned.verify(quick=options.quick), pinned.label)


def _add_checkout(commands: Commands) -> None:
    parser = commands.add(
        "checkout",
        checkout,
        "show what a snapshot, a lock or a time holds, or ask it",
        group="pin",
        notes=_CHECKOUT_NOTES,
        examples=(
            "checkout 2026-q3",
            'checkout backtest.lock --sql "select count(*) from market_data.bars_1d"',
            "checkout 2026-09-30T16:00:00Z --query vwap symbol=IBM",
            "checkout 2026-q3 --export /mnt/usb/lake",
        ),
    )
    parser.add_argument("what", metavar="WHAT")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--sql", metavar="SQL", help="answer one SELECT on it")
    action.add_argument("--query", nargs="+", metavar="NAME KEY=VALUE", help="run a named query on it")
    action.add_argument(
        "--export", metavar="TARGET", help="make a lake of just its data, with a lock file lake.lock in it"
    )
    add_result_options(parser)


def _add_verify(commands: Commands) -> None:
    parser = commands.add(
        "verify",
        verify,
        "prove that stored bytes and rows are what was recorded",
        group="care",
        notes="The exit code is 1 if anything differs.",
        examples=("verify", "verify market_data.bars_1d --quick", "verify --lock backtest.lock"),
    )
    parser.add_argument(
        "products", nargs="*", metavar="PRODUCT", help="the newest versions of these; by default of all"
    )
    pinned = parser.add_mutually_exclusive_group()
    pinned.add_argument("--lock", metavar="FILE", help="what a lock file pins")
    pinned.add_argument("--snapshot", metavar="NAME", help="what a snapshot pins")
    parser.add_argument("--quick", action="store_true", help="look at sizes and recorded digests alone")
    parser.set_defaults(trailing="products")


def _contents(found: Checkout) -> Reply:
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.cli.text import size_text

    rows = [
        {
            "product": str(name),
            "version": state.version,
            "contract": state.contract_version,
            "rows": state.rows,
            "files": len(state.files),
            "size": state.size,
            "digest": state.digest,
        }
        for name, state in sorted(found.states.items())
    ]
    columns = ("product", "version", "contract", "rows", "files", "size", "digest")
    document = {"checkout": found.label, "lake": found.store.url, "products": rows}
    return Reply(
        document, [f"{found.label} in {found.store.url}", Grid(rows, columns, formats={"size": size_text})]
    )


def _export_lock(options: argparse.Namespace, path: str, target: str) -> Reply:
    import lakehouse

    made = lakehouse.open(lock_root(options, path)).export(path, plain_root(target))
    return _exported(made.url, path, lakehouse.checkout(path, root=made.url))


def _export_checkout(options: argparse.Namespace) -> Reply:
    """Export a lock file as it is; pin a snapshot or a time first, and put its lock into the target."""
    import tempfile

    import lakehouse

    if Path(options.what).is_file():
        return _export_lock(options, options.what, options.export)
    lake = open_lake(options)
    with tempfile.TemporaryDirectory(prefix="lakehouse-export-") as folder:
        path = Path(folder) / "lake.lock"
        lake.lock(path, options.what, message=f"export of {options.what}")
        made = lake.export(path, plain_root(options.export))
        text = path.read_bytes()
    made.store.put_if_absent("lake.lock", text)
    kept = str(made.store.local_path("lake.lock"))
    return _exported(made.url, kept, lakehouse.checkout(kept, root=made.url))


def _exported(url: str, lock_file: str, found: Checkout) -> Reply:
    from lakehouse.cli.reply import Reply

    reply = _contents(found)
    document = {"lake": url, "lock": lock_file, "products": reply.document["products"]}
    return Reply(
        document,
        [f"Exported to {url}; open it with lake checkout {lock_file} --lake {url}", *reply.blocks[1:]],
    )


def _verified(found: Verification, label: str) -> Reply:
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.cli.text import counted

    document = {
        "ok": found.ok,
        "products": found.products,
        "files": found.files,
        "rows": found.rows,
        "problems": found.problems,
    }
    counts = f"{label}: {counted(found.files, 'file')}, {counted(found.rows, 'row')}"
    if found.ok:
        return Reply(document, [f"{counts}: everything is as recorded."])
    problems = [{name: getattr(each, name) for name in each.__slots__} for each in found.problems]
    columns = ("product", "path", "what", "expected", "got")
    return Reply(
        document, [f"{counts}: {counted(len(problems), 'problem')}", Grid(problems, columns)], exit_code=1
    )
