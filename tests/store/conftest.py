"""The stores under test: a local folder, and a bucket of a real S3 server in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse.store import Store, open_store

if TYPE_CHECKING:
    from tests.conftest import S3Server

NewStore = Callable[[], Store]


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
