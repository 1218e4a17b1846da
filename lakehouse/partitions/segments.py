"""The directory in a footer: one entry a run of rows of one symbol, found without decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lakehouse.partitions import digest as digests
from lakehouse.partitions.sorting import Symbols

if TYPE_CHECKING:
    import pyarrow as pa

SEGMENTS_KEY = b"lakehouse.segments"


def describe_segments(
    rows: pa.Table, symbols: Symbols, times: npt.NDArray[np.int64] | None, starts: npt.NDArray[np.int64]
) -> dict[str, list[Any]]:
    """Describe each symbol's run of rows."""
    stops = np.append(starts[1:], rows.num_rows)
    segments: dict[str, list[Any]] = {
        "symbol": [symbols.names[code] for code in symbols.codes[starts]],
        "rows": (stops - starts).tolist(),
        "digest": digests.sum_of(digests.row_hashes(rows), starts),
    }
    if times is not None:
        segments["first"] = times[starts].tolist()
        segments["last"] = times[stops - 1].tolist()
    return segments
