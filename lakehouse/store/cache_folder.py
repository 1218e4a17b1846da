"""Where the caches of this user lie; reads look there first, so this loads nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder that LAKEHOUSE_CACHE names, else this user's cache folder on this platform."""
    if chosen := os.environ.get("LAKEHOUSE_CACHE"):
        return Path(chosen).expanduser().absolute()
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "lakehouse"
