"""Which process this is, so that another one on the same machine can tell whether it is gone."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_START_FIELD = 19  # of /proc/<pid>/stat after the name: when the process started, in ticks since the boot


@dataclass(frozen=True, slots=True)
class Process:
    """One process of one machine; nothing of it is ever used again by another."""

    machine: str
    """boot and namespace of process numbers; empty where the system does not tell"""
    pid: int
    """its number"""
    started: str
    """when it started, in the machine's own words"""
    host: str
    """name of the machine, for people"""

    @property
    def is_gone(self) -> bool:
        """Whether it is proven that it has ended; False also where nobody here can know."""
        if not self.machine or self.machine != _machine():
            return False
        return _started(self.pid) != self.started

    @property
    def is_neighbour(self) -> bool:
        """Whether it shares this process's machine, and so its monotonic clock."""
        return bool(self.machine) and self.machine == _machine()


def this_process() -> Process:
    """Return the process that asks; a forked child is another one than its parent."""
    pid = os.getpid()
    return Process(_machine(), pid, _started(pid) or "", platform.node())


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux: a claim is dead only when nobody renews it
        return ""


def _started(pid: int) -> str | None:
    """Return when a process started, or None if there is none of that number.

    A zombie, which has ended and whose parent has not asked yet, counts as gone.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        return ""
    state, *rest = fields.rpartition(")")[2].split()
    return None if state in "ZX" else rest[_START_FIELD - 1]
