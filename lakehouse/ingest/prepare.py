"""From a frame to good rows, quarantined rows and duplicates: all that needs no look at the stored table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import ArgumentError, SchemaError
from lakehouse.ingest.frames import to_table
from lakehouse.ingest.gate import Gated, gate
from lakehouse.ingest.rules import ROW_KINDS, Others, evaluate_rules
from lakehouse.ingest.rules.proof import kept_rules
from lakehouse.partitions.arrays import take_rows
from lakehouse.partitions.keys import find_repeats
from lakehouse.partitions.reading import to_reader_types
from lakehouse.schema import UNIT_NS
from lakehouse.times import MAX_NS, MIN_NS

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.store import Store

Booleans = npt.NDArray[np.bool_]

BROKE = "_broke_"
"""prefix of the flags in a quarantine file, one for each rule that a row broke"""
ROW = "_row"
"""column of a quarantine file: the row's place in the frame as it came, from 0"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame after the gate and the rules; rows_in == good + quarantined + duplicates."""

    good: pa.Table
    """stored types, in order of arrival"""
    rows_in: int
    """rows handed in"""
    duplicates: int
    """rows equal to an earlier row of the same key"""
    quarantine: pa.Table | None = None
    """the refused rows as they came, with one flag a broken rule; None if there are none"""
    broken: Mapping[str, int] = field(default_factory=dict)
    """quarantined rows that broke each rule"""
    warnings: Mapping[str, int] = field(default_factory=dict)
    """rows that broke a rule of level `warn`"""


def prepare(
    frame: Any,
    contract: Contract,
    *,
    time_zone: str | None = None,
    refused: Mapping[str, Booleans] | None = None,
    store: Store | None = None,
) -> Prepared:
    """Pass a frame through the gate, the rules and the key check.

    Args:
        frame: as it came.
        contract: what it must fit.
        time_zone: of naive times; None refuses them.
        refused: by rule, rows of which it is known already that they break it.
        store: the lake, for rules that compare with other products.

    Raises:
        ArgumentError: the frame has no rows.
        SchemaError: it does not fit the contract, or a rule of level `reject` is broken.
    """
    table = to_table(frame)
    if table.num_rows == 0:
        raise ArgumentError(
            "The frame has no rows.", hint="Skip the write, or look why the source gave nothing."
        )
    gated = gate(table, contract.schema, time_zone=time_zone)
    if gated.misfits and contract.on_bad_value == "reject":
        raise _lossy(table, gated, contract)
    flags = {f"type:{name}": _booleans(bad) for name, bad in gated.misfits.items()} | dict(refused or {})
    flags |= _required(gated, contract) | _unreachable(gated, contract)
    warnings = _apply_rules(gated, contract, flags, None if store is None else Others(store))
    if not flags:  # no array of row numbers for what is almost every frame
        repeats = find_repeats(gated.rows, contract.schema.key)
        if not repeats.found:
            return Prepared(gated.rows, table.num_rows, duplicates=0, warnings=warnings)
    bad = _any(flags, table.num_rows)
    candidates = np.flatnonzero(~bad)
    if flags:
        repeats = find_repeats(_take(gated.rows, candidates), contract.schema.key)
    if repeats.conflicts.any():
        flags["unique_key"] = flags.get("unique_key", np.zeros(table.num_rows, np.bool_)).copy()
        flags["unique_key"][candidates[repeats.conflicts]] = True
        bad |= flags["unique_key"]
    good = candidates[~repeats.conflicts & ~repeats.duplicates]
    return Prepared(
        good=_take(gated.rows, good),
        rows_in=table.num_rows,
        duplicates=int(repeats.duplicates.sum()),
        quarantine=_quarantine(table, flags, bad) if bad.any() else None,
        broken={rule: int(flag.sum()) for rule, flag in flags.items() if flag.any()},
        warnings=warnings,
    )


def row_contract(contract: Contract) -> Contract:
    """Return a contract with only those rules that judge each row by itself, and have a consequence."""
    rules = (rule for rule in contract.rules if rule.kind in ROW_KINDS and rule.level != "warn")
    return replace(contract, rules=tuple(rules))


def judge_rows(frame: Any, contract: Contract) -> tuple[pa.Table, Booleans]:
    """Pass a frame through the gate and the rules for single rows, which run before a live write returns.

    Args:
        frame: as it came.
        contract: what it must fit; see `row_contract`.

    Returns:
        The rows in stored types, in order of arrival, and (n_rows,) which of them `prepare` will refuse.

    Raises:
        SchemaError: it does not fit the contract, a value does not fit its type, or a rule of level `reject`
            is broken.
    """
    table = to_table(frame)
    gated = gate(table, contract.schema)
    if gated.misfits:
        raise _lossy(table, gated, contract)
    flags = _required(gated, contract) | _unreachable(gated, contract)
    _apply_rules(gated, contract, flags, None)
    return gated.rows, _any(flags, table.num_rows)


