"""The threads on which columns are decoded, gathered and hashed; pyarrow and numpy let go of the GIL there.

A task on them never waits for another one, so they can not block each other.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, islice
from threading import Event, Semaphore, local
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future, ThreadPoolExecutor

Given = TypeVar("Given")
Found = TypeVar("Found")

_THREADS = max(2, os.cpu_count() or 1)
TASKS_IN_FLIGHT = 3 * _THREADS
FILES_AT_ONCE = 2 * _THREADS
"""that are encoded: one a core would leave the last one alone on its core"""
_here = local()


@cache
def workers() -> ThreadPoolExecutor:
    """Return the pool of this process, one thread a core."""
    from concurrent.futures import ThreadPoolExecutor  # not before a question needs several files

    return ThreadPoolExecutor(_THREADS, thread_name_prefix="lakehouse", initializer=_mark)


def in_worker() -> bool:
    """Say whether this thread is one of the pool: it must not wait for others of it."""
    return getattr(_here, "worker", False)


def side_by_side(task: Callable[[Given], Found], items: Sequence[Given]) -> list[Found]:
    """Return what a task makes of each item: by the caller and the pool, whoever is free for the next one.

    The caller works as well, so that it never waits for a thread that has not woken up; it works alone on one
    item, or where it is of the pool itself.
    """
    if len(items) < 2 or in_worker():
        return [task(item) for item in items]
    found: dict[int, Found] = {}
    places = deque(range(len(items)))

    def take() -> None:
        while True:
            try:
                place = places.popleft()
            except IndexError:
                return
            found[place] = task(items[place])

    helpers = [workers().submit(take) for _ in range(min(_THREADS, len(items)) - 1)]
    try:
        take()
    finally:
        places.clear()
        errors = [helper.exception() for helper in helpers if not helper.cancel()]
    for error in filter(None, errors):
        raise error
    return [found[place] for place in range(len(items))]


def _mark() -> None:
    _here.worker = True


def flow(
    task: Callable[[Given], Found],
    items: Iterable[Given],
    *,
    executor: Executor | None = None,
    ahead: int = TASKS_IN_FLIGHT,
) -> Iterator[Found]:
    """Yield what a task makes of each item, in their order; a few tasks a core are in flight at a time.

    It is iterated outside the pool, so that one flow may feed another.

    Args:
        task: what to do.
        items: what to do it with.
        executor: that does it; None for the pool of this process.
        ahead: most tasks in flight.
    """
    pool = executor or workers()
    waiting: deque[Future[Found]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(task, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def abreast(task: Callable[[Given], Found], items: Iterable[Given], *, most: int) -> list[Found]:
    """Return what a task makes of each item, in their order, up to `most` items at a time.

    The tasks have threads of their own, so they may wait for those of the pool; a single item needs none.
    Where one fails no other begins, and those that run end first, so that the caller knows what has been
    done.
    """
    from concurrent.futures import ThreadPoolExecutor

    rest = iter(items)
    first = list(islice(rest, 2))
    if len(first) < 2:
        return [task(item) for item in first]
    room, failed = Semaphore(most), Event()

    def run(item: Given) -> Found:
        try:
            return task(item)
        except BaseException:
            failed.set()
            raise
        finally:
            room.release()

    with ThreadPoolExecutor(max_workers=most, thread_name_prefix="lakehouse-files") as pool:
        begun: list[Future[Found]] = []
        for item in chain(first, rest):
            room.acquire()
            if failed.is_set():
                break
            begun.append(pool.submit(run, item))
    return [future.result() for future in begun]


if hasattr(os, "register_at_fork"):  # threads do not survive a fork: a child starts its own pool
    os.register_at_fork(after_in_child=workers.cache_clear)
