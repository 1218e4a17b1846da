"""The bound of the local cache: how it is said, what it holds, and what goes first."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ArgumentError
from lakehouse.store import cache_room
from lakehouse.store.cache import Cache, Content
from lakehouse.store.cache_room import Bound, Room

SIZE = 1000


def content(name: str, size: int = SIZE) -> Content:
    return Content(name, "v1", size)


def load(cache: Cache, *names: str) -> None:
    """Read objects one after the other, as a store does."""
    for name in names:
        if cache.hold(content(name)) is None:
            cache.keep(content(name), [bytes(SIZE)])
        cache.release(content(name))


def kept(cache: Cache, names: str) -> str:
    return "".join(name for name in names if cache.copy_file(content(name)).is_file())


def age(cache: Cache, names: str) -> None:
    """Let copies have been used one after the other: the clock of a disk may be coarse."""
    for rank, name in enumerate(names):
        os.utime(cache.copy_file(content(name)), (rank, rank))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("12345", 12345),
        ("20GB", 20 * 10**9),
        ("1 MiB", 1 << 20),
        ("1.5k", 1500),
        ("2tb", 2 * 10**12),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert Bound.read(text) == Bound(size)


@pytest.mark.parametrize("text", ["", None])
def test_the_default_is_a_fifth_of_the_free_disk(text: str | None) -> None:
    assert Bound.read(text) == Bound(None, 20)
    assert Bound.read("10%") == Bound(None, 10)


@pytest.mark.parametrize("text", ["much", "-1", "1e9", "20 PB", "101%", "%", "1,5GB"])
def test_what_is_no_size_is_refused_with_its_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_CACHE_SIZE", text)
    with pytest.raises(
        ArgumentError, match=r"LAKEHOUSE_CACHE_SIZE is '.*', which is no size[\s\S]*Hint: Write"
    ):
        Cache(Path("x"), "x")


def test_the_variable_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_CACHE_SIZE", "3kB")
    assert Cache(tmp_path, "x").bound == Bound(3000)


def test_what_was_used_least_recently_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "x", Bound(5 * SIZE))
    load(cache, *"abcde")
    age(cache, "abcde")
    load(cache, "a", "f")  # `a` is used again, so that `b` is the oldest, and the slack takes `c`
    assert kept(cache, "abcdef") == "adef"


@given(reads=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=25), places=st.integers(0, 6))
def test_copies_never_take_more_than_the_bound(
    tmp_path_factory: pytest.TempPathFactory, reads: list[str], places: int
) -> None:
    cache = Cache(tmp_path_factory.mktemp("cache"), "x", Bound(places * SIZE))
    for name in reads:
        load(cache, name)
        sizes = [file.stat().st_size for file in (cache.folder / "objects").rglob("*") if file.is_file()]
        assert sum(sizes) <= places * SIZE
        assert kept(cache, name) == (name if places else "")


def test_an_object_above_the_bound_is_there_while_it_is_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "x", Bound(2 * SIZE))
    load(cache, "a")
    held = cache.keep(content("big", 3 * SIZE), [bytes(3 * SIZE)])
    assert held.stat().st_size == 3 * SIZE
    cache.release(content("big", 3 * SIZE))
    assert not held.exists()
    assert kept(cache, "a") == "a"
    assert not cache.copy_file(content("big")).exists()


def test_all_stores_share_the_bound(tmp_path: Path) -> None:
    one, other = Cache(tmp_path, "one", Bound(2 * SIZE)), Cache(tmp_path, "other", Bound(2 * SIZE))
    load(one, "a", "b")
    load(other, "c")
    assert len(kept(one, "ab")) <= 1
    assert kept(other, "c") == "c"


def test_what_other_processes_keep_is_counted(tmp_path: Path) -> None:
    """Each process counts anew before it has added a twentieth of the bound."""
    mine, theirs = (Room(tmp_path / "objects", Bound(100 * SIZE)) for _ in range(2))
    folder = tmp_path / "objects" / "aa"
    folder.mkdir(parents=True)
    for number in range(300):
        with (mine, theirs)[number % 2].admitted(SIZE) as stays:
            assert stays
            (folder / str(number)).write_bytes(bytes(SIZE))
        assert len(list(folder.iterdir())) <= 110


def test_a_share_is_of_what_is_free_or_the_caches_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each new process would find a smaller bound than the last, the fuller the cache is."""
    cache = Cache(tmp_path, "x", Bound(100 * SIZE))
    load(cache, *"abcde")
    monkeypatch.setattr(cache_room, "_free", lambda _: 5 * SIZE)
    with Room(tmp_path / "objects", Bound(None, 50)).admitted(SIZE) as stays:
        assert stays
        assert kept(cache, "abcde") != "abcde"
    with Room(tmp_path / "objects", Bound(None, 50)).admitted(5 * SIZE + 1) as stays:
        assert not stays


def test_copies_that_come_at_once_share_the_bound(tmp_path: Path) -> None:
    """One that is still on its way counts: else each of many threads would find room for its own."""
    cache = Cache(tmp_path, "x", Bound(3 * SIZE))
    together = threading.Barrier(8)

    def chunks() -> Iterator[bytes]:
        together.wait()
        yield bytes(SIZE)

    def keep(name: str) -> None:
        assert len(cache.keep(content(name), chunks()).read_bytes()) == SIZE
        cache.release(content(name))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, "abcdefgh"))
    assert len(kept(cache, "abcdefgh")) == 3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root of a Linux can mount a small disk")
    options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_evicts_below_the_bound(disk: Path) -> None:
    cache = Cache(disk / "cache", "x", Bound(10**12))
    for number in range(100):
        each = content(str(number), 100_000)
        assert cache.keep(each, [bytes(100_000)]).stat().st_size == 100_000
        cache.release(each)
    assert cache.hold(content("99", 100_000)) is not None
    assert cache.hold(content("0", 100_000)) is None
