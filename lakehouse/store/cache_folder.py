"""Where the caches of this user lie; reads look there first, so this loads nothing else."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder that LAKEHOUSE_CACHE names, else this user's cache folder on this platform."""
    if chosen := os.environ.get("LAKEHOUSE_CACHE"):
        return _absolute(chosen, os.environ.get("HOME")) if chosen[0] in "/~" else Path(chosen).absolute()
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return _absolute(f"{base}/lakehouse", os.environ.get("HOME"))


@lru_cache(maxsize=16)
def _absolute(path: str, home: str | None) -> Path:
    """Return a path that begins at the root or a home; each column that is read asks for it."""
    return Path(path).expanduser().absolute()
