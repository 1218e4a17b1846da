"""From anything that a user may hand over to what kernels read."""

from __future__ import annotations

from typing import Any

from lakehouse.queries.frame_input import FrameInput
from lakehouse.queries.inputs import Input
from lakehouse.queries.scan import Scan
from lakehouse.queries.scan_input import ScanInput


def input_of(rows: Any) -> Input:
    """Return what kernels read of a scan, a product, a result, or anything that hands out an Arrow stream.

    Rows in memory have a column `symbol`, or none; their time is the column `time`, or else the only one
    of a type of times; they are sorted once by (symbol, time), and rows of equal times stay in order.

    Raises:
        ArgumentError: there is no column of times, or no telling which.
    """
    if isinstance(rows, Input):
        return rows
    if isinstance(rows, Scan):
        return ScanInput(rows)
    if hasattr(rows, "scan") and hasattr(rows, "state"):
        return ScanInput(rows.scan())
    return FrameInput.of(rows)
