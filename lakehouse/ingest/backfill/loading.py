"""Read chunks and pass them through the gate: on threads, on processes, or wherever an executor runs.

A thread hands its rows over in memory. Whoever may be another process stages them in the lake, as Arrow IPC
below `_staging/` in the folder of the table, and hands over the name; the coordinator maps the file. It
carries the coordinator's session in its name, as every file that no commit names: where the coordinator dies,
garbage collection finds what it left.
"""

from __future__ import annotations

import os
import pickle
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import pyarrow as pa

from lakehouse.catalog.contract import Contract
from lakehouse.errors import ArgumentError, LakehouseError, SourceError
from lakehouse.ingest.backfill.batches import Loaded
from lakehouse.ingest.backfill.processes import MOST_DEATHS, processes
from lakehouse.ingest.prepare import Prepared, prepare
from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.ingest.sources.policy import Policy
from lakehouse.ingest.write import no_rows
from lakehouse.partitions.threads import flow
from lakehouse.store import Store

Workers = Literal["threads", "processes"] | Executor | None
Load = Callable[[Sequence[Chunk]], Iterator[Loaded]]

STAGING = "_staging"
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Task:
    """What it takes to load a chunk; it can be sent to another process."""

    source: Source
    contract: Contract
    store: Store
    """the lake"""
    table: str
    """path of the table"""
    policy: Policy | None = None
    writer: str = ""
    """session of the coordinator for whom the rows are staged; empty to hand them over in memory"""
    run: str = ""
    """6 hex digits that tell its runs apart"""

    def __call__(self, chunk: Chunk) -> Loaded:
        """Load a chunk; its error, if any, comes back with it."""
        try:
            rows = self._read(chunk)
            if rows.num_rows:
                prepared = prepare(rows, self.contract, store=self.store)
            else:
                prepared = no_rows(self.contract.schema)  # it is done all the same
            loaded = Loaded(chunk, prepared, rows=prepared.good.num_rows)
            return self._staged(loaded, prepared) if self.writer else loaded
        except LakehouseError as error:
            return Loaded(chunk, None, error)

    def staged_by(self, writer: str) -> Task:
        """Return the task for whoever may be another process."""
        return replace(self, writer=writer, run=uuid.uuid4().hex[:6])

    def discard(self) -> None:
        """Delete what was staged and not fetched, as where a process died or the run was interrupted."""
        for entry in list(self.store.list(f"{self.table}/{STAGING}")):
            if entry.path.startswith(self._prefix):
                self.store.delete(entry.path)

    @property
    def _prefix(self) -> str:
        return f"{self.table}/{STAGING}/part-{self.writer}-{self.run}"

    def _read(self, chunk: Chunk) -> pa.Table:
        """Read a chunk within the source's policy.

        Raises:
            SourceError: it can not be read; also what a source of somebody else raises, or gives that is no
                table, stops no other chunk.
        """
        read = partial(self.source.read, chunk, self.contract.schema)
        try:
            rows = read() if self.policy is None else self.policy.call(read)
        except LakehouseError:
            raise
        except Exception as error:
            what = f"{self.source.name} failed with {type(error).__name__}: {error}"
            raise SourceError(what) from error
        if not isinstance(rows, pa.Table):
            raise SourceError(f"{self.source.name} gave a {type(rows).__name__}, not a pyarrow.Table.")
        return rows

    def _staged(self, loaded: Loaded, prepared: Prepared) -> Loaded:
        path = f"{self._prefix}{uuid.uuid4().hex[:6]}.arrow"
        with (
            self.store.stage(path, durable=False) as temporary,
            pa.OSFile(str(temporary), "wb") as file,
            pa.ipc.new_file(file, prepared.good.schema) as out,
        ):
            out.write_table(prepared.good.unify_dictionaries())
        handed = replace(prepared, good=prepared.good.slice(0, 0))
        return replace(loaded, prepared=handed, staged=path)


