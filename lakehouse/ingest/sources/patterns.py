"""strptime codes as a regular expression and a chrono format, so that only text of that shape is read.

The parser below (polars, chrono) is lenient where a market's times must not be: it takes '2020115' for 5
November, rolls second 60 over, cuts a tenth fractional digit, and wraps years beyond 2262. The expression
goes first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakehouse.errors import ArgumentError

_SHORTHAND = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%R": "%H:%M"}
_TWO_DIGITS = {
    "m": r"1[0-2]|0?[1-9]",
    "d": r"3[01]|[12]\d|0?[1-9]",
    "H": r"2[0-3]|[01]?\d",
    "I": r"1[0-2]|0?[1-9]",
}
_SIXTIETHS = {"M": r"[0-5]?\d", "S": r"[0-5]?\d"}
_PADDED = {"m": r"0[1-9]|1[0-2]", "d": r"0[1-9]|[12]\d|3[01]", "H": r"[01]\d|2[0-3]", "I": r"0[1-9]|1[0-2]",
           "M": r"[0-5]\d", "S": r"[0-5]\d"}  # fmt: skip
_FIXED = {"Y": r"\d{4}", "y": r"\d{2}", "j": r"\d{3}"}
_WORDS = {"b": r"[A-Za-z]{3}", "B": r"[A-Za-z]+", "a": r"[A-Za-z]{3}", "A": r"[A-Za-z]+", "p": r"(?i:AM|PM)"}
_FRACTION, _OFFSET = "f", "z"
_NUMERIC = {*_TWO_DIGITS, *_SIXTIETHS, *_FIXED, _FRACTION}
_TOKEN = re.compile(r"%(.)|([^%]+)|%")


@dataclass(frozen=True, slots=True)
class TimePattern:
    """A compiled strptime format."""

    expression: str
    """for whole texts; groups `text0`, `text1`, … are what is left for chrono, `fraction` and `offset` stand
    apart"""
    chrono: str
    """the format of the texts, joined"""
    pieces: int
    """how many `text…` groups there are"""
    fraction: bool
    """whether there is a group `fraction`"""
    offset: bool
    """whether there is a group `offset`"""
    dated: bool
    """whether the format has a year; without one the times belong to a base date"""


def compile_pattern(text: str) -> TimePattern:
    """Compile strptime codes.

    Raises:
        ArgumentError: a code is unknown, or appears twice.

    Examples:
        >>> compile_pattern("%Y%m%d %H%M%S%f").chrono
        '%Y%m%d %H%M%S'
    """
    for short, full in _SHORTHAND.items():
        text = text.replace(short, full)
    tokens = [(found.group(1), found.group(2)) for found in _TOKEN.finditer(text)]
    codes = [code for code, _ in tokens if code]
    known = {*_NUMERIC, *_WORDS, _OFFSET}
    unknown = [code for code in codes if code not in known]
    if (
        unknown
        or len(set(codes)) < len(codes)
        or any(code is None and plain is None for code, plain in tokens)
    ):
        raise ArgumentError(
            f"Can not read times by the format {text!r}.",
            hint=f"Use each of {', '.join('%' + code for code in sorted(known))} at most once.",
        )
    return _assemble(tokens)


def _assemble(tokens: list[tuple[str | None, str | None]]) -> TimePattern:
    expressions, formats = [""], [""]
    outer: list[str] = []
    for index, (code, plain) in enumerate(tokens):
        if code in (_FRACTION, _OFFSET):
            outer.append(r"(?P<fraction>\d{1,9})" if code == _FRACTION else r"(?P<offset>Z|[+-]\d{2}:?\d{2})")
            expressions.append("")
            formats.append("")
        else:
            expressions[-1] += _expression(tokens, index) if code else re.escape(plain or "")
            formats[-1] += f"%{code}" if code else plain or ""
    texts = [f"(?P<text{number}>{expression})" for number, expression in enumerate(expressions)]
    whole = texts[0] + "".join(part + text for part, text in zip(outer, texts[1:], strict=True))
    codes = {code for code, _ in tokens}
    return TimePattern(
        f"^{whole}$",
        "".join(formats),
        len(texts),
        _FRACTION in codes,
        _OFFSET in codes,
        bool({"Y", "y"} & codes),
    )


def _expression(tokens: list[tuple[str | None, str | None]], index: int) -> str:
    """Return the expression of one code; digits that touch others must be padded, to be read one way."""
    code = tokens[index][0] or ""
    neighbours = [tokens[near][0] for near in (index - 1, index + 1) if 0 <= near < len(tokens)]
    touching = any(near in _NUMERIC for near in neighbours)
    if code in _PADDED:
        loose = _TWO_DIGITS.get(code) or _SIXTIETHS[code]
        return f"(?:{_PADDED[code] if touching else loose})"
    return _FIXED.get(code) or _WORDS[code]
