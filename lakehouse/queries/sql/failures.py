"""DuckDB's errors as ours: what it says first, its suggestion as a hint, no path of the lake."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lakehouse.errors import IntegrityError, LakehouseError, QueryError
from lakehouse.names import ProductName

_KIND_OF_ERROR = re.compile(r"^[A-Z][A-Za-z ]* Error: ")
_SETTING = re.compile(r",? or SET .*|Use SET .*")
_LONGEST_HINT = 300


@contextmanager
def translated(files: Mapping[Path, ProductName]) -> Iterator[None]:
    """Turn the errors of DuckDB and Arrow in this block into ours.

    Args:
        files: the local data files of the query, whose paths must not show.

    Raises:
        QueryError: the query can not be bound, or fails while it runs.
        IntegrityError: a data file can not be read.
    """
    import duckdb
    import pyarrow as pa

    try:
        yield
    except LakehouseError:
        raise
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _error(str(error), files) from error


def _error(text: str, files: Mapping[Path, ProductName]) -> LakehouseError:
    lines = [line.strip() for line in text.split("\nLINE ")[0].splitlines() if line.strip()] or ["no message"]
    lines = [_SETTING.sub("", line) for line in lines]  # settings are locked: no advice to change one
    first = _KIND_OF_ERROR.sub("", lines[0]).rstrip("!.")
    for path, product in files.items():
        if str(path) in text or path.as_posix() in text:
            reason = first.replace(str(path), path.name).replace(path.as_posix(), path.name)
            return IntegrityError(
                f"A data file of {product} can not be read: {reason}.",
                hint="Run `lake verify` to see which files are missing or damaged.",
            )
    hint = " ".join(line for line in lines[1:] if line)
    return QueryError(f"The SQL failed: {first}.", hint=hint[:_LONGEST_HINT] or None)
