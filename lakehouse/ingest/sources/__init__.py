"""Sources of a backfill: where rows come from, in chunks that a ledger can remember."""

from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.ingest.sources.databases import DatabaseSource
from lakehouse.ingest.sources.documents import shipped_recipes
from lakehouse.ingest.sources.exchanges import ExchangeSource
from lakehouse.ingest.sources.fallback import FallbackSource
from lakehouse.ingest.sources.files import FileSource
from lakehouse.ingest.sources.recipe import Recipe, TimeRule
from lakehouse.ingest.sources.registry import InstalledSource, as_source, is_named
from lakehouse.ingest.sources.registry import installed_sources as installed
from lakehouse.ingest.sources.registry import open_source as open
from lakehouse.ingest.sources.tables import fit_table, identity

__all__ = [
    "Chunk",
    "DatabaseSource",
    "ExchangeSource",
    "FallbackSource",
    "FileSource",
    "InstalledSource",
    "Recipe",
    "Source",
    "TimeRule",
    "as_source",
    "fit_table",
    "identity",
    "installed",
    "is_named",
    "open",
    "shipped_recipes",
]
