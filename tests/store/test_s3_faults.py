"""A server that fails: a real one behind a proxy that loses answers, breaks off and refuses."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest

from lakehouse.errors import AlreadyExistsError, StorageError
from lakehouse.store import Store, open_store

Fault = Literal["503", "403", "409", "lost answer", "500 after writing", "dropped", "broken off"]

_TOKEN = "session-token-that-nobody-may-see"
_REFUSAL = f"<Error><Code>ExpiredToken</Code><Token-0>{_TOKEN}</Token-0></Error>".encode()


@dataclass
class Proxy:
    """Faults to come, one a request of the method given; then it only forwards."""

    url: str
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def proxy(s3_server: Any) -> Iterator[Proxy]:
    target = urlsplit(s3_server.endpoint).netloc
    state = Proxy("")

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            state.requests.append(self.command)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = None
            if state.faults and state.faults[0][0] == self.command:
                fault = state.faults.pop(0)[1]
            self.close_connection = True
            if fault in ("503", "403", "409"):
                self.reply(int(fault), {}, _REFUSAL)
            elif fault != "dropped":
                status, headers, answer = self.forward(body)
                if fault == "500 after writing":
                    self.reply(500, {}, b"")
                elif fault != "lost answer":
                    self.reply(status, headers, answer[:10] if fault == "broken off" else answer)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any  # noqa: N815  # names that http.server asks for

        def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = HTTPConnection(target)
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            answer = response.read()
            connection.close()
            return response.status, dict(response.getheaders()), answer

        def reply(self, status: int, headers: dict[str, str], answer: bytes) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(answer))} | headers).items():
                if name.lower() not in ("transfer-encoding", "connection", "server", "date"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(
    proxy: Proxy, s3_server: Any, s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Store:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "cache"))
    return open_store(f"s3://{s3_bucket}/{tmp_path.name}")


def test_a_server_that_is_busy_for_a_moment_is_asked_again(proxy: Proxy, store: Store) -> None:
    proxy.faults = [("PUT", "503"), ("PUT", "503"), ("GET", "503")]
    store.put_if_absent("a", b"1")
    assert store.get("a") == b"1"


def test_a_server_that_stays_busy_is_a_storage_error(proxy: Proxy, store: Store) -> None:
    proxy.faults = [("PUT", "503")] * 100
    with pytest.raises(StorageError, match=r"refused a: [\s\S]*503"):
        store.put_if_absent("a", b"1")
    assert proxy.requests.count("PUT") < 20
    assert store.size("a") is None


@pytest.mark.parametrize("fault", ["lost answer", "500 after writing"])
def test_a_put_whose_answer_is_lost_is_known_as_ours(proxy: Proxy, store: Store, fault: Fault) -> None:
    """The server has written: neither the retry nor the look afterwards may take our object for a rival's."""
    proxy.faults = [("PUT", fault)]
    store.put_if_absent("a", b"1")
    assert store.get("a") == b"1"


@pytest.mark.parametrize("fault", ["lost answer", "500 after writing"])
def test_a_put_whose_answer_is_lost_still_loses_to_a_rival(proxy: Proxy, store: Store, fault: Fault) -> None:
    store.put_if_absent("a", b"1")
    proxy.faults = [("PUT", fault)]
    with pytest.raises(AlreadyExistsError, match="a exists already"):
        store.put_if_absent("a", b"1")


def test_a_request_that_never_arrived_changes_nothing(proxy: Proxy, store: Store) -> None:
    proxy.faults = [("PUT", "dropped")] * 100
    with pytest.raises(StorageError, match="refused a: "):
        store.put_if_absent("a", b"1")
    proxy.faults = []
    assert store.size("a") is None


def test_a_conflict_about_an_object_that_is_not_there_is_tried_again(proxy: Proxy, store: Store) -> None:
    """S3 answers 409 to a conditional put that a delete or another put crosses."""
    proxy.faults = [("PUT", "409")]
    store.put_if_absent("a", b"1")
    assert store.get("a") == b"1"


def test_a_conflict_without_end_is_a_storage_error(proxy: Proxy, store: Store) -> None:
    proxy.faults = [("PUT", "409")] * 100
    with pytest.raises(StorageError, match=r"says that a exists, and that it does not|refused a: "):
        store.put_if_absent("a", b"1")
    proxy.faults = []
    assert store.size("a") is None


def test_a_download_that_breaks_off_is_never_half_a_file(proxy: Proxy, store: Store, tmp_path: Path) -> None:
    store.put_if_absent("a", b"x" * 1000)
    proxy.faults = [("GET", "broken off")] * 100
    with pytest.raises(StorageError, match=r"(refused|Can not use) a: "):
        store.local_path("a")
    with pytest.raises(StorageError, match=r"refused a: "):
        store.get("a")
    proxy.faults = []
    assert store.local_path("a").read_bytes() == b"x" * 1000
    assert [file.suffix for file in (tmp_path / "cache/processes").rglob("*") if file.is_file()] == [".lock"]


@pytest.mark.parametrize("call", [lambda store: store.get("a"), lambda store: store.put_if_absent("a", b"1")])
def test_a_refusal_names_no_secret(proxy: Proxy, store: Store, call: Callable[[Store], None]) -> None:
    """AWS repeats a session token that has expired in its answer."""
    proxy.faults = (
        [("GET", "403"), ("PUT", "403")] if call.__code__.co_names[0] == "get" else [("PUT", "403")]
    )
    with pytest.raises(
        StorageError, match=r"refused a: [\s\S]*403 Forbidden[\s\S]*Hint: Check the AWS"
    ) as caught:
        call(store)
    assert _TOKEN not in "".join(traceback.format_exception(caught.value))
