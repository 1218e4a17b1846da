"""Who does something in a lake."""

from __future__ import annotations

import getpass
import os
import platform

from lakehouse.catalog.documents import storable


def author_of(given: str = "") -> str:
    """Return who acts, in text that a document can hold: as given, else LAKEHOUSE_AUTHOR, else user@host."""
    if given or os.environ.get("LAKEHOUSE_AUTHOR"):
        return storable(given or os.environ["LAKEHOUSE_AUTHOR"])
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container user without a name
        user = "unknown"
    return storable(f"{user}@{platform.node()}")
