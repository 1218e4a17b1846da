"""Rows that broke a rule: see them, correct them, write them again exactly once."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import IntegrityError, NotFoundError
from lakehouse.ingest.prepare import BROKE, ROW, prepare
from lakehouse.ingest.write import Provenance, commit_prepared, repeated
from lakehouse.queries.result import Result

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.partitions.commit_record import Commit, QuarantineFile
    from lakehouse.partitions.table import Table

_REPLAY = "replay:"


class Quarantine:
    """The quarantine of one product."""

    def __init__(self, table: Table, contract: Contract) -> None:
        self._table = table
        self._contract = contract

    def list(self) -> Result:
        """Return one row a commit with quarantined rows, newest first.

        Returns:
            version, time, rows, rules ("rule: count, …"), source, author, replayed.
        """
        done = self._table.head().transactions
        rows = [
            {
                "version": commit.version,
                "time": commit.time,
                "rows": file.rows,
                "rules": ", ".join(f"{rule}: {count}" for rule, count in file.rules.items()),
                "source": commit.source,
                "author": commit.author,
                "replayed": f"{_REPLAY}{commit.version}" in done,
            }
            for commit, file in self._files()
        ]
        return Result(pa.Table.from_pylist(rows, schema=_LIST))

    def read(self, version: int | None = None) -> Result:
        """Return quarantined rows as they came, with `_row` and one flag `_broke_<rule>` a broken rule.

        Args:
            version: of the commit that refused them; None for all commits, oldest first, with a column
                `_version`.

        Raises:
            NotFoundError: the commit has no quarantine.
            IntegrityError: the quarantine file is missing or altered.
        """
        if version is not None:
            return Result(self._load(self._file(version)))
        tables = []
        for commit, file in self._files():
            rows = self._load(file)
            tables.append(
                rows.append_column("_version", pa.array([commit.version] * rows.num_rows, pa.int64()))
            )
        merged = pa.concat_tables(tables[::-1], promote_options="permissive") if tables else _NOTHING
        return Result(merged)

    def replay(
        self,
        version: int,
        frame: Any = None,
        *,
        provenance: Provenance | None = None,
        time_zone: str | None = None,
    ) -> Commit:
        """Write quarantined rows again, at most once for each commit that refused them.

        Args:
            version: of the commit that refused them.
            frame: the corrected rows; None takes the rows as they came, for a contract that now accepts them.
            provenance: who and why.
            time_zone: of naive times.

        Returns:
            The commit; where the version was replayed before, that commit, with `repeated` set.

        Raises:
            NotFoundError: the commit has no quarantine.
            KeyConflictError: a key is stored with other values.
        """
        file = self._file(version)
        given = provenance or Provenance()
        given = replace(
            given,
            idempotency_key=f"{_REPLAY}{version}",
            source=given.source or f"quarantine of version {version}",
        )
        done = repeated(self._table, self._table.head(), given)
        if done is not None:
            return done
        rows = _as_it_came(self._load(file)) if frame is None else frame
        prepared = prepare(rows, self._contract, time_zone=time_zone)
        return commit_prepared(self._table, prepared, given, "replay")

    def _files(self) -> Iterator[tuple[Commit, QuarantineFile]]:
        for commit in self._table.history():
            if commit.quarantine is not None:
                yield commit, commit.quarantine

    def _file(self, version: int) -> QuarantineFile:
        for commit, file in self._files():
            if commit.version == version:
                return file
        versions = [str(commit.version) for commit, _ in self._files()]
        raise NotFoundError.among(f"quarantine of {self._table.name}", str(version), versions)

    def _load(self, file: QuarantineFile) -> pa.Table:
        try:
            data = self._table.store.get(file.path)
        except NotFoundError as error:
            raise IntegrityError(f"The quarantine file {file.path} is missing.") from error
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise IntegrityError(f"The quarantine file {file.path} was altered.")
        return pq.read_table(io.BytesIO(data))


def _as_it_came(rows: pa.Table) -> pa.Table:
    """Take the lake's own columns off; text that a source could not parse stays, and is refused again."""
    own = [name for name in rows.column_names if name == ROW or name.startswith(BROKE)]
    return rows.drop_columns(own)


_LIST = pa.schema(
    [
        ("version", pa.int64()),
        ("time", pa.string()),
        ("rows", pa.int64()),
        ("rules", pa.string()),
        ("source", pa.string()),
        ("author", pa.string()),
        ("replayed", pa.bool_()),
    ]
)
_NOTHING = pa.Table.from_arrays([pa.array([], pa.int64())], ["_version"])
