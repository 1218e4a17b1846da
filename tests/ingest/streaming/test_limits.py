"""A tail that is full, and a disk that is: writes wait or are refused, and what was acknowledged stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import lakehouse
from lakehouse.errors import ConflictError, StorageError
from lakehouse.ingest.streaming import sealing
from lakehouse.ingest.streaming.stream import Stream, StreamSettings
from lakehouse.ingest.write import commit_prepared
from lakehouse.store import durable

from .conftest import Ticks, wait_until


def small_stream(ticks: Ticks, **settings: int) -> Stream:
    """Open a stream with segments of 64 KiB."""
    chosen = StreamSettings(**{"segment_bytes": 1 << 16, **settings})  # type: ignore[arg-type]
    return Stream(lambda: ticks.lake.product(ticks.name, major=1), ticks.lake.id, chosen)


def test_rows_spread_over_segments_and_larger_frames_get_segments_of_their_own(ticks: Ticks) -> None:
    with small_stream(ticks) as stream:
        for number in range(3):
            stream.write(ticks.frame(range(number * 5_000, number * 5_000 + 5_000)))
            stream.write(ticks.tick(100_000 + number))
        assert len(list(Path(ticks.lake.url).glob("partitions/*/*/v1/_tail/*/*.log"))) > 2
        assert sorted(ticks.tail()) == [*range(15_000), 100_000, 100_001, 100_002]
    assert len(ticks.version()) == 15_003


def test_writes_wait_for_sealing_where_the_tail_is_full(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_seal, done = threading.Event(), []
    commit = commit_prepared

    def slow(*arguments: object) -> object:
        assert may_seal.wait(120)
        return commit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sealing, "commit_prepared", slow)
    with small_stream(ticks, unsealed_bytes=1_000) as stream:

        def feed() -> None:
            for number in range(200):
                stream.write(ticks.tick(number))
                done.append(number)

        feeder = threading.Thread(target=feed)
        feeder.start()
        wait_until(lambda: len(done) > 10)
        feeder.join(0.05)
        waiting = len(done)
        assert waiting < 100
        assert ticks.tail() == list(range(waiting))
        may_seal.set()
        feeder.join()
    assert ticks.version() == list(range(200))


def test_a_tail_that_is_full_and_can_not_be_sealed_says_why(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConflictError("Other writers won.")

    with small_stream(ticks, unsealed_bytes=100) as stream:
        with monkeypatch.context() as patched:
            patched.setattr(sealing, "commit_prepared", refuse)
            stream.write([ticks.tick(0), ticks.tick(1)])
            with pytest.raises(StorageError, match="could not be sealed: Other writers won"):
                stream.write(ticks.tick(2))
            assert ticks.tail() == [0, 1]
        stream.seal()
        assert ticks.version() == [0, 1]
        stream.write(ticks.tick(2))
    assert ticks.version() == [0, 1, 2]


def fill(disk: Path) -> None:
    """Take all the space that is left."""
    free = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(free.f_bavail * free.f_frsize))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux":
        pytest.skip("only a Linux can mount a small disk")
    options = ["-t", "tmpfs", "-o", "size=2m,nr_inodes=400", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("durability", ["each", "none"])
def test_a_full_disk_refuses_rows_and_keeps_those_that_were_acknowledged(
    ticks: Ticks, small_disk: Path, durability: str
) -> None:
    lake = lakehouse.open(small_disk / "lake", create=True)
    lake.create(ticks.product.contract)
    full = Ticks(lake)
    stream = small_stream(full, unsealed_bytes=1 << 30, durability=durability)  # type: ignore[arg-type]
    acknowledged: list[int] = []

    def feed() -> None:
        while True:
            number = len(acknowledged)
            stream.write(full.frame(range(number, number + 1_000)))
            acknowledged.extend(range(number, number + 1_000))

    with pytest.raises(StorageError, match="No space left on device"):
        feed()
    assert len(acknowledged) > 1_000
    assert full.tail() == acknowledged
    fill(small_disk)
    with pytest.raises(StorageError, match="No space left on device"):
        stream.seal()
    assert full.tail() == acknowledged
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    stream.write(full.tick(100_000))
    stream.close()
    assert full.version() == [*acknowledged, 100_000]
    assert full.product.verify().ok


@pytest.mark.parametrize("durability", ["each", "group"])
def test_a_flush_that_fails_ends_the_stream_and_acknowledges_nothing(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch, durability: str
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    stream = small_stream(ticks, durability=durability)  # type: ignore[arg-type]
    stream.write(ticks.tick(0))
    with monkeypatch.context() as patched:
        patched.setattr(durable, "sync_data", refuse)
        with pytest.raises(StorageError, match="Input/output error"):
            stream.write(ticks.tick(1))
    assert stream.durable == 1
    for refused in (lambda: stream.write(ticks.tick(2)), stream.flush, stream.seal, stream.close):
        with pytest.raises(StorageError, match="Input/output error"):
            refused()
    assert ticks.tail()[:1] == [0]
    ticks.lake.seal()
    assert ticks.version()[:1] == [0]


def test_a_flush_between_two_segments_that_fails_ends_the_stream(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    stream = small_stream(ticks, durability="none")  # type: ignore[arg-type]
    stream.write(ticks.tick(0))
    with monkeypatch.context() as patched:
        patched.setattr(durable, "sync_data", refuse)
        with pytest.raises(StorageError, match="Input/output error"):
            stream.write(ticks.frame(range(1, 5_000)))
    with pytest.raises(StorageError, match="Input/output error"):
        stream.wait(1)
    with pytest.raises(StorageError, match="Input/output error"):
        stream.close()
    assert ticks.tail() == [0]
