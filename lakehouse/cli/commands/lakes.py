"""init, ls, show: make a lake, and see what is in it."""

from __future__ import annotations

import argparse
import fnmatch
import itertools
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import given_root, open_lake, plain_root

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.lake import Lake
    from lakehouse.partitions.state import TableState
    from lakehouse.product import Product
    from lakehouse.queries.result import Result

_COMMITS_SHOWN = 5
_SYMBOLS_SHOWN = 12
_MOST_FILES_FOR_SYMBOLS = 500


def add_commands(commands: Commands) -> None:
    """Add `init`, `ls` and `show`."""
    parser = commands.add(
        "init",
        init,
        "make a lake; one that is there stays as it is",
        group="start",
        examples=("init data/lake", "init s3://bucket/lake", "init data/lake --starter"),
    )
    parser.add_argument(
        "path", nargs="?", metavar="PATH", help="its root; by default --lake, then this folder"
    )
    parser.add_argument(
        "--starter",
        action="store_true",
        help="add the contracts, domains and named queries of a quant desk; what is there already stays",
    )
    parser = commands.add(
        "ls", list_products, "list the products", group="ask", examples=("ls", "ls 'market_data.*' --json")
    )
    parser.add_argument(
        "pattern", nargs="?", default="*", metavar="PATTERN", help="a domain, or a pattern of names"
    )
    parser = commands.add(
        "show",
        show,
        "show one product: contract, columns, rows, symbols and versions",
        group="ask",
        examples=("show market_data.bars_1d", "show market_data.bars_1d --contract > bars_1d.yaml"),
    )
    parser.add_argument("product", metavar="PRODUCT")
    parser.add_argument(
        "--contract", action="store_true", help="print the contract as YAML, ready to edit and apply"
    )
    parser.add_argument(
        "--symbols",
        action="store_true",
        help=f"list the symbols even of a product with more than {_MOST_FILES_FOR_SYMBOLS} files",
    )


def init(options: argparse.Namespace) -> Reply:
    """Make a lake."""
    import lakehouse
    from lakehouse.catalog.lake_document import LAKE_DOCUMENT
    from lakehouse.cli.reply import Reply
    from lakehouse.store import open_store

    root = plain_root(options.path or given_root(options) or ".")
    existed = open_store(root).size(LAKE_DOCUMENT) is not None
    lake = lakehouse.open(root, create=True)
    document: dict[str, Any] = {"lake": lake.url, "id": lake.id, "created": not existed}
    lines = [f"{'A lake is there already' if existed else 'Made a lake'}: {lake.url}"]
    if options.starter:
        added, present = add_starter(lake)
        document["starter"] = {"added": added, "present": present}
        lines.append(f"Starter documents: {len(added)} added, {len(present)} there already.")
    return Reply(document, lines)


def add_starter(lake: Lake) -> tuple[list[str], list[str]]:
    """Copy the starter catalog; a document, and a product under any contract, that is there already stays.

    Returns:
        The paths that were added, and those that were not.
    """
    from lakehouse.catalog.starter import starter_files
    from lakehouse.errors import AlreadyExistsError

    products = {name.replace(".", "/") for name in lake.products()}
    added, present = [], []
    for path, data in starter_files():
        product = path.removeprefix("catalog/products/").rpartition("/")[0]
        try:
            if path.startswith("catalog/products/") and product in products:
                raise AlreadyExistsError(f"There is a product {product}.")
            lake.store.put_if_absent(path, data)
            added.append(path)
        except AlreadyExistsError:
            present.append(path)
    return added, present


def list_products(options: argparse.Namespace) -> Reply:
    """List products with what their newest versions hold; from the logs alone."""
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.cli.text import size_text, time_text

    lake = open_lake(options)
    pattern = options.pattern if any(mark in options.pattern for mark in "*?[.") else f"{options.pattern}.*"
    rows = [_summary(lake[name]) for name in lake.products() if fnmatch.fnmatchcase(name, pattern)]
    columns = ("product", "contract", "version", "rows", "size", "first", "last", "description")
    formats: dict[str, Any] = {"size": size_text, "first": time_text, "last": time_text}
    empty = "No product here yet. Make one: lake create, lake apply, or lake init --starter."
    shown = [{**row, "description": row["description"].partition(". ")[0].rstrip(".")} for row in rows]
    return Reply(rows, [Grid(shown, columns, formats=formats, one_line=True)] if rows else [empty])


