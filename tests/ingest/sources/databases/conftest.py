"""A real PostgreSQL server in a folder of its own, for the tests of database sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PASSWORD = "hush-never-shown"


@dataclass(frozen=True)
class Server:
    """A server that listens on a socket in its own folder."""

    folder: str
    uri: str = field(repr=False)

    def run(self, *statements: str) -> None:
        """Execute statements and commit."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.uri) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """Start PostgreSQL, which refuses to run as root: as the user postgres there."""
    pytest.importorskip("adbc_driver_postgresql", reason="the extra databases is not installed")
    found = {name: _program(name) for name in ("initdb", "pg_ctl")}
    if None in found.values():
        pytest.skip("PostgreSQL is not installed: there is no initdb or no pg_ctl")
    prefix = _other_user()
    # Below /tmp: the path of a socket has at most 107 characters.
    folder = tempfile.mkdtemp(prefix="lake-pg-", dir="/tmp")
    try:
        if prefix:
            shutil.chown(folder, "postgres", "postgres")

        def run(name: str, *arguments: str) -> None:
            _run(*prefix, str(found[name]), "-D", f"{folder}/data", *arguments)

        run("initdb", "-A", "trust", "-U", "lake", "--no-sync", "-E", "UTF8", "--locale=C")
        settings = f"-k {folder} -c listen_addresses='' -c fsync=off -c autovacuum=off"
        run("pg_ctl", "-w", "-t", "300", "-l", f"{folder}/log", "-o", settings, "start")
        yield Server(folder, f"postgresql://lake:{PASSWORD}@/postgres?host={folder}")
        run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: Server, request: pytest.FixtureRequest) -> Server:
    """Give the server with a schema for this test alone, to which its URI points."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    postgres_server.run(f"drop schema if exists {name} cascade", f"create schema {name}")
    return Server(postgres_server.folder, f"{postgres_server.uri}&options=-csearch_path%3D{name}")


def _program(name: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(places[0]) if places else None)


def _other_user() -> list[str]:
    if sys.platform == "win32" or os.getuid() != 0:
        return []
    import pwd

    if "postgres" not in {user.pw_name for user in pwd.getpwall()} or shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres or no setpriv")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


def _run(*command: str) -> None:
    # The server keeps what it inherits: a pipe to us would never end.
    nothing = subprocess.DEVNULL
    done = subprocess.run(
        command, check=False, stdin=nothing, stdout=nothing, stderr=nothing, cwd="/tmp", timeout=600
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}")
