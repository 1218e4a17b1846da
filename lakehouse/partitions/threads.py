"""The threads on which columns are decoded, gathered and hashed; pyarrow and numpy let go of the GIL there.

A task on them never waits for another one, so they can not block each other.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache


@cache
def workers() -> ThreadPoolExecutor:
    """Return the pool of this process, one thread a core."""
    return ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1), thread_name_prefix="lakehouse")


if hasattr(os, "register_at_fork"):  # threads do not survive a fork: a child starts its own pool
    os.register_at_fork(after_in_child=workers.cache_clear)
