"""The stores under test: a local folder, and a bucket of a real S3 server in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lakehouse.store import Store, open_store

NewStore = Callable[[], Store]

# One request after the other, so that the server itself has no races; it ends when its standard input does.
_MOTO = """
import logging, sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.getLogger("werkzeug").setLevel("ERROR")
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
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


@pytest.fixture(scope="session")
def s3_bucket(s3_server: S3Server) -> str:
    """Give a bucket of this session."""
    return s3_server.new_bucket()


@pytest.fixture(scope="session")
def new_s3_store(s3_server: S3Server, s3_bucket: str) -> NewStore:
    """Give a maker of empty stores in the bucket, each below a prefix of its own."""

    def make() -> Store:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in s3_server.environment.items():
                patch.setenv(name, value)
            return open_store(f"s3://{s3_bucket}/lakes/{uuid.uuid4().hex}")

    return make


@pytest.fixture(scope="session")
def new_local_store(tmp_path_factory: pytest.TempPathFactory) -> NewStore:
    """Give a maker of empty stores in folders."""
    return lambda: open_store(tmp_path_factory.mktemp("lake") / "root")


@pytest.fixture(scope="session", params=["local", "s3"])
def new_store(request: pytest.FixtureRequest) -> NewStore:
    """Give a maker of empty stores, for each implementation."""
    make: NewStore = request.getfixturevalue(f"new_{request.param}_store")
    return make


@pytest.fixture
def store(new_store: NewStore) -> Store:
    """Give an empty store, for each implementation."""
    return new_store()


@pytest.fixture
def run(request: pytest.FixtureRequest, store: Store) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give a starter of real processes that run a script, with the store's URL as their first argument."""
    extra = request.getfixturevalue("s3_server").environment if store.url.startswith("s3://") else {}
    source = Path(__file__).parents[2]
    environment = os.environ | extra | {"PYTHONPATH": str(source), "PYTHONUNBUFFERED": "1"}
    with ExitStack() as started:

        def start(script: str, *arguments: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", script, store.url, *arguments]
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield start
