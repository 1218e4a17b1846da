"""What a collector asks of an exchange: what to send it, and which rows its messages are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Row = Mapping[str, Any]
"""one row of a product, by column"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one message was."""

    rows: list[Row] = field(default_factory=list)
    """in the order of the exchange"""
    replies: list[str] = field(default_factory=list)
    """messages to send back"""
    checked: int = 0
    """checksums that agreed"""
    failed: int = 0
    """checksums that did not: the replies ask for the book anew"""


class Feed(Protocol):
    """The protocol of one exchange, and the books that it keeps."""

    def begin(self) -> list[str]:
        """Forget every book, and return the messages that subscribe on a new connection."""

    def take(self, text: str, receive_ns: int) -> Taken:
        """Take one message.

        Args:
            text: as it came.
            receive_ns: when, UTC nanoseconds.

        Raises:
            SourceError: it is none that the exchange documents.
        """
