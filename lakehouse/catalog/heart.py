"""The thread that renews what this process holds, several times within the time to live."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from lakehouse.catalog.claims import TIME_TO_LIVE_S, time_to_live_s
from lakehouse.errors import ArgumentError

BEATS = 3
"""renewals within one time to live"""


class Heart:
    """One daemon thread a process; a forked child starts its own with its first claim."""

    def __init__(self, renew_all: Callable[[], None], release_all: Callable[[], None]) -> None:
        self._renew_all = renew_all
        self._release_all = release_all
        self._pid = 0

    def beat(self) -> None:
        """Start beating, if this process does not yet."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            if "multiprocessing.util" in sys.modules:  # its children end without atexit
                from multiprocessing.util import Finalize

                Finalize(None, self._release_all, exitpriority=0)
            threading.Thread(target=self._run, name="lakehouse leases", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            seconds = TIME_TO_LIVE_S
            with suppress(ArgumentError):
                seconds = time_to_live_s()
            pause.wait(seconds / BEATS)
            self._renew_all()
