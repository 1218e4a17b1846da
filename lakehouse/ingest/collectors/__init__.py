"""Collectors: order books of an exchange over a WebSocket, checked against its checksums, into a stream."""

from lakehouse.ingest.collectors.book import Book
from lakehouse.ingest.collectors.collect import Collected, collect
from lakehouse.ingest.collectors.feed import Feed, Taken
from lakehouse.ingest.collectors.kraken import KrakenBooks

__all__ = ["Book", "Collected", "Feed", "KrakenBooks", "Taken", "collect"]
