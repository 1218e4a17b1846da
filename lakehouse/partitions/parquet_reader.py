"""Read Parquet through pyarrow's reader itself, without the clients of remote file systems.

`import pyarrow.parquet` also loads those of S3, Google and Azure, and the TLS library with them: a tenth of
what a fresh process takes to its first row. `ParquetReader` is what `pyarrow.parquet.ParquetFile` drives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow._parquet import FileMetaData, ParquetReader


class Parquet:
    """An open Parquet file."""

    def __init__(self, reader: ParquetReader) -> None:
        self._reader = reader

    @property
    def metadata(self) -> FileMetaData:
        """The footer."""
        return self._reader.metadata

    def read(
        self, columns: Iterable[str], *, groups: Iterable[int] | None = None, threads: bool = False
    ) -> pa.Table:
        """Decode some columns, in the order of the file.

        Args:
            columns: names, of nested ones a part such as `add.path` too; unknown ones are passed over.
            groups: row groups; None for all.
            threads: decode columns side by side.
        """
        wanted = sorted(set(self._leaves(columns)))
        if groups is None:
            return self._reader.read_all(wanted, use_threads=threads)
        return self._reader.read_row_groups(list(groups), wanted, use_threads=threads)

    def _leaves(self, columns: Iterable[str]) -> Iterator[int]:
        paths = [".".join(path) for path in self._reader.column_paths]
        places = {path: place for place, path in enumerate(paths)}
        for column in columns:
            if column in places:
                yield places[column]
            else:
                yield from (place for path, place in places.items() if path.startswith(f"{column}."))


@contextmanager
def open_parquet(
    source: Path | pa.Buffer,
    *,
    metadata: FileMetaData | None = None,
    encoded: Sequence[str] = (),
    check_pages: bool = False,
) -> Iterator[Parquet]:
    """Open a file, which is mapped into memory, or bytes in memory.

    Args:
        source: a path, or the bytes.
        metadata: the footer, where it was parsed before.
        encoded: columns of text that stay codes and a dictionary.
        check_pages: compare the checksum of each page that is read.

    Raises:
        FileNotFoundError: there is no such file.
        pyarrow.ArrowException: it is no Parquet file.
    """
    reader = ParquetReader()
    reader.open(
        pa.BufferReader(source) if isinstance(source, pa.Buffer) else str(source),
        use_memory_map=True,
        metadata=metadata,
        pre_buffer=False,
        read_dictionary=list(encoded),
        page_checksum_verification=check_pages,
        arrow_extensions_enabled=True,
    )
    try:
        yield Parquet(reader)
    finally:
        reader.close()


def read_footer(source: Path | pa.Buffer) -> FileMetaData:
    """Return the parsed footer of a file.

    Raises:
        FileNotFoundError: there is no such file.
        pyarrow.ArrowException: it is no Parquet file.
    """
    with open_parquet(source) as file:
        return file.metadata
