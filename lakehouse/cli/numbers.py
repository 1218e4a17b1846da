"""Numbers on the command line."""

from __future__ import annotations

import argparse
import math


def count(text: str) -> int:
    """Read a whole number of at least 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def share(text: str) -> float:
    """Read a number from 0 to 1, such as a score; NaN would be below nothing, and stop nobody.

    Raises:
        ArgumentTypeError: it is none.
    """
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return number


def megabytes(text: str) -> int:
    """Read a size in megabytes as bytes, at least one.

    Raises:
        ArgumentTypeError: it is none.
    """
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of megabytes above 0")
    return max(1, int(number * 1_000_000))


def _number(text: str) -> float:
    """Return what a text says; NaN, which lies in no range, where it says no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan
