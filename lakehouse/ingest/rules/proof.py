"""Prove in one pass that no row breaks a rule, as is the case for almost every frame.

What can not be proven is judged row by row. A proof looks at the values as they lie in memory, those below a
null too, so it may fail where no row breaks the rule, but never the other way round.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lakehouse.partitions.segments import view_of
from lakehouse.partitions.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import TableSchema

_PIECE = 1 << 15
"""rows whose columns stay in the processor's cache"""
_TASK = 1 << 19


def kept_rules(rows: pa.Table, rules: Sequence[Rule], schema: TableSchema) -> frozenset[str]:
    """Return the names of rules of which it is sure that no row breaks them.

    Args:
        rows: in the stored types, in order of arrival.
        rules: as `check_rules` approves them.
        schema: of the rows.
    """
    sure = {rule.name for rule in rules if rule.kind in _PROOFS}
    if schema.time is not None and any(rule.kind == "monotonic_time" for rule in rules):
        times = [view_of(chunk) for chunk in rows.column(schema.time).chunks if len(chunk)]
        if all(map(_rises, times)) and all(a[-1] <= b[0] for a, b in pairwise(times)):
            return _sure(rows, rules, sure) | {rule.name for rule in rules if rule.kind == "monotonic_time"}
    return _sure(rows, rules, sure)


def _sure(rows: pa.Table, rules: Sequence[Rule], names: set[str]) -> frozenset[str]:
    """Return those of the rules with a proof that hold in every part of the rows."""
    provable = [rule for rule in rules if rule.name in names]
    columns = list(dict.fromkeys(name for rule in provable for name in rule.columns))
    if not columns:
        return frozenset()
    parts = [rows.slice(start, _TASK).select(columns) for start in range(0, rows.num_rows, _TASK)]
    return frozenset(names).intersection(*side_by_side(partial(_kept_in, provable), parts))


def _kept_in(rules: Sequence[Rule], rows: pa.Table) -> set[str]:
    left = list(rules)
    for batch in rows.to_batches(max_chunksize=_PIECE):
        values = {name: view_of(batch.column(name)) for name in rows.column_names}
        left = [rule for rule in left if _PROOFS[rule.kind]([values[name] for name in rule.columns])]
    return {rule.name for rule in left}


def _rises(times: NDArray[Any]) -> bool:
    return bool(np.all(times[1:] >= times[:-1]))


def _positive(columns: Sequence[NDArray[Any]]) -> bool:
    return all(values.min() > 0 for values in columns)  # the minimum is NaN where any value is


def _non_negative(columns: Sequence[NDArray[Any]]) -> bool:
    return all(values.min() >= 0 for values in columns)


def _ohlc(columns: Sequence[NDArray[Any]]) -> bool:
    opened, high, low, closed = columns
    return all(
        bool(np.all(smaller <= larger))  # false for NaN
        for smaller, larger in ((low, opened), (low, closed), (opened, high), (closed, high))
    )


_PROOFS: Mapping[str, Callable[[Sequence[NDArray[Any]]], bool]] = {
    "positive": _positive,
    "non_negative": _non_negative,
    "ohlc": _ohlc,
}
