"""Processes that die: what was acknowledged is there, once, wherever they died."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.errors import IntegrityError, StorageError
from lakehouse.ingest.streaming.sealing import recover
from lakehouse.ingest.streaming.stream import Stream, StreamSettings
from lakehouse.store import durable

from .conftest import START_NS, Ticks, wait_until

WRITER = """
import sys, threading
import lakehouse
lake, name, durability, seal_rows, start = sys.argv[1:]
time, number = int(start), 0
with lakehouse.open(lake).stream(name, durability=durability, seal_rows=int(seal_rows)) as stream:
    first = stream.write({"symbol": "IBM", "time": time, "size": 0}) - 1
    print("ready", flush=True)
    while True:
        number += 1
        rows = [{"symbol": "IBM", "time": time + number, "size": number}]
        if number % 3 == 0:
            number += 1
            rows.append({"symbol": "IBM", "time": time + number, "size": number})
        stream.write(rows)
        print(number, flush=True)
"""


def write_and_be_killed(ticks: Ticks, run: int, *, durability: str, seal_rows: int, rows: int) -> int:
    """Let a process stream until it has acknowledged some rows, kill it, and return its last one."""
    start = str(START_NS + run * 1_000_000_000)
    command = [sys.executable, "-c", WRITER, ticks.lake.url, ticks.name, durability, str(seal_rows), start]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        acknowledged = 0
        while acknowledged < rows:
            acknowledged = int(process.stdout.readline())
        process.kill()
        for line in process.stdout:  # what it had acknowledged until it died; the last line may be torn
            if line.endswith("\n"):
                acknowledged = int(line)
        return acknowledged


def check_after_kill(ticks: Ticks, before: list[int], acknowledged: int) -> list[int]:
    """Check that the rows of a run that was killed follow those before; return all of them."""
    seen = ticks.version() + ticks.tail()
    assert seen[: len(before)] == before
    run = seen[len(before) :]
    assert run == list(range(len(run)))
    assert len(run) > acknowledged
    ticks.lake.seal(ticks.name)
    assert (ticks.version(), ticks.tail()) == (seen, [])
    return seen


@pytest.mark.parametrize(("durability", "seal_rows"), [("each", 1_000_000), ("group", 40), ("none", 25)])
def test_killed_writers_lose_nothing_that_they_acknowledged(
    ticks: Ticks, durability: str, seal_rows: int
) -> None:
    before: list[int] = []
    for run in range(3):
        rows = random.Random(run).randrange(1, 120)
        last = write_and_be_killed(ticks, run, durability=durability, seal_rows=seal_rows, rows=rows)
        before = check_after_kill(ticks, before, last)
    assert ticks.product.verify().ok


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(200))
def test_two_hundred_killed_writers_lose_nothing(ticks: Ticks, seed: int) -> None:
    chance = random.Random(seed)
    last = write_and_be_killed(
        ticks,
        0,
        durability=chance.choice(["each", "group", "none"]),
        seal_rows=chance.choice([7, 50, 1_000_000]),
        rows=chance.randrange(1, 400),
    )
    check_after_kill(ticks, [], last)


class CrashError(BaseException):
    """Stands for the death of the process: nothing catches it."""


@contextmanager
def dying_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Die after so many steps that change the disk."""
    done = [0]

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread().name == "lakehouse-sealing":  # it takes space for later
                return step(*arguments, **named)
            if done[0] == steps:
                raise CrashError
            found = step(*arguments, **named)
            done[0] += 1
            if done[0] == steps:
                raise CrashError
            return found

        return run

    gc.collect()
    with monkeypatch.context() as patched:
        for name in ("sync", "sync_data", "sync_folder", "link"):
            patched.setattr(durable, name, counted(getattr(durable, name)))
        for name in ("unlink", "rename", "write_bytes"):
            patched.setattr(Path, name, counted(getattr(Path, name)))
        gc.disable()  # lakes that were opened to look give their leases back now, or later
        try:
            yield
        finally:
            gc.enable()


