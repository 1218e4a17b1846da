"""The local cache: where it lies, that a copy is whole or absent, and that it is looked at before use."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse.errors import IntegrityError, StorageError
from lakehouse.store.cache import Cache, Content
from lakehouse.store.cache_folder import cache_folder


def test_the_variable_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_the_default_is_the_users_cache_of_the_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LAKEHOUSE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = {"win32": "local/lakehouse", "darwin": "Library/Caches/lakehouse"}
    assert cache_folder() == tmp_path / expected.get(sys.platform, ".cache/lakehouse")


def content(path: str = "t/part.parquet", data: bytes = b"PAR1", tag: str = "v1") -> Content:
    return Content(path, tag, len(data), hashlib.sha256(data).hexdigest())


def files_in(cache: Path) -> list[Path]:
    """List what is in a cache, but for the lock by which this process lives."""
    return [file for file in cache.rglob("*") if file.is_file() and file.suffix != ".lock"]


def test_a_copy_is_named_by_store_path_and_tag(tmp_path: Path) -> None:
    one, other = Cache(tmp_path, "http://one s3://b"), Cache(tmp_path, "http://other s3://b")
    held = one.keep(content(), [b"PA", b"R1"])
    assert held.read_bytes() == b"PAR1"
    assert held.suffix == ".parquet"
    assert one.copy_file(content()).samefile(held)
    others = {other.copy_file(content()), one.copy_file(content(tag="v2"))}
    assert not any(each.exists() for each in others)


def test_a_copy_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("broke off")

    with pytest.raises(ValueError, match="broke off"):
        Cache(tmp_path, "x").keep(content(), chunks())
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("chunks", [[b"PA"], [b"PAR1", b"x"], []])
def test_a_copy_of_another_size_is_an_error_and_leaves_nothing(tmp_path: Path, chunks: list[bytes]) -> None:
    size = sum(map(len, chunks))
    with pytest.raises(StorageError, match=f"t/part.parquet broke off after {size} of 4 bytes"):
        Cache(tmp_path, "x").keep(content(), chunks)
    assert files_in(tmp_path) == []


def test_a_copy_of_other_bytes_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"bytes of t/part.parquet were altered[\s\S]*Hint: Restore"):
        Cache(tmp_path, "x").keep(content(), [b"PAR2"])
    assert files_in(tmp_path) == []


def test_a_copy_is_only_its_users(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows keeps a user's folders private by itself")
    cache = Cache(tmp_path / "cache", "x")
    for folder in (cache.keep(content(), [b"PAR1"]).parent, cache.copy_file(content()).parent):
        assert folder.stat().st_mode & 0o077 == 0


def test_a_copy_is_held_again_and_again_until_the_last_release(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "x")
    held = cache.keep(content(), [b"PAR1"])
    assert cache.hold(content()) == held
    cache.release(content())
    assert held.read_bytes() == b"PAR1"
    cache.release(content())
    assert files_in(tmp_path) == [cache.copy_file(content())]


def test_a_copy_that_is_held_outlives_its_eviction(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "x")
    held = cache.keep(content(), [b"PAR1"])
    cache.copy_file(content()).unlink()
    assert cache.hold(content()) == held
    assert held.read_bytes() == b"PAR1"
    cache.release(content())
    cache.release(content())
    assert cache.hold(content()) is None


@pytest.mark.parametrize("damage", [b"PAR", b"PAR1x", b"", b"RAP1"])
def test_a_damaged_copy_is_none_and_is_thrown_away(tmp_path: Path, damage: bytes) -> None:
    copy = copy_of_another_process(tmp_path, damage)
    cache = Cache(tmp_path, "x")
    assert cache.hold(content()) is None
    assert not copy.exists()
    assert cache.keep(content(), [b"PAR1"]).read_bytes() == b"PAR1"


def test_a_copy_of_whose_bytes_nothing_is_known_is_looked_at_by_its_size(tmp_path: Path) -> None:
    copy_of_another_process(tmp_path, b"RAP1")
    unknown = replace(content(), sha256=None)
    held = Cache(tmp_path, "x").hold(unknown)
    assert held is not None
    assert Cache(tmp_path, "x").hold(content()) is None  # who knows more, looks again
    copy_of_another_process(tmp_path, b"PAR1 and more")
    assert Cache(tmp_path, "x").hold(unknown) is None


def test_a_copy_is_read_to_be_checked_once_in_a_process(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "x")
    cache.keep(content(), [b"PAR1"])
    cache.release(content())
    cache.copy_file(content()).write_bytes(b"RAP1")
    held = cache.hold(content())
    assert held is not None
    assert held.read_bytes() == b"RAP1"


def test_the_cache_may_be_deleted_with_copies_in_use(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", "x")
    cache.keep(content(), [b"PAR1"])
    shutil.rmtree(tmp_path / "cache")
    assert cache.hold(content()) is None
    assert cache.keep(content(), [b"PAR1"]).read_bytes() == b"PAR1"


def test_a_disk_without_hard_links_does_without_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    cache = Cache(tmp_path, "x")
    monkeypatch.setattr(os, "link", refuse)
    for held in (cache.keep(content(), [b"PAR1"]), cache.hold(content())):
        assert held == cache.copy_file(content())
        assert held.read_bytes() == b"PAR1"
        cache.release(content())
    assert cache.copy_file(content()).is_file()


def copy_of_another_process(folder: Path, data: bytes) -> Path:
    """Put a file where a copy belongs: this process has not seen its bytes."""
    copy = Cache(folder, "x").copy_file(content())
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(data)
    return copy