def rows_of(store: Store, loaded: Loaded) -> Prepared:
    """Return what a chunk gave, with its rows: those of a staged file are mapped, not read.

    Raises:
        NotFoundError: the staged file is gone: this process stood still, and was taken for dead.
    """
    if loaded.prepared is None or not loaded.staged:
        assert loaded.prepared is not None
        return loaded.prepared
    file = store.local_path(loaded.staged)
    with pa.memory_map(str(file)) as mapped:
        return replace(loaded.prepared, good=pa.ipc.open_file(mapped).read_all())


@contextmanager
def loading(task: Task, executor: Workers, workers: int | None, staged: Task) -> Iterator[Load]:
    """Give what loads chunks in their order, a few ahead of the commit.

    Args:
        task: for threads.
        executor: what runs it; None for threads.
        workers: how many; None for one a core, and two at least.
        staged: the task for whoever may be another process.

    Raises:
        ArgumentError: there is no such executor, it forks, the source can not be sent to another process, or
            `workers` is not above 0.
    """
    if workers is not None and workers < 1:
        raise ArgumentError(f"workers must be above 0, got {workers}.")
    count = workers or max(2, os.cpu_count() or 1)
    if executor == "processes" or isinstance(executor, ProcessPoolExecutor):
        _refuse_what_can_not_travel(staged)
    if isinstance(executor, Executor):
        _refuse_forks(executor)
        on_threads = isinstance(executor, ThreadPoolExecutor)
        yield partial(_flow, task if on_threads else staged, executor, _AHEAD * count)
    elif executor in (None, "threads"):
        with ThreadPoolExecutor(count, thread_name_prefix="lakehouse-backfill") as pool:
            yield partial(_flow, task, pool, count + _AHEAD)
    elif executor == "processes":
        with processes(count) as made:
            policy = staged.policy and staged.policy.shared_by(count)
            yield partial(made.load, replace(staged, policy=policy), _AHEAD * count)
    else:
        raise ArgumentError(
            f"There is no executor {executor!r}.",
            hint="Choose 'threads' or 'processes', or give a concurrent.futures.Executor.",
        )


def _refuse_what_can_not_travel(task: Task) -> None:
    """Refuse a source that no other process can be given; a Dask client's workers are given more than these.

    Raises:
        ArgumentError: it can not be pickled.
    """
    try:
        pickle.dumps(task)
    except Exception as error:  # of whatever the source is made of
        raise ArgumentError(
            f"{task.source.name} can not be sent to another process: {error}",
            hint="Load it on threads; or define its class in a module, and open files in `read`.",
        ) from error


def _refuse_forks(executor: Executor) -> None:
    """Refuse a pool that would stand still for ever: a forked child inherits locks that other threads hold.

    Raises:
        ArgumentError: it is one.
    """
    context = getattr(executor, "_mp_context", None) if isinstance(executor, ProcessPoolExecutor) else None
    if context is not None and context.get_start_method() == "fork":
        raise ArgumentError(
            "The executor forks its processes, which then wait for threads that they do not have.",
            hint="Choose executor='processes', or give it mp_context=multiprocessing.get_context('spawn').",
        )


def _flow(task: Task, pool: Executor, ahead: int, chunks: Sequence[Chunk]) -> Iterator[Loaded]:
    """Yield what an executor makes of chunks, in their order; what it can not do stops no other chunk.

    Raises:
        LakehouseError: the executor is broken, or can do nothing.
    """
    rest, losses = deque(chunks), 0
    while rest:
        try:
            for loaded in flow(task, tuple(rest), executor=pool, ahead=ahead):
                rest.popleft()
                losses = 0
                yield loaded
        except BrokenExecutor as error:
            raise LakehouseError(
                "A worker of the executor died while it read a chunk. What was committed stays.",
                hint="Run it again with another executor; with fewer workers where the memory was short.",
            ) from error
        except Exception as error:  # of the executor's own kinds, such as Dask's KilledWorker
            if isinstance(pool, ThreadPoolExecutor):
                raise
            losses += 1
            what = f"The executor failed with {type(error).__name__}: {error}"
            if losses >= MOST_DEATHS:
                raise LakehouseError(f"{what} What was committed stays.") from error
            yield Loaded(rest.popleft(), None, SourceError(what))
