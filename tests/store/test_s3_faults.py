"""A server that fails: a real one behind a proxy that loses answers, breaks off and refuses."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.errors import AlreadyExistsError, StorageError
from lakehouse.store import Store, open_store

if TYPE_CHECKING:
    from tests.conftest import Fault, Proxy

_TOKEN = "session-token-that-nobody-may-see"


@pytest.fixture
def store(
    s3_proxy: Proxy, s3_server: Any, s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Store:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_proxy.url)
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "cache"))
    return open_store(f"s3://{s3_bucket}/{tmp_path.name}")


def test_a_server_that_is_busy_for_a_moment_is_asked_again(s3_proxy: Proxy, store: Store) -> None:
    s3_proxy.faults = [("PUT", "503"), ("PUT", "503"), ("GET", "503")]
    store.put_if_absent("a", b"1")
    assert store.get("a") == b"1"


def test_a_server_that_stays_busy_is_a_storage_error(s3_proxy: Proxy, store: Store) -> None:
    s3_proxy.faults = [("PUT", "503")] * 100
    with pytest.raises(StorageError, match=r"refused a: [\s\S]*503"):
        store.put_if_absent("a", b"1")
    assert s3_proxy.requests.count("PUT") < 20
    assert store.size("a") is None


@pytest.mark.parametrize("fault", ["lost answer", "500 after writing"])
def test_a_put_whose_answer_is_lost_is_known_as_ours(s3_proxy: Proxy, store: Store, fault: Fault) -> None:
    """The server has written: neither the retry nor the look afterwards may take our object for a rival's."""
    s3_proxy.faults = [("PUT", fault)]
    store.put_if_absent("a", b"1")
    assert store.get("a") == b"1"


@pytest.mark.parametrize("fault", ["lost answer", "500 after writing"])
def test_a_put_whose_answer_is_lost_still_loses_to_a_rival(
    s3_proxy: Proxy, store: Store, fault: Fault
) -> None:
    store.put_if_absent("a", b"1")
    s3_proxy.faults = [("PUT", fault)]
    with pytest.raises(AlreadyExistsError, match="a exists already"):
        store.put_if_absent("a", b"1")


def test_a_request_that_never_arrived_changes_nothing(s3_proxy: Proxy, store: Store) -> None:
    s3_proxy.faults = [("PUT", "dropped")] * 100
    with pytest.raises(StorageError, match="refused a: "):
        store.put_if_absent("a", b"1")
    s3_proxy.faults = []
    assert store.size("a") is None


def test_a_conflict_about_an_object_that_is_not_there_is_tried_again(s3_proxy: Proxy, store: Store) -> None:
    """S3 answers 409 to a conditional put that a delete or another put crosses."""
    s3_proxy.faults = [("PUT", "409")]
    store.put_if_absent("a", b"1")
    assert store.get("a") == b"1"


def test_a_conflict_without_end_is_a_storage_error(s3_proxy: Proxy, store: Store) -> None:
    s3_proxy.faults = [("PUT", "409")] * 100
    with pytest.raises(StorageError, match=r"says that a exists, and that it does not|refused a: "):
        store.put_if_absent("a", b"1")
    s3_proxy.faults = []
    assert store.size("a") is None


def test_a_download_that_breaks_off_is_never_half_a_file(
    s3_proxy: Proxy, store: Store, tmp_path: Path
) -> None:
    store.put_if_absent("a", b"x" * 1000)
    s3_proxy.faults = [("GET", "broken off")] * 100
    with pytest.raises(StorageError, match=r"(refused|Can not use) a: "):
        store.local_path("a")
    with pytest.raises(StorageError, match=r"refused a: "):
        store.get("a")
    s3_proxy.faults = []
    assert store.local_path("a").read_bytes() == b"x" * 1000
    assert [file.suffix for file in (tmp_path / "cache/processes").rglob("*") if file.is_file()] == [".lock"]


@pytest.mark.parametrize("call", [lambda store: store.get("a"), lambda store: store.put_if_absent("a", b"1")])
def test_a_refusal_names_no_secret(s3_proxy: Proxy, store: Store, call: Callable[[Store], None]) -> None:
    """AWS repeats a session token that has expired in its answer."""
    s3_proxy.faults = (
        [("GET", "403"), ("PUT", "403")] if call.__code__.co_names[0] == "get" else [("PUT", "403")]
    )
    with pytest.raises(
        StorageError, match=r"refused a: [\s\S]*403 Forbidden[\s\S]*Hint: Check the AWS"
    ) as caught:
        call(store)
    assert _TOKEN not in "".join(traceback.format_exception(caught.value))
