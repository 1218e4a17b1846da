"""Many processes at one small cache: killed, evicting under each other, and deleted by hand."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lakehouse.store import Store, open_store
from lakehouse.store.cache_corner import Corner, clear_dead

NewStore = Callable[[], Store]
Start = Callable[..., subprocess.Popen[str]]

SIZE = 20_000
NAMES = [f"part-{number}.parquet" for number in range(12)]

# Reads objects at random until its standard input says otherwise; each holds its own name over and over.
READER = """
import hashlib, random, sys, threading
from pathlib import Path
from lakehouse.store import open_store
store, seed, names = open_store(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(",")
rng, stop, reads = random.Random(seed), [], 0
threading.Thread(target=lambda: stop.append(sys.stdin.readline()), daemon=True).start()
print("ready", flush=True)
while not (stop and reads):
    name = rng.choice(names)
    expected = (name.encode() * 20_000)[:20_000]
    with store.held(name, sha256=hashlib.sha256(expected).hexdigest()) as local:
        assert local.suffix == ".parquet"
        assert local.read_bytes() == expected, name
    reads += 1
print(reads, flush=True)
"""


def expected(name: str) -> bytes:
    return (name.encode() * SIZE)[:SIZE]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def filled(new_s3_store: NewStore) -> str:
    """Give the URL of a store with a dozen objects."""
    store = new_s3_store()
    for name in NAMES:
        store.put_if_absent(name, expected(name))
    return store.url


@pytest.fixture
def start(s3_server: Any, cache: Path, filled: str) -> Iterator[Start]:
    """Give a starter of readers that share a cache of three objects, to which all are ready."""
    source = Path(__file__).parents[2]
    environment = os.environ | s3_server.environment | {"PYTHONPATH": str(source)}
    environment |= {"LAKEHOUSE_CACHE": str(cache), "LAKEHOUSE_CACHE_SIZE": str(3 * SIZE)}
    with ExitStack() as started:

        def run(seed: int, **variables: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", READER, filled, str(seed), ",".join(NAMES)]
            pipe = subprocess.PIPE
            process = started.enter_context(
                subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment | variables)
            )
            started.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            return process

        yield run


def reads_of(process: subprocess.Popen[str]) -> int:
    """Stop a reader, and return how often it read right bytes."""
    said = process.communicate("stop\n", timeout=60)[0]
    assert process.returncode == 0
    return int(said)


def stored(cache: Path, folder: str) -> list[Path]:
    return [file for file in (cache / folder).rglob("*") if file.is_file()]


def test_readers_that_evict_each_others_copies_all_read_right_bytes(start: Start, cache: Path) -> None:
    readers = [start(seed) for seed in range(3)]
    for _ in range(30):
        assert sum(1 for _ in stored(cache, "objects")) <= 3 + len(readers)
        time.sleep(0.05)
    assert all(reads_of(reader) > 3 for reader in readers)
    assert stored(cache, "processes") == []


def test_a_bound_of_zero_keeps_nothing_beyond_its_use(start: Start, cache: Path) -> None:
    readers = [start(seed, LAKEHOUSE_CACHE_SIZE="0") for seed in range(2)]
    time.sleep(0.5)
    assert all(reads_of(reader) > 3 for reader in readers)
    assert stored(cache, "objects") == []


def test_a_cache_that_is_deleted_again_and_again_is_made_again(start: Start, cache: Path) -> None:
    reader = start(1)
    for _ in range(20):
        shutil.rmtree(cache / "objects", ignore_errors=True)
        time.sleep(0.02)
    assert reads_of(reader) > 3


def test_killed_readers_leave_no_half_copy_and_the_next_clears_up(start: Start, cache: Path) -> None:
    rng = random.Random(7)
    for seed in range(6):
        reader = start(seed)
        while not stored(cache, "processes"):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.2))
        reader.kill()
        reader.wait()
        assert all(
            file.read_bytes()[-1:] and file.stat().st_size == SIZE for file in stored(cache, "objects")
        )
    assert stored(cache, "processes") != []
    assert reads_of(start(99)) > 0
    assert stored(cache, "processes") == []


def test_a_damaged_copy_is_never_read(start: Start, cache: Path) -> None:
    for seed in range(3):
        assert reads_of(start(seed)) > 0
        for copy in stored(cache, "objects"):
            copy.write_bytes(random.Random(seed).randbytes(SIZE))
    reader = start(9)
    time.sleep(0.5)
    assert reads_of(reader) > 3


def test_the_corner_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    corner = Corner(tmp_path)
    file = corner.new_file(".parquet")
    file.write_bytes(b"half")
    clear_dead(tmp_path / "processes")
    assert file.read_bytes() == b"half"


def test_a_copy_that_is_evicted_under_a_reader_stays_readable(
    filled: str, s3_server: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(cache))
    monkeypatch.setenv("LAKEHOUSE_CACHE_SIZE", str(SIZE))
    store = open_store(filled)
    with store.held(NAMES[0]) as first:
        for name in NAMES[1:4]:
            with store.held(name) as local:
                assert local.read_bytes() == expected(name)
        assert first.read_bytes() == expected(NAMES[0])
    assert not first.exists()
    assert len(stored(cache, "objects")) == 1
