"""System services, started for the session on free ports and stopped after it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).with_name("radosgw.sh")
_NOT_HERE = 3  # what the script answers where its packages can not be had


@pytest.fixture(scope="session")
def radosgw() -> Iterator[dict[str, str]]:
    """Run a Ceph radosgw and give the variables of its user; the packages stay for the next session."""
    if sys.platform != "linux":
        pytest.skip("Ceph's packages are for Linux")
    packages = Path(os.environ.get("LAKEHOUSE_SERVICES") or f"{tempfile.gettempdir()}/lakehouse-services")
    run = tempfile.mkdtemp(prefix="lake-rgw-")  # short: Ceph's sockets are below it
    command = ["bash", str(_SCRIPT), "start", str(packages / "radosgw"), run, str(_free_port(3))]
    try:
        # A file takes the words of the script: the servers that it leaves running could hold a pipe open.
        with Path(run, "words").open("w+") as words:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=words, text=True, check=False)
            words.seek(0)
            if done.returncode == _NOT_HERE:
                pytest.skip(f"Ceph's Debian packages can not be had here: {words.read().strip()}")
            assert done.returncode == 0, words.read()
        yield dict(line.split("=", 1) for line in done.stdout.splitlines())
    finally:
        subprocess.run(["bash", str(_SCRIPT), "stop", run], check=True)
        shutil.rmtree(run, ignore_errors=True)


def _free_port(count: int) -> int:
    """Return the first of `count` free ports in a row, below those that the system hands out by itself."""
    for port in range(21_000, 31_000, 10):
        with ExitStack() as held:
            try:
                for offset in range(count):
                    listener = held.enter_context(socket.socket())
                    listener.bind(("127.0.0.1", port + offset))
            except OSError:
                continue
            return port
    raise AssertionError("no free ports")
