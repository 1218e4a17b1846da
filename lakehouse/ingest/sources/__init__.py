"""Sources of a backfill: where rows come from, in chunks that a ledger can remember."""

from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.ingest.sources.documents import shipped_recipes
from lakehouse.ingest.sources.files import FileSource
from lakehouse.ingest.sources.recipe import Recipe, TimeRule

__all__ = ["Chunk", "FileSource", "Recipe", "Source", "TimeRule", "shipped_recipes"]
