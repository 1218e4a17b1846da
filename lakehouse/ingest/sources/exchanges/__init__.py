"""Exchanges as sources, through ccxt."""

from lakehouse.ingest.sources.exchanges.source import ExchangeSource, open_exchange

__all__ = ["ExchangeSource", "open_exchange"]
