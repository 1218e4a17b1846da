"""What is remembered of log entries: made once, and again where an entry is another one by now."""

from __future__ import annotations

from pathlib import Path

from lakehouse.partitions.remembered import Remembered
from lakehouse.store.local import LocalStore


def _reader(store: LocalStore, made: Remembered[bytes], reads: list[str]) -> bytes:
    def read() -> bytes:
        reads.append("log/1")
        return store.get("log/1")

    return made.of(1, "log/1", read)


def test_an_entry_is_read_once(tmp_path: Path) -> None:
    store, reads = LocalStore(tmp_path), list[str]()
    store.put_if_absent("log/1", b"one")
    made = Remembered[bytes](store, 8)
    assert [_reader(store, made, reads) for _ in range(3)] == [b"one"] * 3
    assert len(reads) == 1


def test_another_entry_of_the_same_name_and_size_is_read(tmp_path: Path) -> None:
    store, reads = LocalStore(tmp_path), list[str]()
    store.put_if_absent("log/1", b"one")
    made = Remembered[bytes](store, 8)
    _reader(store, made, reads)
    store.put_if_absent("log/2", b"two")
    (tmp_path / "log/2").replace(tmp_path / "log/1")
    assert _reader(store, made, reads) == b"two"


def test_nothing_is_remembered_of_what_has_no_mark(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    made, found = Remembered[int](store, 8), iter(range(9))
    assert [made.of(1, "log/1", lambda: next(found)) for _ in range(3)] == [0, 1, 2]


def test_no_more_is_kept_than_asked_for(tmp_path: Path) -> None:
    store, reads = LocalStore(tmp_path), list[int]()
    made = Remembered[None](store, 2)
    for version in range(5):
        store.put_if_absent(f"log/{version}", b"")
        made.of(version, f"log/{version}", lambda: None)
    made.of(0, "log/0", lambda: reads.append(0))
    assert reads == [0]
