"""Put-if-absent, get, list and atomic publish, on local disk and S3."""

from lakehouse.store.base import Entry, Store, check_path
from lakehouse.store.local import LocalStore
from lakehouse.store.locate import open_store

__all__ = ["Entry", "LocalStore", "Store", "check_path", "open_store"]
