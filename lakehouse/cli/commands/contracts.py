"""create, apply: products from a frame or from a contract."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import open_lake

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.lake import Lake

_CREATE_NOTES = """\
The columns of FILE become the contract, and no row is stored. The symbol and the time column are
found by their names; `lake show PRODUCT --contract` prints the result."""


def add_commands(commands: Commands) -> None:
    """Add `create` and `apply`."""
    parser = commands.add(
        "create",
        create,
        "make a product from a file that shows its columns",
        group="start",
        notes=_CREATE_NOTES,
        examples=(
            "create market_data.bars_1d --like AAPL.csv --symbol-from-name",
            "create market_data.bars_1m --like lean:data/equity/usa/minute",
            "create market_data.trades --like trades.parquet --owner market-data-team",
        ),
    )
    parser.add_argument("product", metavar="NAME", help="domain.product")
    parser.add_argument(
        "--like",
        metavar="FILE",
        required=True,
        help="CSV, JSON, Parquet or Feather, also .gz or .zip; or NAME:LOCATION of a source",
    )
    parser.add_argument(
        "--key", metavar="A,B", help="columns whose values together are unique; by default inferred"
    )
    parser.add_argument(
        "--layout", help="such as date=month,symbol=row_groups; by default chosen from the data"
    )
    parser.add_argument("--owner", action="append", default=[], help="who answers for it; may be repeated")
    parser.add_argument("--description", help="what the product is")
    parser.add_argument(
        "--time-zone", metavar="ZONE", help="zone of times that carry none, such as America/New_York"
    )
    parser.add_argument(
        "--symbol-from-name",
        action="store_true",
        help="add a column `symbol`: each file is called after its symbol",
    )
    parser = commands.add(
        "apply",
        apply,
        "publish a contract: a new product, or the next version of one",
        group="start",
        notes="The version number must rise as the change asks for. The same contract twice changes nothing.",
        examples=("apply contracts/bars_1d.yaml", "apply contracts/*.yaml"),
    )
    parser.add_argument("contracts", nargs="+", metavar="CONTRACT.yaml")


def create(options: argparse.Namespace) -> Reply:
    """Make a product from a file, or from what a source declares."""
    from lakehouse.cli.reply import Grid, Reply

    lake = open_lake(options)
    given = {"layout": options.layout, "owners": tuple(options.owner), "description": options.description}
    changes = {name: value for name, value in given.items() if value}
    key = options.key.split(",") if options.key else None
    contract = lake.create(options.product, like=_shown(options), key=key, **changes).contract
    schema = contract.schema
    columns = [
        {"column": column.name, "type": column.type, "nullable": column.nullable} for column in schema.columns
    ]
    document = {
        "product": str(contract.name),
        "contract": contract.version,
        "symbol": schema.symbol,
        "time": schema.time,
        "key": list(schema.key),
        "columns": columns,
    }
    roles = ", ".join(f"{role} {document[role] or 'none'}" for role in ("symbol", "time"))
    lines = [f"Made {contract.name} {contract.version}: {roles}, key {', '.join(schema.key) or 'none'}."]
    return Reply(document, [*lines, Grid(columns, ("column", "type", "nullable"))])


def _shown(options: argparse.Namespace) -> Any:
    """Return the named source, or a frame of the file, after whose columns the product is made."""
    from lakehouse.cli.sample import read_sample
    from lakehouse.errors import ArgumentError
    from lakehouse.ingest import sources

    if not sources.is_named(options.like):
        return read_sample(options.like, time_zone=options.time_zone, name_as_symbol=options.symbol_from_name)
    if options.time_zone or options.symbol_from_name:
        raise ArgumentError(
            f"The source {options.like} declares its columns itself.",
            hint="Leave --time-zone and --symbol-from-name out.",
        )
    return sources.open(options.like)


def apply(options: argparse.Namespace) -> Reply:
    """Publish contracts, after all of them were read."""
    from lakehouse.cli.reply import Reply

    lake = open_lake(options)
    contracts = [_read_contract(path) for path in options.contracts]
    rows = [_publish(lake, contract) for contract in contracts]
    lines = [line for row in rows for line in _lines(row)]
    return Reply(rows, lines)


def _publish(lake: Lake, contract: Contract) -> dict[str, Any]:
    from lakehouse.catalog.product_names import contract_versions
    from lakehouse.catalog.products import load_contract

    name = contract.name
    before = load_contract(lake.store, name) if str(name) in lake else None
    known = contract_versions(lake.store, name) if before is not None else ()
    lake.apply(contract)
    difference = before.diff(contract) if before is not None else None
    return {
        "product": str(name),
        "contract": contract.version,
        "published": contract.version not in known,
        "before": before.version if before is not None else None,
        "change": "new" if difference is None else difference.level,
        "reasons": [] if difference is None else list(difference.reasons),
    }


def _lines(row: dict[str, Any]) -> list[str]:
    title = f"{row['product']} {row['contract']}"
    if not row["published"]:
        return [f"{title}: there already, nothing changed"]
    if row["before"] is None:
        return [f"{title}: a new product"]
    return [
        f"{title}: {row['change']} change since {row['before']}",
        *(f"  {reason}" for reason in row["reasons"]),
    ]


def _read_contract(path: str) -> Contract:
    from lakehouse.catalog.contract import Contract
    from lakehouse.errors import ContractError, NotFoundError

    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise NotFoundError(f"Can not read the contract {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ContractError(f"{path} is not UTF-8 text.") from error
    try:
        return Contract.from_yaml(text)
    except ContractError as error:
        raise ContractError(f"{path}: {error.message}", hint=error.hint) from error
