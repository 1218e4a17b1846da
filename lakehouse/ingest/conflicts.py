"""What is said of rows whose keys are stored with other values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.errors import KeyConflictError
from lakehouse.partitions.reading import to_reader_types

if TYPE_CHECKING:
    from lakehouse.partitions.state import TableState

_SHOWN = 3


def key_conflict(state: TableState, rows: pa.Table) -> KeyConflictError:
    """Return the error that names the first keys of rows that an append may not change."""
    shown = rows.select(list(state.schema.key)).slice(0, _SHOWN)
    keyed = to_reader_types(shown, state.schema, state.schema.key).cast(
        pa.schema([(name, pa.string()) for name in shown.column_names])
    )
    keys = "; ".join(", ".join(f"{name}={value}" for name, value in row.items()) for row in keyed.to_pylist())
    return KeyConflictError(
        f"{rows.num_rows} keys are stored in {state.name} with other values: {keys}. Nothing was written.",
        hint="Correct stored rows with upsert, or with update for a range of time.",
    )
