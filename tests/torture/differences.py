"""Differences of two snapshots, against a comparison of plain rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.torture.history import Operation
from tests.torture.model import KEYED, Row

Versions = Mapping[str, Mapping[int, Sequence[Row]]]


def check(operations: Sequence[Operation], versions: Versions) -> Iterator[str]:
    """Compare each difference with the model."""
    for operation in operations:
        if operation.do != "diff" or operation.result is None:
            continue
        for product, said in operation.result["differences"].items():
            if said["status"] in ("added", "removed") or product not in versions:
                continue
            before, after = (versions[product].get(said[side], []) for side in ("before", "after"))
            expected = (by_key if product == KEYED else by_row)(before, after)
            got = {kind: sorted(map(tuple, said[kind])) for kind in expected}
            if got != expected or (said["status"] == "equal") != (not any(expected.values())):
                yield f"the diff {operation.id} of {product} is {said}, and should be {expected}"


def by_key(before: Sequence[Row], after: Sequence[Row]) -> dict[str, list[Any]]:
    """Return what differs where symbol and slot are the key."""
    old, new = ({row[:2]: row for row in rows} for rows in (before, after))
    return {
        "added": sorted(new[key] for key in new.keys() - old.keys()),
        "removed": sorted(old[key] for key in old.keys() - new.keys()),
        "changed": sorted(
            (*key, old[key][2], new[key][2], old[key][3], new[key][3])
            for key in old.keys() & new.keys()
            if old[key] != new[key]
        ),
    }


def by_row(before: Sequence[Row], after: Sequence[Row]) -> dict[str, list[Any]]:
    """Return what differs where rows have no key, and only come and go."""
    old, new = Counter(before), Counter(after)
    return {
        "added": sorted((new - old).elements()),
        "removed": sorted((old - new).elements()),
        "changed": [],
    }
