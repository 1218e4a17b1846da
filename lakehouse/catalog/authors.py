"""Who does something in a lake."""

from __future__ import annotations

import getpass
import os
import platform


def author_of(given: str = "") -> str:
    """Return who acts: as given, else LAKEHOUSE_AUTHOR, else user@host."""
    if given or os.environ.get("LAKEHOUSE_AUTHOR"):
        return given or os.environ["LAKEHOUSE_AUTHOR"]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container user without a name
        user = "unknown"
    return f"{user}@{platform.node()}"
