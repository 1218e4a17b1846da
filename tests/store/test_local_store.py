"""What only a local disk can do: links, full and read-only disks, permissions, disks without hard links."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakehouse.errors import ArgumentError, NotFoundError, StorageError
from lakehouse.store import Entry, LocalStore, Store, durable, file_lock, open_store

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links and modes of POSIX")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of one megabyte, where mounting one is allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    options = ["-t", "tmpfs", "-o", "size=1m", "lakehouse-test", str(disk)]
    if (done := subprocess.run(["mount", *options], capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def read_only_store(small_disk: Path) -> LocalStore:
    store = LocalStore(small_disk / "lake")
    store.put_if_absent("a/b", b"1")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return store


def files_below(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file()}


def test_a_put_larger_than_the_disk_changes_nothing(small_disk: Path) -> None:
    store = LocalStore(small_disk / "lake")
    store.put_if_absent("a/b", b"1")
    with pytest.raises(StorageError, match=r"a/c: No space left[\s\S]*Hint: Free some disk space"):
        store.put_if_absent("a/c", b"x" * 4_000_000)
    assert files_below(small_disk) == {"b"}
    store.put_if_absent("a/c", b"fits")
    assert store.get("a/c") == b"fits"


def test_parquet_that_fills_the_disk_changes_nothing(small_disk: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    store = LocalStore(small_disk / "lake")
    noise = [None, pa.py_buffer(os.urandom(4_000_000))]
    table = pa.Table.from_arrays([pa.Array.from_buffers(pa.binary(1000), 4000, noise)], ["x"])

    def write() -> None:
        with store.stage("a/part.parquet") as file:
            pq.write_table(table, file, compression="none")

    with pytest.raises(StorageError, match=r"a/part.parquet: No space left[\s\S]*Hint: Free some disk space"):
        write()
    assert files_below(small_disk) == set()


def test_a_disk_without_room_for_a_name_is_a_storage_error(small_disk: Path) -> None:
    store = LocalStore(small_disk / "lake")
    (small_disk / "ballast").write_bytes(b"")
    subprocess.run(["mount", "-o", "remount,nr_inodes=3", str(small_disk)], check=True)
    with pytest.raises(StorageError, match="No space left"):
        store.put_if_absent("a/b/c", b"1")
    assert list(store.list("")) == []


def test_a_read_only_disk_can_be_read(read_only_store: LocalStore) -> None:
    assert read_only_store.get("a/b") == b"1"
    assert list(read_only_store.list("")) == [Entry("a/b", 1)]
    assert read_only_store.size("a/c") is None


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.put_if_absent("a/c", b"2"),
        lambda store: store.put_if_absent("new/folder/c", b"2"),
        lambda store: store.delete("a/b"),
        lambda store: store.lock("a/commit").__enter__(),
    ],
    ids=["put", "put in a new folder", "delete", "lock"],
)
def test_a_read_only_disk_refuses_writes(read_only_store: LocalStore, write: Callable[[Store], None]) -> None:
    with pytest.raises(
        StorageError, match=r"Read-only file system[\s\S]*Hint: The lake is on a read-only disk"
    ):
        write(read_only_store)
    assert list(read_only_store.list("")) == [Entry("a/b", 1)]


@posix_only
def test_a_folder_without_permission_refuses_writes(root: Path, store: LocalStore) -> None:
    store.put_if_absent("a/b", b"1")
    (root / "a").chmod(0o555)
    as_nobody = os.geteuid() == 0  # modes do not bind root
    if as_nobody:
        os.seteuid(65534)
    try:
        with pytest.raises(StorageError, match=r"Permission denied[\s\S]*Hint: Check who may"):
            store.put_if_absent("a/c", b"2")
    finally:
        if as_nobody:
            os.seteuid(0)
        (root / "a").chmod(0o755)
    assert list(store.list("")) == [Entry("a/b", 1)]


@posix_only
def test_an_unreadable_folder_is_an_error_and_no_empty_listing(root: Path, store: LocalStore) -> None:
    store.put_if_absent("a/b", b"1")
    (root / "a").chmod(0)
    as_nobody = os.geteuid() == 0
    if as_nobody:
        os.seteuid(65534)
    try:
        with pytest.raises(StorageError, match="Permission denied"):
            store.list("")
    finally:
        if as_nobody:
            os.seteuid(0)
        (root / "a").chmod(0o755)


@posix_only
def test_a_linked_folder_that_leads_out_of_the_lake_is_refused(tmp_path: Path, store: LocalStore) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"s")
    store.put_if_absent("a", b"1")
    (tmp_path / "lake" / "linked").symlink_to(outside)
    for call in (store.get, store.size, store.local_path, store.delete, store.list):
        with pytest.raises(ArgumentError, match=r"leads out of the lake[\s\S]*Hint: Move"):
            call("linked/secret")
    with pytest.raises(ArgumentError, match="linked leads out of the lake"):
        store.list("linked")
    with pytest.raises(ArgumentError, match="linked/deep leads out of the lake"):
        store.put_if_absent("linked/deep/new", b"2")
    assert files_below(outside) == {"secret"}
    assert [entry.path for entry in store.list("")] == ["a"]


@posix_only
def test_a_linked_file_that_leads_out_of_the_lake_is_refused(tmp_path: Path, store: LocalStore) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    store.put_if_absent("a", b"1")
    (tmp_path / "lake" / "linked").symlink_to(tmp_path / "secret")
    for call in (store.get, store.size, store.local_path):
        with pytest.raises(ArgumentError, match="linked leads out of the lake"):
            call("linked")


@posix_only
def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "lake").symlink_to(tmp_path / "real")
    store = LocalStore(tmp_path / "lake")
    store.put_if_absent("a/b", b"1")
    assert store.get("a/b") == b"1"
    assert (tmp_path / "real/a/b").read_bytes() == b"1"


@posix_only
def test_a_broken_link_is_a_missing_object_and_a_taken_name(root: Path, store: LocalStore) -> None:
    store.put_if_absent("a", b"1")
    (root / "gone").symlink_to(root / "nowhere")
    with pytest.raises(NotFoundError, match="no object gone in"):
        store.get("gone")
    assert store.size("gone") is None


def test_an_object_can_not_become_a_folder(store: LocalStore) -> None:
    store.put_if_absent("a", b"1")
    with pytest.raises(StorageError, match=r"a/b: [\s\S]*Hint: A name is either an object or a folder"):
        store.put_if_absent("a/b", b"2")
    assert list(store.list("")) == [Entry("a", 1)]


def test_leftovers_of_a_killed_writer_are_no_objects(root: Path, store: LocalStore) -> None:
    store.put_if_absent("a/b", b"1")
    (root / "a" / ".tmp-0123").write_bytes(b"half")
    assert list(store.list("")) == [Entry("a/b", 1)]


def test_a_disk_without_hard_links_is_refused(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT answers EPERM; a rename in its place would overwrite what another writer has put meanwhile."""

    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(StorageError, match=r"has no hard links[\s\S]*Hint: Use a bucket, or a disk"):
        store.put_if_absent("a/b", b"1")
    assert list(store.list("")) == []


