"""The first or the last rows of each symbol among rows in order of arrival."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.partitions.arrays import Integers
from lakehouse.partitions.sorting import runs


@dataclass(frozen=True, slots=True)
class Ends:
    """How many rows of each symbol are asked for, and from which end of time."""

    count: int
    """rows of each symbol"""
    last: bool
    """the last ones, else the first ones; among equal times the order of arrival counts"""

    def pick(self, rows: Integers, codes: npt.NDArray[Any] | None, times: Integers | None) -> Integers:
        """Return those of some rows, rising, that are at the end asked for.

        Args:
            rows: (n,) rising positions.
            codes: (n,) their symbols; None where they have the same one.
            times: (n,) UTC nanoseconds; None where the order of arrival is all there is.
        """
        if len(rows) <= self.count:
            return rows
        one_symbol = codes is None or bool((codes == codes[0]).all())
        in_order = times is None or bool((times[1:] >= times[:-1]).all())
        if one_symbol and in_order:
            return rows[-self.count :] if self.last else rows[: self.count]
        keys = [key for key in (times, None if one_symbol else codes) if key is not None]
        order = np.lexsort(keys)
        starts, stops = (0, len(rows)) if codes is None or one_symbol else runs(codes[order])
        low, high = np.atleast_1d(starts), np.atleast_1d(stops)
        if self.last:
            low = np.maximum(low, high - self.count)
        else:
            high = np.minimum(high, low + self.count)
        chosen = np.concatenate([order[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True)])
        found: Integers = np.sort(rows[chosen])
        return found
