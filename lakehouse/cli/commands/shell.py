"""shell: the real DuckDB command line on views of a lake."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse.cli.locate import open_lake, open_pinned

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.partitions.state import TableState
    from lakehouse.view import LakeView

_NOTES = """\
Every product is a view `domain.product` over the files of one version: the newest, or the one that
a snapshot or a lock pins. Times are UTC. What follows `--` goes to DuckDB. Tables that you make go
to a temporary file, and are gone afterwards. The shell is a process of your own, and is not
sandboxed: it can read and write whatever you can, the files of the lake too. Use `lake sql` for SQL
that you do not trust. A filter on a time of nanoseconds reads every file of the product here; `lake
sql` reads only those that can match. The files of a bucket are first copied to the local cache."""


def add_commands(commands: Commands) -> None:
    """Add `shell`."""
    parser = commands.add(
        "shell",
        shell,
        "open the DuckDB shell on views of the lake (extra `shell`)",
        group="ask",
        notes=_NOTES,
        examples=(
            "shell",
            "shell market_data.bars_1d --snapshot 2026-q3",
            "shell --lock backtest.lock -- -csv -c 'select count(*) from market_data.bars_1d'",
            "shell --write lake-views.duckdb",
        ),
    )
    parser.add_argument("products", nargs="*", metavar="PRODUCT", help="by default all")
    pinned = parser.add_mutually_exclusive_group()
    pinned.add_argument("--snapshot", metavar="NAME", help="the versions of a snapshot")
    pinned.add_argument("--lock", metavar="FILE", help="the versions of a lock file")
    parser.add_argument(
        "--write", metavar="FILE", help="write the views file and its .sql for -init, and start nothing"
    )
    parser.set_defaults(trailing="products", passing="what follows --")


def shell(options: argparse.Namespace) -> Reply:
    """Write the views and start DuckDB on them."""
    import tempfile
    from contextlib import ExitStack
    from pathlib import Path

    from lakehouse.cli.reply import Reply
    from lakehouse.cli.session import find_duckdb, run, write_session

    pinned = open_pinned(options)
    view: LakeView = open_lake(options) if pinned is None else pinned
    names = options.products or view.products()
    states = [view[name].state() for name in names]
    if options.write:
        return _written(states, options.write)
    program = find_duckdb()
    with (
        ExitStack() as held,
        tempfile.TemporaryDirectory(prefix="lakehouse-shell-", ignore_cleanup_errors=True) as folder,
    ):
        words = write_session(states, Path(folder) / "lake-views.duckdb", held=held)
        command = [program, *words, *options.passed]
        return Reply(exit_code=run(command), printed=True)


def _written(states: Sequence[TableState], path: str) -> Reply:
    from pathlib import Path

    from lakehouse.cli.reply import Reply
    from lakehouse.cli.session import command_line, write_session

    words = write_session(states, Path(path))
    command = ["duckdb", *words]
    document = {
        "views": words[2],
        "init": words[1],
        "products": [str(state.name) for state in states],
        "command": command,
    }
    return Reply(document, [f"Wrote {words[2]}", f"Open it with: {command_line(command)}"])
