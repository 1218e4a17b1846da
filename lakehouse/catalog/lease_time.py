"""How long a session may stand still before a collector may take it for dead, and the clock for that."""

from __future__ import annotations

import math
import os
import sys
import time
from contextlib import suppress

from lakehouse.errors import ArgumentError

TIME_TO_LIVE_VARIABLE = "LAKEHOUSE_LEASE_SECONDS"
TIME_TO_LIVE_S = 900.0


def time_to_live_s() -> float:
    """Return the seconds without a renewal after which a session may be taken for dead.

    Raises:
        ArgumentError: the variable is no number above 0.
    """
    text = os.environ.get(TIME_TO_LIVE_VARIABLE) or str(TIME_TO_LIVE_S)
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise ArgumentError(f"{TIME_TO_LIVE_VARIABLE} must be a number of seconds above 0, got {text!r}.")


def boot_time_s() -> float:
    """Return seconds on a clock that also runs while the machine sleeps; infinity where there is none."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else math.inf
