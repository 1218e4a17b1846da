"""The local cache: where it lies, and that a copy is whole or absent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.store.cache import Cache, cache_folder


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


def test_a_copy_is_named_by_store_path_and_tag(tmp_path: Path) -> None:
    one, other = Cache(tmp_path, "http://one s3://b"), Cache(tmp_path, "http://other s3://b")
    file = one.keep("t/part.parquet", "v1", [b"PA", b"R1"])
    assert file.read_bytes() == b"PAR1"
    assert file == one.object_file("t/part.parquet", "v1")
    others = {other.object_file("t/part.parquet", "v1"), one.object_file("t/part.parquet", "v2")}
    assert not any(each.exists() for each in others)


def test_a_copy_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("broke off")

    with pytest.raises(ValueError, match="broke off"):
        Cache(tmp_path, "x").keep("a", "v1", chunks())
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_a_copy_is_only_its_users(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows keeps a user's folders private by itself")
    file = Cache(tmp_path / "cache", "x").keep("a", "v1", [b"1"])
    assert file.parent.stat().st_mode & 0o077 == 0
