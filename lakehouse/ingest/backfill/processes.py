"""A pool of processes that loads chunks, and outlives a chunk that kills its process."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager

from lakehouse.errors import LakehouseError, SourceError
from lakehouse.ingest.backfill.batches import Loaded
from lakehouse.ingest.sources.base import Chunk
from lakehouse.partitions.threads import flow

MOST_DEATHS = 3
"""chunks in a row whose process died, after which it is not the chunks"""


class Processes:
    """Processes that are started when they are needed, and anew when one of them has died."""

    def __init__(self, count: int) -> None:
        """Take how many."""
        self._count, self._deaths = count, 0
        self._pool: ProcessPoolExecutor | None = None

    def load(self, task: Callable[[Chunk], Loaded], ahead: int, chunks: Sequence[Chunk]) -> Iterator[Loaded]:
        """Yield what a task makes of chunks, in their order; where a process dies, the next one alone.

        Raises:
            LakehouseError: every process dies.
        """
        rest = deque(chunks)
        while rest:
            try:
                for loaded in flow(task, tuple(rest), executor=self._started(), ahead=ahead):
                    rest.popleft()
                    self._deaths = 0
                    yield loaded
            except BrokenExecutor:  # which chunk it was, its pool does not say
                self.end()
                yield self._alone(task, rest.popleft())

    def end(self) -> None:
        """End the processes, after the chunks that they have begun."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = _pool_of(self._count)
        return self._pool

    def _alone(self, task: Callable[[Chunk], Loaded], chunk: Chunk) -> Loaded:
        try:
            with _pool_of(1) as pool:
                return pool.submit(task, chunk).result()
        except BrokenExecutor as error:
            self._deaths += 1
            if self._deaths >= MOST_DEATHS:
                raise LakehouseError(
                    f"The processes of {MOST_DEATHS} chunks in a row died. What was committed stays.",
                    hint="A script that starts processes must do so below `if __name__ == '__main__':`.",
                ) from error
            what = f"The process that read {', '.join(chunk.files) or chunk.id} died."
            return Loaded(chunk, None, SourceError(what, hint="It may have run out of memory."))


@contextmanager
def processes(count: int) -> Iterator[Processes]:
    """Give processes for as long as the block runs."""
    made = Processes(count)
    try:
        yield made
    finally:
        made.end()


def _pool_of(count: int) -> ProcessPoolExecutor:
    from multiprocessing import get_context

    # Never forked: a child would inherit locks that other threads hold.
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin_worker)


def _begin_worker() -> None:
    """Leave ctrl-C to the coordinator, and end with it, however it ends."""
    import signal
    from multiprocessing import connection, parent_process
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:

        def follow() -> None:
            connection.wait([parent.sentinel])
            os._exit(1)

        Thread(target=follow, name="lakehouse-parent", daemon=True).start()
