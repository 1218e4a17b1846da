"""Which process this is, so that another one on the same machine can tell whether it is gone."""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_START_FIELD = 19  # of /proc/<pid>/stat after the name: when the process started, in ticks since the boot


@dataclass(frozen=True, slots=True)
class Process:
    """One process of one machine; nothing of it is ever used again by another."""

    machine: str
    """boot and namespace of process numbers; name and network address where the system tells neither"""
    pid: int
    """its number"""
    started: str
    """when it started, in the machine's own words"""
    host: str
    """name of the machine, for people"""

    @property
    def is_gone(self) -> bool:
        """Whether it is proven that it has ended; False also where nobody here can know."""
        if not self.is_neighbour or sys.platform == "win32":  # where a look at a process could end it
            return False
        started = _started(self.pid)
        return started is None or (bool(started and self.started) and started != self.started)

    @property
    def is_neighbour(self) -> bool:
        """Whether it shares this process's machine and numbers of processes, so that its end shows here."""
        return self.machine == _machine()

    @property
    def shares_clock(self) -> bool:
        """Whether it shares this process's monotonic clock, as all containers of one machine do.

        Where a boot has no name, the clock may have begun anew since: it then shows too little time, never
        too much.
        """
        return bool(self.machine) and self.machine.partition(" ")[0] == _machine().partition(" ")[0]


def this_process() -> Process:
    """Return the process that asks; a forked child is another one than its parent."""
    pid = os.getpid()
    return Process(_machine(), pid, _started(pid) or "", platform.node())


def boot_time_s() -> float:
    """Return seconds on a clock that also runs while the machine sleeps; infinity where there is none."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else math.inf


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux
        import uuid

        return f"{platform.node()}/{uuid.getnode():012x}"


def _started(pid: int) -> str | None:
    """Return when a process started, None if there is none of that number, "" if nobody tells us.

    A zombie, which has ended and whose parent has not asked yet, counts as gone.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # where /proc is mounted with hidepid, the processes of others do not show
        return "" if _takes_signals(pid) else None
    state, *rest = fields.rpartition(")")[2].split()
    return None if state in "ZX" else rest[_START_FIELD - 1]


def _takes_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and another user's
        return True
    return True
