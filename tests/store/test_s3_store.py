"""What only a bucket can do: keys as others read them, settings, secrets, the local cache."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import ArgumentError, MissingExtraError, NotFoundError, StorageError
from lakehouse.store import Entry, Store, open_store

NewStore = Callable[[], Store]


@pytest.fixture
def store(new_s3_store: NewStore) -> Store:
    return new_s3_store()


@pytest.fixture
def variables(s3_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Set what a user sets for the server, with an empty home and a cache of the test's own."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "cache"))
    return monkeypatch


def key_of(store: Store, path: str) -> dict[str, str]:
    bucket, _, prefix = store.url.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": f"{prefix}/{path}"}


def test_others_find_an_object_under_its_very_path(store: Store, s3_server: Any) -> None:
    for path in ("symbol=BRK%2FB/p.parquet", "日経225/é +&.json"):
        store.put_if_absent(path, path.encode())
        assert s3_server.client().get_object(**key_of(store, path))["Body"].read() == path.encode()


def test_what_others_wrote_is_read(store: Store, s3_server: Any) -> None:
    s3_server.client().put_object(**key_of(store, "a/b"), Body=b"theirs")
    assert store.get("a/b") == b"theirs"
    assert list(store.list("a")) == [Entry("a/b", 6)]


def test_hidden_names_and_marks_of_folders_are_no_objects(store: Store, s3_server: Any) -> None:
    for key in ("a/", "a/.keep", ".hidden/b", "a/b"):
        s3_server.client().put_object(**key_of(store, key), Body=b"")
    assert list(store.list("")) == [Entry("a/b", 0)]


def test_an_object_is_downloaded_once(store: Store, s3_server: Any) -> None:
    store.put_if_absent("a", b"1")
    first = store.local_path("a")
    s3_server.client().delete_object(**key_of(store, "a"))
    assert store.local_path("a") == first
    assert first.read_bytes() == b"1"


def test_the_cache_may_be_deleted_at_any_time(store: Store) -> None:
    store.put_if_absent("a", b"1")
    store.local_path("a").unlink()
    assert store.local_path("a").read_bytes() == b"1"


def test_a_bucket_made_anew_is_not_read_from_the_old_ones_cache(variables: object, s3_server: Any) -> None:
    bucket = s3_server.new_bucket()
    for data in (b"old", b"new"):
        store = open_store(f"s3://{bucket}/lake")
        store.put_if_absent("00.checkpoint.parquet", data)
        assert store.local_path("00.checkpoint.parquet").read_bytes() == data
        s3_server.client().delete_object(**key_of(store, "00.checkpoint.parquet"))


def test_processes_share_one_copy(store: Store, s3_server: Any, tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000
    store.put_if_absent("big", data)
    script = (
        "import sys; from lakehouse.store import open_store; print(open_store(sys.argv[1]).local_path('big'))"
    )
    environment = s3_server.environment | {"LAKEHOUSE_CACHE": str(tmp_path)}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script, store.url]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdout=pipe, text=True, env=environment) for _ in range(4)]
    files = {process.communicate(timeout=60)[0].strip() for process in started}
    assert [Path(file) for file in files] == [file for file in tmp_path.rglob("*") if file.is_file()]
    assert Path(files.pop()).read_bytes() == data


def test_the_url_is_plain(variables: object) -> None:
    assert open_store("s3://bucket").url == "s3://bucket"
    assert open_store("s3://bucket/").url == "s3://bucket"
    assert open_store("s3://bucket/a/b/").url == "s3://bucket/a/b"


@pytest.mark.parametrize("url", ["s3://", "s3:///lake", "s3://b?x=1/lake", "s3://AKIA:hush@bucket/lake"])
def test_a_url_that_is_no_bucket_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(
        ArgumentError, match=r"Not the URL of a bucket[\s\S]*Hint: Write s3://bucket/prefix"
    ) as caught:
        open_store(url)
    assert "hush" not in str(caught.value)


def test_a_prefix_that_is_no_path_is_refused() -> None:
    with pytest.raises(ArgumentError, match="Not a path inside the lake"):
        open_store("s3://bucket/a/../b")


def test_an_endpoint_without_encryption_is_refused_unless_allowed(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    variables.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(ArgumentError, match=r"is not encrypted[\s\S]*Hint: Set AWS_ALLOW_HTTP=true"):
        open_store("s3://bucket/lake")


def test_an_endpoint_with_a_password_is_refused_and_not_repeated(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("AWS_ENDPOINT_URL", "https://me:hush@example.com")
    with pytest.raises(ArgumentError, match="carries a user or a password") as caught:
        open_store("s3://bucket/lake")
    assert "hush" not in str(caught.value)


def test_a_bucket_that_does_not_exist_is_a_storage_error(variables: object) -> None:
    store = open_store("s3://no-such-bucket-here/lake")
    with pytest.raises(StorageError, match=r"no bucket s3://no-such-bucket-here/lake[\s\S]*Hint: Create"):
        store.put_if_absent("a", b"1")
    with pytest.raises(StorageError, match=r"refused its list: [\s\S]*404"):
        store.list("")
    with pytest.raises(NotFoundError, match="no object a in"):
        store.get("a")


def test_an_unreachable_server_is_a_storage_error_in_bounded_time(variables: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        variables.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        store = open_store("s3://bucket/lake")
        before = time.monotonic()
        with pytest.raises(
            StorageError, match=r"s3://bucket/lake refused a: [\s\S]*Hint: Check the bucket's name"
        ) as caught:
            store.put_if_absent("a", b"1")
    assert time.monotonic() - before < 60
    assert_no_secret(caught.value)


def test_a_store_shows_no_secret(store: Store) -> None:
    assert_no_secret(repr(store), store.url, str(vars(store)))


def test_a_profile_gives_keys_region_and_endpoint(
    variables: pytest.MonkeyPatch, tmp_path: Path, s3_server: Any, s3_bucket: str
) -> None:
    keys = {
        name: s3_server.environment[f"AWS_{name.upper()}"] for name in ("access_key_id", "secret_access_key")
    }
    lines = [f"aws_{name} = {value}" for name, value in keys.items()]
    lines += [f"region = {s3_server.environment['AWS_REGION']}", f"endpoint_url = {s3_server.endpoint}"]
    (tmp_path / "credentials").write_text("\n".join(["[research]", *lines]))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"):
        variables.delenv(name)
    variables.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    variables.setenv("AWS_PROFILE", "research")
    store = open_store(f"s3://{s3_bucket}/{tmp_path.name}")
    store.put_if_absent("a", b"1")
    assert store.get("a") == b"1"
    assert_no_secret(repr(store), str(vars(store)))


def test_an_unknown_profile_names_the_known_ones(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[research]\naws_access_key_id = k\naws_secret_access_key = s\n")
    variables.delenv("AWS_ACCESS_KEY_ID")
    variables.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    variables.setenv("AWS_PROFILE", "reserch")
    with pytest.raises(ArgumentError, match=r"AWS profile 'reserch'[\s\S]*Hint: Known profiles: research"):
        open_store("s3://bucket/lake")


@pytest.mark.parametrize("library", ["obstore.store"])
def test_a_missing_library_names_the_extra(variables: pytest.MonkeyPatch, library: str) -> None:
    variables.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"'obstore'[\s\S]*Hint: pip install 'quant-lakehouse\[s3\]'"):
        open_store("s3://bucket/lake")


def assert_no_secret(*values: object) -> None:
    for value in values:
        text = "".join(traceback.format_exception(value)) if isinstance(value, BaseException) else str(value)
        assert "test-secret" not in text
        assert "SECRETKEY" not in text
