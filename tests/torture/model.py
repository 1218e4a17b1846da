"""What each commit must make of a product: its rows as plain tuples, and their digest by the specification.

Nothing here comes from the library: the model and the digest are the second opinion.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NS_PER_SLOT = 10 * 86_400 * 1_000_000_000
"""a slot is ten days, so that a few slots make several files"""

KEYED = "market_data.ticks"
KEYLESS = "market_data.prints"
PRODUCTS = (KEYED, KEYLESS)

Row = tuple[str, int, float, int]
"""symbol, slot, price, size; every size is written by one operation only"""
Step = Mapping[str, Any]

_MASK = (1 << 64) - 1


def parts_of(step: Step) -> list[tuple[str, dict[str, Any]]]:
    """Return the writes of a transaction, each with its message, which is its idempotency key too."""
    return [(f"{step['id']}/{number}", part) for number, part in enumerate(step.get("parts", ()))]


class ImpossibleError(Exception):
    """A commit that the model would have refused."""


def after(rows: Sequence[Row], step: Step, versions: Mapping[int, Sequence[Row]]) -> list[Row]:
    """Return the rows that a step makes of others, in the order (symbol, slot, arrival).

    Raises:
        ImpossibleError: an append of a key that is stored already.
    """
    new = [_row(each) for each in step.get("rows", [])]
    groups = {row[:2] for row in new}
    kept = list(rows)
    match step["do"]:
        case "append":
            if step["product"] == KEYED and any(row[:2] in groups for row in rows):
                raise ImpossibleError(f"the append {step['id']} doubled a key")
        case "upsert":
            kept = [row for row in rows if row[:2] not in groups]
        case "update":
            low, high = min(row[1] for row in new), max(row[1] for row in new)
            symbols = {row[0] for row in new}
            kept = [row for row in rows if row[0] not in symbols or not low <= row[1] <= high]
        case "delete":
            low, high = step["slots"]
            kept = [row for row in rows if row[0] not in step["symbols"] or not low <= row[1] < high]
        case "retain":
            kept = [row for row in rows if row[1] >= step["before"]]
        case "restore":
            kept = list(versions[step["to"]])
    return sorted([*kept, *new], key=lambda row: row[:2])


def digest_of(rows: Iterable[Row], sequences: Iterable[int] | None = None) -> str:
    """Return the content digest of rows; `sequences` are their ranks where the product stores them."""
    total = 0
    ranks = None if sequences is None else iter(sequences)
    for symbol, slot, price, size in rows:
        values = {
            "symbol": _halves(symbol),
            "time": _both(slot * NS_PER_SLOT),
            "price": _both(struct.unpack("<q", struct.pack("<d", price))[0]),
            "size": _both(size),
        }
        if ranks is not None:
            values["_sequence"] = _both(next(ranks))
        total += _hash(values)
    return f"{total % (1 << 128):032x}"


def _hash(values: Mapping[str, tuple[int, int]]) -> int:
    lanes = [0, 0]
    for name, words in values.items():
        raw = hashlib.blake2b(name.encode(), digest_size=24).digest()
        salt, *multipliers = (int.from_bytes(raw[i : i + 8], "little") for i in (0, 8, 16))
        for lane, (word, multiplier) in enumerate(zip(words, multipliers, strict=True)):
            lanes[lane] += ((word ^ (word >> 32)) ^ salt) * (multiplier | 1)
    low, high = (_finalised(lane & _MASK) for lane in lanes)
    return (high << 64) + low


def _finalised(word: int) -> int:
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & _MASK
    return word ^ (word >> 31)


def _both(value: int) -> tuple[int, int]:
    return value & _MASK, value & _MASK


def _halves(text: str) -> tuple[int, int]:
    raw = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")


def _row(raw: Sequence[Any]) -> Row:
    symbol, slot, price, size = raw
    return str(symbol), int(slot), float(price), int(size)