def test_death_after_each_step_of_sealing_leaves_each_row_once(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    for steps in range(1, 100):
        stream = ticks.lake.stream(ticks.name)
        for number in range(len(written), len(written) + 3):
            stream.write(ticks.tick(number))
            written.append(number)
        with dying_after(steps, monkeypatch):
            died = _dies(stream)
        stream.abandon()  # as the operating system does for a process that died
        assert ticks.version() + ticks.tail() == written
        if not died:
            break
    assert steps > 8
    ticks.lake.seal()
    assert (ticks.version(), ticks.tail()) == (written, [])
    assert ticks.product.verify().ok


def _dies(stream: Stream) -> bool:
    try:
        stream.seal()
    except CrashError:
        return True
    return False


def test_the_next_stream_recovers_what_a_dead_one_left(ticks: Ticks) -> None:
    dead = ticks.lake.stream(ticks.name)
    dead.write(ticks.tick(0))
    dead.abandon()
    with lakehouse.open(ticks.lake.url).stream(ticks.name) as stream:
        assert [each.rows for each in stream.recovered] == [1]
        assert ticks.version() == [0]
        assert stream.write(ticks.tick(1)) == 2


def test_the_space_that_a_dead_writer_had_taken_is_given_back(ticks: Ticks) -> None:
    file = dead_with(ticks, 1)
    wait_until(lambda: "lakehouse-sealing" not in [thread.name for thread in threading.enumerate()])
    for name in (".spare", f".tmp-{'0' * 32}"):
        file.with_name(name).write_bytes(bytes(10))
    ticks.lake.seal()
    assert [left.name for left in file.parent.iterdir()] == [".lock"]


def test_a_writer_that_dies_while_another_stream_opens_loses_nothing(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = ticks.lake.stream(ticks.name)
    dead.write([ticks.tick(0), ticks.tick(1)])
    dead.abandon()
    monkeypatch.setattr("lakehouse.ingest.streaming.stream.recover", lambda _: [])  # it lived still
    with ticks.lake.stream(ticks.name) as stream:
        assert [each.rows for each in stream.recovered] == [2]
        assert stream.write(ticks.tick(2)) == 3
        assert (ticks.version(), ticks.tail()) == ([0, 1], [2])
    assert ticks.version() == [0, 1, 2]


def test_a_living_writer_is_left_alone(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        assert recover(lambda: ticks.product) == []
        assert (ticks.version(), ticks.tail()) == ([], [0])


def test_seal_takes_the_rows_of_the_streams_of_its_own_process_too(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        assert [each.rows for each in lakehouse.open(ticks.lake.url).seal()] == [1]
        assert (ticks.version(), ticks.tail()) == ([0], [])


def segment_of(ticks: Ticks) -> Path:
    [file] = Path(ticks.lake.url).glob("partitions/*/*/v1/_tail/*/*.log")
    return file


def dead_with(ticks: Ticks, rows: int) -> Path:
    """Leave rows of a writer that died; return their segment."""
    dead = ticks.lake.stream(ticks.name)
    for number in range(rows):
        dead.write(ticks.tick(number))
    dead.abandon()
    return segment_of(ticks)


def test_a_torn_last_row_is_cut_and_reported(ticks: Ticks) -> None:
    file = dead_with(ticks, 3)
    data = file.read_bytes()
    end = len(data.rstrip(b"\0"))
    with file.open("rb+") as handle:
        handle.seek(end - 5)
        handle.write(bytes(4))
    assert ticks.tail() == [0, 1]
    [found] = ticks.lake.seal()
    assert (found.rows, [cut.is_torn for cut in found.cut]) == (2, [True])
    assert ticks.version() == [0, 1]
    assert not file.exists()


def test_a_damaged_row_is_reported_and_those_behind_it_are_kept(ticks: Ticks) -> None:
    file = dead_with(ticks, 5)
    data = file.read_bytes()
    place = data.index(b"IBM", data.index(b"IBM", 4096) + 3)
    with file.open("rb+") as handle:
        handle.seek(place)
        handle.write(b"XXX")
    [found] = ticks.lake.seal()
    assert [cut.is_torn for cut in found.cut] == [False]
    assert found.cut[0].offset < place < found.cut[0].offset + found.cut[0].length
    assert (ticks.version(), ticks.tail()) == ([0, 2, 3, 4], [])
    assert file.with_name(f"{file.name}.damaged").exists()
    assert ticks.lake.seal() == []


def test_a_segment_without_its_header_is_put_aside(ticks: Ticks) -> None:
    file = dead_with(ticks, 2)
    with file.open("rb+") as handle:
        handle.write(bytes(100))
    [found] = ticks.lake.seal()
    assert (found.rows, found.commit, found.cut[0].offset) == (0, None, 0)
    assert file.with_name(f"{file.name}.damaged").exists()
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
    assert ticks.version() == [0]


def test_an_empty_segment_is_damage_and_put_aside(ticks: Ticks) -> None:
    file = dead_with(ticks, 2)
    file.write_bytes(b"")
    with pytest.raises(IntegrityError, match="header of the segment"):
        ticks.product.read()
    [found] = ticks.lake.seal()
    assert (found.rows, found.cut[0].is_torn) == (0, False)
    assert file.with_name(f"{file.name}.damaged").exists()


@pytest.mark.parametrize("damage", ["last byte", "tail of zeros", "file gone"])
def test_rows_that_are_missing_before_a_later_segment_were_acknowledged(ticks: Ticks, damage: str) -> None:
    """They were taken for the torn end of a dead writer, or not noticed, and their segment was deleted."""
    settings = StreamSettings(segment_bytes=8192)
    stream = Stream(partial(ticks.lake.product, ticks.name, major=1), ticks.lake.id, settings)
    for number in range(300):
        stream.write(ticks.tick(number))
    stream.abandon()  # as if its process had died
    first, second, *_ = sorted(Path(ticks.lake.url).glob("partitions/*/*/v1/_tail/*/*.log"))
    rows = first.read_bytes()
    if damage == "last byte":
        place = len(rows.rstrip(b"\0")) - 1
        first.write_bytes(rows[:place] + b"?" + rows[place + 1 :])
    elif damage == "tail of zeros":
        first.write_bytes(rows[:4096].ljust(len(rows), b"\0"))
    else:
        second.unlink()
    [found] = ticks.lake.seal()
    assert found.rows < 300
    assert [(cut.file, cut.is_torn) for cut in found.cut] == [(str(first), False)]
    assert first.with_name(f"{first.name}.damaged").exists()


def is_refused(use: Callable[[], object]) -> bool:
    """Say whether the disk, or what stands for it, refuses."""
    try:
        use()
    except StorageError:
        return True
    return False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
def test_a_forked_child_can_not_write_to_the_stream_of_its_parent(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        with warnings.catch_warnings(), stream._sealing, stream._journal._lock:  # as other threads hold them
            warnings.simplefilter("ignore")  # of forks in a process with threads
            child = os.fork()
            if child == 0:
                signal.alarm(60)  # instead of waiting for ever
                os._exit(sum(map(is_refused, (lambda: stream.write(ticks.tick(1)), stream.seal))))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
        assert stream.write(ticks.tick(1)) == 2
    assert ticks.version() == [0, 1]
