"""Bring a table to the contract version of its writer: a commit that adds nullable columns and no rows."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from lakehouse.catalog.versions import parse_version
from lakehouse.errors import AlreadyExistsError, ContractError
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.table import Change

if TYPE_CHECKING:
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table


def evolve(table: Table, state: TableState, *, author: str) -> TableState:
    """Return the head under the writer's contract version, after a commit if it was older.

    Raises:
        ContractError: the table is under a later contract version than the writer.
    """
    while state.contract_version != table.contract_version:
        if parse_version(state.contract_version) > parse_version(table.contract_version):
            raise ContractError(
                f"{table.name} is under contract {state.contract_version}, and this writer holds "
                f"{table.contract_version}.",
                hint="Take the product from the lake again: lake['domain.product'].",
            )
        record = Commit(
            "",
            0,
            "evolve",
            "",
            id=uuid.uuid4().hex,
            author=author,
            source=f"contract {table.contract_version}",
        )
        change = Change(schema=table.schema, contract_version=table.contract_version)
        with table.queue():
            state = table.head()
            try:
                if state.contract_version != table.contract_version:
                    table.commit(state, change, record)
            except AlreadyExistsError:  # a writer on another machine was faster: look again
                pass
            state = table.head()
    return state