def show(options: argparse.Namespace) -> Reply:
    """Show one product."""
    from lakehouse.cli.reply import Facts, Grid, Reply, Rows
    from lakehouse.cli.text import counted, size_text, time_text

    product = open_lake(options)[options.product]
    if options.contract:
        text = product.contract.to_yaml()
        return Reply({"product": str(product.name), "contract": text}, [text.rstrip("\n")])
    document = _document(product, with_symbols=options.symbols)
    commits, symbols = document["commits"], document["symbols"]
    facts = {name: value for name, value in document.items() if not isinstance(value, list | dict)}
    facts |= {"size": size_text(document["size"]), "owners": ", ".join(document["owners"]), "symbols": None}
    blocks: list[Any] = [
        Facts(facts),
        Grid(document["columns"], ("column", "type", "nullable", "role", "unit", "description"), "Columns"),
    ]
    if document["rules"]:
        rules = [{**rule, "columns": ", ".join(rule["columns"])} for rule in document["rules"]]
        blocks.append(Grid(rules, ("rule", "kind", "columns", "level", "description"), "Rules"))
    if symbols is not None:
        blocks.append(Rows(symbols, _SYMBOLS_SHOWN, counted(len(symbols), "symbol")))
    if commits:
        columns = ("version", "time", "operation", "accepted", "quarantined", "duplicates", "rows", "author")
        blocks.append(Grid(commits, columns, "Newest commits", {"time": time_text}))
    return Reply(document, blocks)


def _summary(product: Product) -> dict[str, Any]:
    state = product.state()
    return {
        "product": str(product.name),
        "contract": product.contract.version,
        "version": state.version,
        "rows": state.rows,
        "files": len(state.files),
        "size": state.size,
        **_span(state),
        "description": product.contract.description,
    }


def _document(product: Product, *, with_symbols: bool) -> dict[str, Any]:
    from lakehouse.cli.commits import commit_row

    contract, state = product.contract, product.state()
    return {
        **_summary(product),
        "owners": list(contract.owners),
        "layout": f"{state.layout or 'chosen by the first write'}",
        "key": ", ".join(contract.schema.key) or "none: rows may repeat",
        "retention": contract.retention,
        "freshness": contract.freshness,
        "on_bad_value": contract.on_bad_value,
        "digest": state.digest,
        "columns": _columns(product),
        "rules": _rules(product),
        "symbols": _symbols(product, state, always=with_symbols),
        "commits": [
            commit_row(commit) for commit in itertools.islice(product.table.history(), _COMMITS_SHOWN)
        ],
    }


def _span(state: TableState) -> dict[str, str | None]:
    from lakehouse.times import to_iso

    firsts = [file.min_time for file in state.files if file.min_time is not None]
    lasts = [file.max_time for file in state.files if file.max_time is not None]
    return {"first": to_iso(min(firsts)) if firsts else None, "last": to_iso(max(lasts)) if lasts else None}


def _columns(product: Product) -> list[dict[str, Any]]:
    schema = product.contract.schema
    roles = {schema.symbol: "symbol", schema.time: "time"}
    return [
        {
            "column": column.name,
            "type": column.type,
            "nullable": column.nullable,
            "role": roles.get(column.name) or ("key" if column.name in schema.key else None),
            "unit": column.unit,
            "description": column.description or None,
        }
        for column in schema.columns
    ]


def _rules(product: Product) -> list[dict[str, Any]]:
    return [
        {
            "rule": rule.name,
            "kind": rule.kind,
            "columns": list(rule.columns),
            "arguments": dict(rule.arguments),
            "level": rule.level,
            "description": rule.description or None,
        }
        for rule in product.contract.rules
    ]


def _symbols(product: Product, state: TableState, *, always: bool) -> Result | None:
    """Return the symbols, unless too many footers would have to be read for it."""
    if state.schema.symbol is None or not state.files:
        return None
    return product.symbols() if always or len(state.files) <= _MOST_FILES_FOR_SYMBOLS else None
