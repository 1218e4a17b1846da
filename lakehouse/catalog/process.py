"""Which process this is, so that another one on the same machine can tell whether it is gone."""

from __future__ import annotations

import os
import platform
import sys
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_START_FIELD = 19  # of /proc/<pid>/stat after the name: when the process started, in ticks since the boot
_UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of one machine; nothing of it is ever used again by another."""

    machine: str
    """boot and namespace of process numbers; where the system does not tell them, name and network address"""
    pid: int
    """its number"""
    started: str
    """when it started, in the machine's own words"""
    host: str
    """name of the machine, for people"""

    @property
    def is_gone(self) -> bool:
        """Whether it is proven that it has ended; False also where nobody here can know."""
        if not self.is_neighbour or sys.platform == "win32":  # where os.kill would end it
            return False
        try:
            os.kill(self.pid, 0)  # asks whether there is such a process, also one of another user
        except ProcessLookupError:
            return True
        except OSError:
            pass
        return _started(self.pid) not in (self.started, _UNKNOWN)

    @property
    def is_neighbour(self) -> bool:
        """Whether it shares this process's machine, and so its monotonic clock.

        Where a boot has no name, that clock may have begun anew since: it then shows too little time, never
        too much.
        """
        return self.machine == _machine()


def this_process() -> Process:
    """Return the process that asks; a forked child is another one than its parent."""
    pid = os.getpid()
    return Process(_machine(), pid, _started(pid), platform.node())


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux
        return f"{platform.node()} {uuid.getnode():012x}"


def _started(pid: int) -> str:
    """Return when a process started; empty for one that has ended, or that shows itself to its user alone.

    A zombie, whose parent has not asked yet how it ended, has ended.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _UNKNOWN
    state, *rest = fields.rpartition(")")[2].split()
    return f"ended as {state}" if state in "ZX" else rest[_START_FIELD - 1]
