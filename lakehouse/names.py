"""Names of domains, products, documents and symbols, legal on every disk.

Names of ours are plain (`market_data.bars_1d`); symbols belong to the market and may hold anything, so on
disk they are percent-encoded: upper-case letters, digits, `-`, `_` and `.` stay, everything else is written
`%XX` per UTF-8 byte. Lower-case letters are encoded too, so that `ibm` and `IBM` stay two folders on a disk
that ignores case.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote

from lakehouse.errors import ArgumentError

_PART = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DOCUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WINDOWS_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_LONGEST_FOLDER = 160
_PLAIN_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@dataclass(frozen=True, slots=True, order=True)
class ProductName:
    """The name of a data product: `domain.product`.

    Examples:
        >>> ProductName.parse("market_data.bars_1d")
        ProductName(domain='market_data', product='bars_1d')
        >>> str(ProductName.parse("market_data.bars_1d"))
        'market_data.bars_1d'
    """

    domain: str
    """lower case, digits and underscores"""
    product: str
    """lower case, digits and underscores"""

    @classmethod
    def parse(cls, text: str | ProductName) -> ProductName:
        """Read `domain.product`.

        Raises:
            ArgumentError: the text is not two plain names joined by one dot.
        """
        if isinstance(text, ProductName):
            return text
        parts = text.split(".") if isinstance(text, str) else []
        if len(parts) != 2 or not all(is_plain_name(part) for part in parts):
            raise ArgumentError(
                f"Not a product name: {text!r}.",
                hint="Write domain.product in lower case, digits and underscores: market_data.bars_1d",
            )
        return cls(*parts)

    def __str__(self) -> str:
        """Return `domain.product`."""
        return f"{self.domain}.{self.product}"


def is_plain_name(text: str) -> bool:
    """Say whether `text` may name a domain, a product or a column partition folder."""
    return bool(_PART.fullmatch(text)) and not _WINDOWS_RESERVED.fullmatch(text)


def check_document_name(text: str, *, kind: str) -> str:
    """Return `text` if it may name a snapshot or another document.

    Raises:
        ArgumentError: it is empty, too long, holds a separator or `..`, ends in a dot, or is reserved on
            Windows.

    Examples:
        >>> check_document_name("2026-q3", kind="snapshot")
        '2026-q3'
    """
    legal = (
        isinstance(text, str) and _DOCUMENT.fullmatch(text) and ".." not in text and not text.endswith(".")
    )
    if not legal or _WINDOWS_RESERVED.fullmatch(text):
        raise ArgumentError(
            f"Not a name for a {kind}: {text!r}.",
            hint="Use 1 to 100 letters, digits, '-', '_' and single dots, starting with a letter or digit.",
        )
    return text


def fresh_id() -> str:
    """Return 32 random hex digits, unique for ever."""
    return os.urandom(16).hex()


def encode_symbol(symbol: str) -> str:
    """Write a symbol as a folder name that is legal, and distinct, on Linux, macOS and Windows.

    Examples:
        >>> encode_symbol("BTC-USD"), encode_symbol("BRK/B"), encode_symbol("ibm")
        ('BTC-USD', 'BRK%2FB', '%69%62%6D')
    """
    inner = bytes([*_PLAIN_BYTES, ord(".")])
    body = "".join(chr(byte) if byte in inner else f"%{byte:02X}" for byte in symbol.encode("utf-8"))
    if (
        len(body) > _LONGEST_FOLDER
    ):  # no disk takes it: the log still has the symbol, the folder only has to be its own
        import hashlib  # it loads OpenSSL

        own = hashlib.sha256(body.encode()).hexdigest()[:32].upper()
        return f"{body[: _LONGEST_FOLDER - 40].rpartition('%')[0]}~{own}"
    return body[:-1] + "%2E" if body.endswith(".") else body


def decode_symbol(folder: str) -> str:
    """Read back what `encode_symbol` wrote, except of symbols too long for a folder.

    Examples:
        >>> decode_symbol("BRK%2FB")
        'BRK/B'
    """
    return unquote(folder, encoding="utf-8", errors="strict")
