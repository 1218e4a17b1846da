"""Numbers on the command line."""

from __future__ import annotations

import argparse


def count(text: str) -> int:
    """Read a whole number of at least 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)