def test_a_link_whose_answer_was_lost_is_ours(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS repeats a request whose answer it missed, and then reports the name as taken: by ourselves."""
    real = os.link

    def repeated(source: Path, target: Path) -> None:
        real(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", repeated)
    store.put_if_absent("a/b", b"1")
    assert store.get("a/b") == b"1"


def test_a_folder_that_can_not_be_synced_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    durable.sync_folder(tmp_path)


def test_a_failing_disk_is_not_ignored(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="Input/output error"):
        store.put_if_absent("a", b"1")
    assert list(store.list("")) == []


def test_nobody_waits_for_ever_behind_a_lock(tmp_path: Path) -> None:
    file = tmp_path / "commit.lock"
    with (
        file_lock.hold(file, path="commit"),
        file_lock.hold(file, path="commit", patience_seconds=0.1),
    ):
        pass  # the second went in without the lock


def test_a_path_is_a_local_store_and_other_schemes_are_refused(tmp_path: Path) -> None:
    assert isinstance(open_store(tmp_path), LocalStore)
    assert open_store("relative").url == str(Path.cwd() / "relative")
    for url in ("gs://bucket", "file:///tmp/lake", Path("s3://bucket/lake"), ""):
        with pytest.raises(ArgumentError, match=r"Hint: Give a local path, or s3://bucket/prefix"):
            open_store(url)
