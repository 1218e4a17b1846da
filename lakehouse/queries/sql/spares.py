"""Fresh DuckDB instances, made ahead on a thread: making one costs 11 ms, taking one costs nothing.

A spare has answered no query and is used for one, so nothing can leak from one query to another. The first
query of a process makes its own and asks for none: a command that asks one question must not pay for two
instances. Used instances are closed on the same thread, which takes another
2 ms and more.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from lakehouse.queries.sql.instances import open_instance

if TYPE_CHECKING:
    import duckdb

_SETTINGS: Mapping[str, str] = {
    "disabled_optimizers": "'statistics_propagation'",  # it takes the max of what may hold NaN for NaN
    "asof_loop_join_threshold": "0",  # above it an as-of join may fall into a nested loop, 700 times slower
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "parquet_metadata_cache": "true",
    "TimeZone": "'UTC'",
}
_FIRST_TREE = """SELECT json_serialize_sql('SELECT 1')"""


class Spares:
    """The spare instances of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready: deque[Future[duckdb.DuckDBPyConnection]] = deque()
        self._used: deque[duckdb.DuckDBPyConnection] = deque()
        self._taken = 0

    def take(self) -> duckdb.DuckDBPyConnection:
        """Return a connection to a fresh instance, the caller's own, and order the next one."""
        with self._lock:
            found = self._ready.popleft() if self._ready else None
            self._taken += 1
            if self._taken > 1 and not self._ready:
                with contextlib.suppress(RuntimeError):  # the interpreter is about to end
                    self._ready.append(_thread().submit(self._next))
        return fresh() if found is None else found.result()

    def give_back(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let an instance that has answered its query be closed on the thread, before the next one is made.

        It may be called by the garbage collector at any moment, so it takes no lock.
        """
        self._used.append(connection)

    def _next(self) -> duckdb.DuckDBPyConnection:
        while self._used:
            self._used.popleft().close()
        return fresh()


def fresh() -> duckdb.DuckDBPyConnection:
    """Make an instance with the settings of every query, which has parsed once."""
    connection = open_instance()
    # GLOBAL: every stream has a cursor of its own, blind to the settings of its parent alone
    connection.execute("; ".join(f"SET GLOBAL {name} = {value}" for name, value in _SETTINGS.items()))
    connection.execute(_FIRST_TREE).fetchall()  # the first tree takes 2 ms longer than the next one
    return connection


@cache
def spares() -> Spares:
    """Return the spares of this process."""
    return Spares()


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="lakehouse-duckdb")


def _after_fork() -> None:
    spares.cache_clear()
    _thread.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
