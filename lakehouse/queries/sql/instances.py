"""DuckDB instances, which a forked child keeps for ever.

To free one is to wait for its threads, and those run in the parent alone: the child would crash, in the
middle of a read, where the garbage collector finds one, or at its very end.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_instances: WeakSet[DuckDBPyConnection] = WeakSet()


def open_instance(settings: dict[str, Any] | None = None) -> DuckDBPyConnection:
    """Return a connection to a new instance in memory; it may be closed in the process that opened it."""
    import duckdb

    connection = duckdb.connect(":memory:", config=settings or {})
    _instances.add(connection)
    return connection


def _after_fork() -> None:
    import ctypes

    for connection in list(_instances):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
