"""Whether a process stood still: a thread that wakes up often, and notes when it was not allowed to.

It tells alike of a process that was stopped and of one that a busy machine did not let run. A lease is
renewed every third of its time to live, so who is taken for dead, and lives, stood still for two thirds of
it; half of it is asked for here, since waking up takes its time too.
"""

from __future__ import annotations

import threading
import time

from tests.torture.history import Journal


class Pulse:
    """Notes in a journal when nothing of this process ran for half the time to live of a lease."""

    def __init__(self, journal: Journal, time_to_live_s: float) -> None:
        self._journal = journal
        self._patience_ns = int(time_to_live_s / 2 * 1_000_000_000)
        self._lock = threading.Lock()
        self._last = time.monotonic_ns()
        threading.Thread(target=self._run, args=(time_to_live_s / 10,), daemon=True).start()

    def look(self) -> None:
        """Look whether time has passed since the last look; an operation that failed does it too."""
        with self._lock:
            last, self._last = self._last, time.monotonic_ns()
            if self._last - last > self._patience_ns:
                self._journal.stood_still(last, self._last)

    def _run(self, pause_s: float) -> None:
        while True:
            time.sleep(pause_s)
            self.look()
