"""The probe finds out whether two writers can both win: on safe stores, and on servers that are not."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

import lakehouse
from lakehouse.errors import NotFoundError, StorageError
from lakehouse.store import Store, open_store
from lakehouse.store.probe import PROBES, probe_store, require_safe

NewStore = Callable[[], Store]

_LIST = "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>"
_ENTRY = (
    "<Contents><Key>{}</Key><LastModified>2024-01-02T00:00:00.000Z</LastModified><Size>{}</Size></Contents>"
)


class Server(ThreadingHTTPServer):
    """As much of S3 as a probe needs, with a flaw to choose."""

    def __init__(self, flaw: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.flaw = flaw
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.lock = threading.Lock()

    def put(self, key: str, body: bytes, headers: dict[str, str]) -> int:
        if self.flaw == "read only":
            return 403
        if self.flaw == "looks, then writes":  # as a gateway does over a file system
            taken = key in self.objects
            time.sleep(0.05)
        else:
            taken = key in self.objects and self.flaw != "ignores If-None-Match"
        if taken:
            return 412
        with self.lock:
            if self.flaw == "none" and key in self.objects:
                return 412
            data = b"" if self.flaw == "stores nothing" else body
            self.objects[key] = data, headers
        return 200


class Handler(BaseHTTPRequestHandler):
    """Answers for one object, or the list."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:  # a name that http.server asks for
        body = self.rfile.read(int(self.headers["Content-Length"]))
        marks = {
            name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")
        }
        self.reply(
            self.server.put(self.key, body, marks), b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}
        )

    def do_GET(self) -> None:  # a name that http.server asks for
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            found = {} if self.server.flaw == "lists nothing" else self.server.objects
            prefix = f"{self.key.strip('/')}/{query.get('prefix', [''])[0]}"
            keys = sorted(key for key in found if key.strip("/").startswith(prefix.strip("/")))
            entries = [_ENTRY.format(escape(key.split("/", 2)[2]), len(found[key][0])) for key in keys]
            self.reply(200, _LIST.format("".join(entries)).encode(), {})
        elif self.key in self.server.objects:
            data, marks = self.server.objects[self.key]
            modified = {"Last-Modified": formatdate(1_704_153_600, usegmt=True)}
            self.reply(200, data, marks | modified | {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})
        else:
            self.reply(404, b"<Error><Code>NoSuchKey</Code></Error>", {})

    do_HEAD = do_GET  # noqa: N815  # a name that http.server asks for

    def do_DELETE(self) -> None:  # a name that http.server asks for
        if self.server.flaw == "refuses deletes":
            self.reply(403, b"", {})
            return
        if self.server.flaw != "deletes nothing":
            self.server.objects.pop(self.key, None)
        self.reply(204, b"", {})

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path)

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve(s3_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Callable[[str], Store]]:
    """Give a starter of servers with a flaw: it returns a store there."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path))
    servers: list[tuple[Server, threading.Thread]] = []

    def start(flaw: str) -> Store:
        server = Server(flaw)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        return open_store("s3://bucket/lake")

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_store_that_a_lake_can_trust_is_safe_and_left_as_it_was(store: Store) -> None:
    probe = probe_store(store, rounds=4, writers=4)
    assert (probe.ok, probe.safe, probe.hint) == (True, True, None)
    assert [check.tried for check in (*probe.checks, probe.deletes)] == [4, 8, 8, 4, 4]
    assert "safe; 4 rounds of 4 writers" in repr(probe)
    assert list(store.list("")) == []


def test_the_server_of_these_tests_is_safe_without_a_flaw(serve: Callable[[str], Store]) -> None:
    store = serve("none")
    assert probe_store(store, rounds=3).ok
    assert lakehouse.open(store.url, create=True).products() == []


@pytest.mark.parametrize(
    ("flaw", "broken"),
    [
        ("ignores If-None-Match", ["one wins", "later put"]),
        ("looks, then writes", ["one wins"]),
        ("lists nothing", ["a listing"]),
        ("stores nothing", ["winner's bytes", "a listing"]),
    ],
)
def test_an_unsafe_bucket_is_found_out(serve: Callable[[str], Store], flaw: str, broken: list[str]) -> None:
    probe = probe_store(serve(flaw), rounds=3, writers=4)
    assert not probe.safe
    assert "NOT SAFE" in repr(probe)
    assert "If-None-Match" in (probe.hint or "")
    found = [check.promise for check in probe.checks if not check.ok]
    assert all(any(words in promise for promise in found) for words in broken)


@pytest.mark.parametrize("flaw", ["ignores If-None-Match", "looks, then writes", "lists nothing"])
def test_no_lake_is_made_in_an_unsafe_bucket(serve: Callable[[str], Store], flaw: str) -> None:
    store = serve(flaw)
    with pytest.raises(
        StorageError, match=r"s3://bucket/lake is not safe for a lake[\s\S]*Hint: Use a bucket"
    ):
        lakehouse.open(store.url, create=True)
    with pytest.raises(NotFoundError, match="There is no lake"):
        lakehouse.open(store.url)
    assert list(store.list("")) == []


@pytest.mark.parametrize("flaw", ["deletes nothing", "refuses deletes"])
def test_a_bucket_that_does_not_delete_is_safe_and_said_so(serve: Callable[[str], Store], flaw: str) -> None:
    store = serve(flaw)
    probe = probe_store(store, rounds=2)
    assert (probe.safe, probe.ok, len(probe.deletes.failures)) == (True, False, 2)
    assert "safe, but it does not delete" in repr(probe)
    assert PROBES in (probe.hint or "")
    assert lakehouse.open(store.url, create=True).products() == []


def test_a_store_that_refuses_can_not_be_judged(serve: Callable[[str], Store]) -> None:
    with pytest.raises(StorageError, match=r"refused catalog/probes/\w+: [\s\S]*403"):
        probe_store(serve("read only"))


def test_a_local_disk_is_not_tried_when_a_lake_is_made(new_local_store: NewStore) -> None:
    store = new_local_store()
    require_safe(store)
    assert list(store.list("")) == []
