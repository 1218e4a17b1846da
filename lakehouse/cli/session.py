"""A session of the DuckDB command line on a views file."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import AlreadyExistsError, MissingExtraError, StorageError
from lakehouse.queries.shell import INIT_SQL, write_views

if TYPE_CHECKING:
    from lakehouse.partitions.state import TableState


def write_session(states: Sequence[TableState], path: Path, *, held: ExitStack | None = None) -> list[str]:
    """Write the views file and its init file; return the words of DuckDB that open them.

    Args:
        states: the versions to show.
        path: of the views file.
        held: keeps the local copies of a bucket's files until it is closed.
    """
    first = path.with_suffix(".sql")
    if first.exists():
        raise AlreadyExistsError(f"There is a file {first} already.")
    views = write_views(states, path, held=held)
    try:
        first.write_text(_user_settings() + INIT_SQL, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"Can not write {first}: {error.strerror or error}.") from error
    return ["-init", str(first.absolute()), str(views)]


def find_duckdb() -> str:
    """Return the DuckDB command line: that of the package `duckdb-cli`, else one on the PATH.

    Raises:
        MissingExtraError: there is neither.
    """
    # The package's own starter would answer ctrl-C by killing the shell, so its program is started directly.
    package = find_spec("duckdb_cli")
    for folder in (package.submodule_search_locations or ()) if package is not None else ():
        found = shutil.which("duckdb", path=folder)
        if found is not None:
            return found
    found = shutil.which("duckdb")
    if found is None:
        raise MissingExtraError.of("duckdb-cli", "shell")
    return found


def run(command: Sequence[str]) -> int:
    """Run a program that owns the terminal, and return its exit code; ctrl-C is for it alone."""
    with _deaf_to_interrupts():
        code = subprocess.run(command, check=False).returncode
    return code if code >= 0 else 128 - code


def command_line(command: Sequence[str]) -> str:
    """Return a command as the user's shell takes it."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ignore ctrl-C here by a handler, which the child does not inherit; it would inherit SIG_IGN."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _user_settings() -> str:
    """Read the user's own settings first, which DuckDB skips where it is given an init file."""
    own = Path("~/.duckdbrc").expanduser()
    return f'.read "{own.as_posix()}"\n' if own.is_file() else ""
