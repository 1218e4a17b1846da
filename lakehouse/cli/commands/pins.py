"""snapshot, snapshots, lock: versions with names, for ever."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import open_lake

if TYPE_CHECKING:
    from lakehouse.catalog.pinned import PinnedProduct
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply

_PRODUCTS = "domain.product, or domain.product@VERSION; by default all"
_PIN_COLUMNS = ("product", "version", "contract", "rows", "digest")


def add_commands(commands: Commands) -> None:
    """Add `snapshot`, `snapshots` and `lock`."""
    parser = commands.add(
        "snapshot",
        snapshot,
        "name the present versions of several products, in one step, for ever",
        group="pin",
        examples=("snapshot 2026-q3", "snapshot before-fix market_data.bars_1d@12 --message 'as traded'"),
    )
    parser.add_argument("name", metavar="NAME", help="letters, digits, '-', '_' and '.'")
    parser.add_argument("products", nargs="*", metavar="PRODUCT", help=_PRODUCTS)
    parser.add_argument(
        "--minimum-quality",
        type=float,
        metavar="SCORE",
        help="refuse where a product scores lower, from 0 to 1; see `lake quality`",
    )
    parser.set_defaults(trailing="products")
    _add_provenance(parser)
    commands.add(
        "snapshots", snapshots, "list the snapshots, oldest first", group="pin", examples=("snapshots",)
    )
    parser = commands.add(
        "lock",
        lock,
        "write a lock file: the exact data of a backtest",
        group="pin",
        notes="The lake holds on to what a lock pins. A lock of the same data is left as it is.",
        examples=(
            "lock backtest.lock",
            "lock backtest.lock --snapshot 2026-q3",
            "lock a.lock market_data.bars_1d@12",
        ),
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("products", nargs="*", metavar="PRODUCT", help=_PRODUCTS)
    parser.add_argument("--snapshot", metavar="NAME", help="the versions of a snapshot instead")
    parser.add_argument("--overwrite", action="store_true", help="replace a lock of other data")
    parser.set_defaults(trailing="products")
    _add_provenance(parser)


def snapshot(options: argparse.Namespace) -> Reply:
    """Make a snapshot."""
    from lakehouse.cli.reply import Grid, Reply

    made = open_lake(options).snapshot(
        options.name,
        read_products(options.products),
        minimum_quality=options.minimum_quality,
        author=options.author,
        message=options.message,
    )
    rows = [_pin_row(product) for product in made.products]
    document = {"snapshot": made.name, "created": made.created, "author": made.author, "products": rows}
    return Reply(document, [f"Snapshot {made.name}:", Grid(rows, _PIN_COLUMNS)])


def snapshots(options: argparse.Namespace) -> Reply:
    """List snapshots."""
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.cli.text import time_text

    rows: list[dict[str, Any]] = [
        {
            "snapshot": each.name,
            "created": each.created,
            "author": each.author,
            "message": each.message or None,
            "rows": sum(product.rows for product in each.products),
            "products": [f"{product.name}@{product.version}" for product in each.products],
        }
        for each in open_lake(options).snapshots()
    ]
    shown = [{**row, "products": len(row["products"])} for row in rows]
    columns = ("snapshot", "created", "author", "products", "rows", "message")
    formats = {"created": time_text}
    return Reply(
        rows,
        [Grid(shown, columns, formats=formats)]
        if rows
        else ["No snapshot yet. Make one: lake snapshot NAME"],
    )


def lock(options: argparse.Namespace) -> Reply:
    """Write a lock file."""
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.errors import ArgumentError

    if options.snapshot and options.products:
        raise ArgumentError("Give products or a snapshot, not both.")
    lake = open_lake(options)
    if options.snapshot:
        from lakehouse.catalog.snapshots import load_snapshot

        load_snapshot(lake.store, options.snapshot)  # else a time or a lock file of this name would do
    made = lake.lock(
        options.file,
        options.snapshot or read_products(options.products),
        author=options.author,
        message=options.message,
        overwrite=options.overwrite,
    )
    rows = [_pin_row(product) for product in made.products]
    document = {"lock": options.file, "pin": made.pin, "created": made.created, "products": rows}
    return Reply(document, [f"Lock {options.file}:", Grid(rows, _PIN_COLUMNS)])


def read_products(words: Sequence[str]) -> list[str] | dict[str, int] | None:
    """Read `domain.product` words, or `domain.product@VERSION` words; None for no word.

    Raises:
        ArgumentError: a version is no number, a product comes twice, or only some products have a version.
    """
    from lakehouse.errors import ArgumentError

    if not words:
        return None
    split = [word.partition("@") for word in words]
    names = [name for name, _, _ in split]
    if len(set(names)) < len(names):
        raise ArgumentError(f"A product comes twice: {', '.join(names)}.")
    if not any(at for _, at, _ in split):
        return names
    wrong = [
        word for word, (_, at, version) in zip(words, split, strict=True) if not at or not version.isdecimal()
    ]
    if wrong:
        raise ArgumentError(
            f"No version of {wrong[0]!r}.",
            hint="Give each product a version, domain.product@3, or none a version.",
        )
    return {name: int(version) for name, _, version in split}


def _add_provenance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--author", default="", help="who; by default LAKEHOUSE_AUTHOR, else user@host")
    parser.add_argument("--message", default="", help="why")


def _pin_row(product: PinnedProduct) -> dict[str, Any]:
    return {
        "product": str(product.name),
        "version": product.version,
        "contract": product.contract_version,
        "rows": product.rows,
        "digest": product.digest,
    }
