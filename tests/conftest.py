"""Fixtures that every suite shares."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

# The caches of this user are not for the lakes of tests, which come by thousands.
_caches = tempfile.TemporaryDirectory(prefix="lakehouse-tests-", ignore_cleanup_errors=True)
os.environ.setdefault("LAKEHOUSE_CACHE", _caches.name)

# Tests damage data files, and look for the error: what a column cache answers would hide it.
os.environ.setdefault("LAKEHOUSE_COLUMN_CACHE_SIZE", "0")

Fault = Literal["503", "403", "409", "lost answer", "500 after writing", "dropped", "broken off", "slow"]
TOKEN = "session-token-that-nobody-may-see"
# AWS repeats a session token that has expired in its answer.
REFUSAL = f"<Error><Code>ExpiredToken</Code><Token-0>{TOKEN}</Token-0></Error>".encode()

settings.register_profile("dev", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Give the path of a folder or file of real market data, or skip where it is absent."""

    def locate(relative: str) -> Path:
        path = SHARED_DATA / relative
        if not path.exists():
            pytest.skip(f"real market data is not beside this checkout: {relative}")
        return path

    return locate


# One request after the other, so that the server itself has no races; each connection in a thread, so that
# one which a client keeps without a request stops no other. It ends when its standard input does.
_MOTO = """
import logging, sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.getLogger("werkzeug").setLevel("ERROR")
answer, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()
def one_at_a_time(environ, start_response):
    with turn:
        return list(answer(environ, start_response))
server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
"""


@dataclass
class S3Server:
    """A server, and what a process needs in its environment to use it."""

    endpoint: str
    environment: dict[str, str] = field(repr=False)

    def client(self) -> Any:
        """Return a boto3 client: an oracle that is not obstore."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def new_bucket(self) -> str:
        """Create a bucket that nobody has used."""
        name = f"lake-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name


@pytest.fixture(scope="session")
def s3_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the cache folder of the stores under test."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def s3_server(s3_cache: Path) -> Iterator[S3Server]:
    """Give the server of LAKEHOUSE_TEST_S3_ENDPOINT (with the AWS keys of the environment), else moto."""
    given = os.environ.get("LAKEHOUSE_TEST_S3_ENDPOINT")
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    if given:
        yield S3Server(given, _environment(given, s3_cache))
        return
    pytest.importorskip("moto.server", reason="moto's server is not installed")
    command = [sys.executable, "-c", _MOTO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        endpoint = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        yield S3Server(endpoint, _environment(endpoint, s3_cache))
        with suppress(OSError):
            process.communicate(timeout=10)


def _environment(endpoint: str, cache: Path) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID", "test-key"),
        "AWS_SECRET_ACCESS_KEY": os.environ.get("AWS_SECRET_ACCESS_KEY", "test-secret"),
        "AWS_REGION": os.environ.get("AWS_REGION", "us-east-1"),
        "LAKEHOUSE_CACHE": str(cache),
    }


@dataclass
class Proxy:
    """A proxy before a server, and what goes wrong at it."""

    url: str
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    """to come, one a request of the method given"""
    choose: Callable[[str, int], Fault | None] = lambda method, number: None
    """says of a request, by its method and the number of those before it, what goes wrong, if not `faults`"""
    requests: list[str] = field(default_factory=list)
    """methods of the requests so far"""

    def next_fault(self, method: str) -> Fault | None:
        self.requests.append(method)
        if self.faults and self.faults[0][0] == method:
            return self.faults.pop(0)[1]
        return self.choose(method, len(self.requests) - 1)


@pytest.fixture
def s3_proxy(s3_server: S3Server) -> Iterator[Proxy]:
    """Give a proxy before the server; it only forwards until it is told otherwise."""
    target = urlsplit(s3_server.endpoint).netloc
    state = Proxy("")

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = state.next_fault(self.command)
            self.close_connection = True
            if fault in ("503", "403", "409"):
                self.reply(int(fault), {}, REFUSAL)
            elif fault != "dropped":
                time.sleep(0.05 if fault == "slow" else 0)
                status, headers, answer = self.forward(body)
                if fault == "500 after writing":
                    self.reply(500, {}, b"")
                elif fault != "lost answer":
                    self.reply(
                        status, headers, answer[: len(answer) // 2] if fault == "broken off" else answer
                    )

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

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # of 5, a burst of requests would wait a second for its next attempt

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()
