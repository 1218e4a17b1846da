"""A database file of views over a lake, for the DuckDB command line and any tool that opens DuckDB files.

It holds no row: each view lists the data files of one version of one product, so that it shows that version
for as long as the files are there. The file has DuckDB's 1.5 storage format, which the command line that
can be installed reads and writes; 2.0's own format it can not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from lakehouse.errors import AlreadyExistsError, ArgumentError, QueryError, StorageError
from lakehouse.partitions.state import TableState
from lakehouse.queries.sql.bounds import ANY
from lakehouse.queries.sql.views import View, literal

INIT_SQL = """\
-- Times in a lake are UTC. Above the threshold an as-of join may fall into a nested loop. The optimizer that
-- is left out answers max() of a column that may hold NaN with NaN, whether it holds one or not.
SET TimeZone = 'UTC';
SET disabled_optimizers = 'statistics_propagation';
SET asof_loop_join_threshold = 0;
"""
"""What a session on a views file runs first, as `duckdb -init` does."""

STORAGE_VERSION = "v1.5.0"
_GLOB = re.compile(r"[*?\[]")


def write_views(states: Iterable[TableState], path: str | Path, *, held: ExitStack | None = None) -> Path:
    """Write a database file with a schema for each domain and a view for each product.

    A view has the columns of the contract in the types of `lake.sql`: nanoseconds as TIMESTAMP_NS,
    microseconds as TIMESTAMP, both in UTC. It uses only functions that DuckDB 1.5 has. Run `INIT_SQL` first
    in every session.

    Args:
        states: the versions to show.
        path: of the new file.
        held: for a bucket, keeps the local copies until it is closed. Without it the views go on finding
            them until the cache evicts them.

    Returns:
        The absolute path of the file.

    Raises:
        AlreadyExistsError: there is a file.
        ArgumentError: the name of the file without its ending is that of a domain, which DuckDB could not
            tell apart.
        QueryError: DuckDB refused a view, which it does where a data file is missing or torn.
        StorageError: the file can not be written.
    """
    chosen, target = list(states), Path(path).absolute()
    if target.exists():
        raise AlreadyExistsError(f"There is a file {target} already.")
    if target.stem.casefold() in {state.name.domain for state in chosen}:
        raise ArgumentError(
            f"A views file can not be called {target.name}: {target.stem} is a domain of the lake.",
            hint="Give it another name, such as lake-views.duckdb.",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(chosen, target, held)
    except OSError as error:
        raise StorageError(f"Can not write {target}: {error.strerror or error}.") from error
    return target


def view_statements(state: TableState, held: ExitStack | None) -> list[str]:
    """Return the SQL that makes the schema and the view of one product."""
    view = View.of(state, ANY)
    return view.statements([_no_glob(path) for path in view.paths(held)])


def _write(states: list[TableState], target: Path, held: ExitStack | None) -> None:
    """Build the file beside its name, and give it the name when it is whole."""
    import duckdb

    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(
                f"ATTACH {literal(str(draft))} AS lake_views (STORAGE_VERSION '{STORAGE_VERSION}')"
            )
            connection.execute("USE lake_views")
            for state in states:
                for statement in view_statements(state, held):
                    connection.execute(statement)
            connection.execute("USE memory")
            connection.execute("DETACH lake_views")
        draft.replace(target)
    except duckdb.IOException as error:
        raise StorageError(
            f"Can not write {target}: {_first_line(error)}", hint="lake verify checks the data."
        ) from error
    except duckdb.Error as error:
        raise QueryError(
            f"A view can not be made: {_first_line(error)}", hint="lake verify checks the data."
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _no_glob(path: Path) -> Path:
    """Write a path so that DuckDB takes it literally: `lake[1]` is a folder, and no pattern."""
    return Path(_GLOB.sub(r"[\g<0>]", str(path)))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