def _required(gated: Gated, contract: Contract) -> dict[str, Booleans]:
    """Flag nulls in columns that must not have any, NaN in keys, and empty symbols."""
    schema, flags = contract.schema, {}
    for column in schema.columns:
        values = gated.rows.column(column.name)
        bad = None
        if not column.nullable and values.null_count:
            bad = _booleans(pc.is_null(values))
            if column.name in gated.misfits:  # flagged already, and null only because it does not fit
                bad &= ~_booleans(gated.misfits[column.name])
        if column.name in schema.key and pa.types.is_floating(values.type):
            nan = _booleans(pc.fill_null(pc.is_nan(values), False))
            bad = nan if bad is None else bad | nan
        if column.name == schema.symbol:
            empty = _empty_texts(values)
            if empty is not None:
                bad = empty if bad is None else bad | empty
        if bad is not None and bad.any():
            flags[f"not_null:{column.name}"] = bad
    return flags


def _empty_texts(values: pa.ChunkedArray) -> Booleans | None:
    """Say which texts are empty; None where no text is."""
    if pa.types.is_dictionary(values.type):
        if not any(_shortest(chunk.dictionary) == 0 for chunk in values.chunks):
            return None
        values = values.cast(pa.string())
    # A scalar made of "" would import pandas where it is installed, half a second of a process's first write.
    if _shortest(values) != 0:
        return None
    return _booleans(pc.fill_null(pc.equal(values, ""), False))


def _shortest(texts: pa.Array | pa.ChunkedArray) -> int | None:
    """Return the bytes of the shortest text; None if there is none."""
    shortest: int | None = pc.min(pc.binary_length(texts)).as_py()
    return shortest


def _unreachable(gated: Gated, contract: Contract) -> dict[str, Booleans]:
    """Flag times that no interval of nanoseconds can hold: such rows could be stored, but never be read."""
    schema = contract.schema
    if schema.time is None:
        return {}
    values = gated.rows.column(schema.time)
    unit = UNIT_NS[schema[schema.time].type]
    counts = values.cast(pa.int32() if pa.types.is_date32(values.type) else pa.int64())
    first, last = -(-MIN_NS // unit), (MAX_NS - 1) // unit  # intervals are half open
    if _lies_within(counts, first, last):
        return {}
    counts = counts.cast(pa.int64())
    outside = pc.or_(pc.less(counts, first), pc.greater(counts, last))
    flag = _booleans(pc.fill_null(outside, False))
    return {f"range:{schema.time}": flag} if flag.any() else {}


def _lies_within(counts: pa.ChunkedArray, first: int, last: int) -> bool:
    """Say whether all integers that there are lie in a closed range; one pass, where most frames end."""
    low, high = (bound.as_py() for bound in pc.min_max(counts).values())
    return low is None or first <= low <= high <= last


def _apply_rules(
    gated: Gated, contract: Contract, flags: dict[str, Booleans], others: Others | None
) -> dict[str, int]:
    """Add the flags of the contract's rules; return the counts of those that only warn.

    Raises:
        SchemaError: a rule of level `reject` is broken.
    """
    kept = kept_rules(gated.rows, contract.rules, contract.schema)
    rules = [rule for rule in contract.rules if rule.name not in kept]
    if not rules:
        return {}
    frame = pl.DataFrame(pl.from_arrow(to_reader_types(gated.rows, contract.schema, contract.schema.names)))
    broken = evaluate_rules(frame, rules, contract.schema, others)
    warnings = {}
    for rule in rules:
        flag = broken[rule.name].to_numpy().astype(np.bool_)
        count = int(flag.sum())
        if count and rule.level == "reject":
            raise SchemaError(
                f"{count} rows break the rule {rule.name!r} of {contract.name}, which rejects the write.",
                hint="Correct the rows, or give the rule the level 'quarantine' or 'warn' in the contract.",
            )
        if count and rule.level == "warn":
            warnings[rule.name] = count
        elif count:
            flags[rule.name] = flag
    return warnings


def _quarantine(table: pa.Table, flags: Mapping[str, Booleans], bad: Booleans) -> pa.Table:
    picked = np.flatnonzero(bad)
    rows = table.take(pa.array(picked)).append_column(ROW, pa.array(picked))
    for rule, flag in flags.items():
        if flag.any():
            rows = rows.append_column(f"{BROKE}{rule}", pa.array(flag[picked]))
    return rows


def _lossy(table: pa.Table, gated: Gated, contract: Contract) -> SchemaError:
    texts = []
    for name, bad in gated.misfits.items():
        values = table.column(name).filter(bad)
        shown = ", ".join(_shown(values.slice(0, 3)))
        texts.append(
            f"{len(values)} values of column {name!r} do not fit "
            f"{contract.schema[name].type} exactly ({shown})"
        )
    return SchemaError(
        f"{'; '.join(texts)}. Nothing was written.",
        hint="Correct them, or let the contract send such rows to quarantine: on_bad_value='quarantine'.",
    )


def _shown(values: pa.ChunkedArray) -> list[str]:
    try:
        return [str(value) for value in values.to_pylist()]
    except (ArithmeticError, ValueError, LookupError):  # times that Python can not write, or of unknown zones
        return [str(value) for value in values.cast(pa.int64()).to_pylist()]


def _take(table: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    return table if len(rows) == table.num_rows else take_rows(table, rows)


def _any(flags: Mapping[str, Booleans], rows: int) -> Booleans:
    bad = np.zeros(rows, np.bool_)
    for flag in flags.values():
        bad |= flag
    return bad


def _booleans(column: pa.ChunkedArray) -> Booleans:
    values: Booleans = column.to_numpy().astype(np.bool_)
    return values
