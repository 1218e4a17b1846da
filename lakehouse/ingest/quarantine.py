"""Rows that broke a rule: see them, correct them, write them again exactly once."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import IntegrityError, NotFoundError
from lakehouse.ingest.corrections import Correction, corrected
from lakehouse.ingest.prepare import BROKE, ROW, prepare
from lakehouse.ingest.write import Provenance, commit_prepared, repeated
from lakehouse.queries.result import Result

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.partitions.commit_record import Commit, QuarantineFile
    from lakehouse.partitions.table import Table


def replay_key(version: int) -> str:
    """Return the idempotency key of the replay of what one commit refused."""
    return f"replay:{version}"


def refusals(table: Table) -> Iterator[tuple[Commit, QuarantineFile]]:
    """Yield every commit that refused rows, newest first, with their file."""
    for commit in table.history():
        if commit.quarantine is not None:
            yield commit, commit.quarantine


def load_refused(table: Table, file: QuarantineFile) -> pa.Table:
    """Return refused rows as they came, with the lake's own columns.

    Raises:
        IntegrityError: the file is missing or altered.
    """
    try:
        data = table.store.get(file.path)
    except NotFoundError as error:
        raise IntegrityError(f"The quarantine file {file.path} is missing.") from error
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise IntegrityError(f"The quarantine file {file.path} was altered.")
    return pq.read_table(io.BytesIO(data))


def as_it_came(rows: pa.Table) -> pa.Table:
    """Take the lake's own columns off; text that a source could not parse stays, and is refused again."""
    own = [name for name in rows.column_names if name == ROW or name.startswith(BROKE)]
    return rows.drop_columns(own)


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
                "replayed": replay_key(commit.version) in done,
            }
            for commit, file in refusals(self._table)
        ]
        return Result(pa.Table.from_pylist(rows, schema=_LIST))

    def read(self, version: int | None = None) -> Result:
        """Return quarantined rows as they came, with `_row` and one flag `_broke_<rule>` a broken rule.

        Args:
            version: of the commit that refused them; None for all commits, oldest first, with a column
                `_version`; a column that came in zones of several names is in UTC, and one whose types have
                nothing in common is text.

        Raises:
            NotFoundError: the commit has no quarantine.
            IntegrityError: the quarantine file is missing or altered.
        """
        if version is not None:
            return Result(load_refused(self._table, self._file(version)))
        tables = []
        for commit, file in refusals(self._table):
            rows = load_refused(self._table, file)
            tables.append(
                rows.append_column("_version", pa.array([commit.version] * rows.num_rows, pa.int64()))
            )
        return Result(_merged(tables[::-1]) if tables else _NOTHING)

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
        return self._replay(
            version,
            lambda refused: as_it_came(refused) if frame is None else frame,
            provenance or Provenance(),
            time_zone,
        )

    def correct(
        self,
        version: int,
        correction: Correction | Any,
        *,
        provenance: Provenance | None = None,
        time_zone: str | None = None,
    ) -> Commit:
        """Write quarantined rows again as a correction makes them, at most once, and answer for each of them.

        Unlike `replay`, which takes any frame, every refused row must come back once. One that breaks a rule
        again is refused again, by the new commit, and can be corrected there.

        Args:
            version: of the commit that refused them.
            correction: a function that takes the rows of `read(version)` as a polars frame and returns them
                corrected, in a frame of any library; or that frame. The column `_row` tells them apart, the
                flags `_broke_<rule>` may stay. It is not called where the version was replayed before.
            provenance: who and why.
            time_zone: of naive times.

        Returns:
            The commit; where the version was replayed or corrected before, that commit, with `repeated` set.

        Raises:
            ArgumentError: a row is missing, doubled, or not one of those that were refused, or a column that
                they came with is missing.
            NotFoundError: the commit has no quarantine.
            SchemaError: the rows do not fit the contract.
            KeyConflictError: a key is stored with other values.

        Examples:
            >>> import lakehouse, polars, tempfile
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> rates = polars.DataFrame({"symbol": ["EURUSD", "USDJPY"], "rate": [1.1, -150.0]})
            >>> rule = lakehouse.Rule("real", "positive", ("rate",))
            >>> product = lake.create("fx.spot", like=rates, rules=[rule])
            >>> refused = product.append(rates).version
            >>> product.quarantine.correct(
            ...     refused, lambda rows: rows.with_columns(polars.col("rate").abs())
            ... ).accepted
            1
        """
        return self._replay(
            version,
            lambda refused: as_it_came(corrected(refused, correction)),
            provenance or Provenance(),
            time_zone,
        )

    def _replay(
        self,
        version: int,
        rows_of: Callable[[pa.Table], Any],
        provenance: Provenance,
        time_zone: str | None,
    ) -> Commit:
        file = self._file(version)
        given = replace(
            provenance,
            idempotency_key=replay_key(version),
            source=provenance.source or f"quarantine of version {version}",
        )
        done = repeated(self._table, self._table.head(), given)
        if done is not None:
            return done
        rows = rows_of(load_refused(self._table, file))
        prepared = prepare(rows, self._contract, time_zone=time_zone, store=self._table.store)
        return commit_prepared(self._table, prepared, given, "replay")

    def _file(self, version: int) -> QuarantineFile:
        if self._table.exists and version in range(self._table.head().version + 1):
            file = self._table.commit_of(version).quarantine
            if file is not None:
                return file
        versions = [str(commit.version) for commit, _ in refusals(self._table)]
        raise NotFoundError.among(f"quarantine of {self._table.name}", str(version), versions)


def _merged(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables whose columns may have other types in each one below the other."""
    found: dict[str, list[pa.DataType]] = {}
    for table in tables:
        for field in table.schema:
            found.setdefault(field.name, []).append(field.type)
    common = {name: _common(kinds) for name, kinds in found.items()}
    texts = {
        name
        for table in tables
        for name in table.column_names
        if _converted(table.column(name), common[name]) is None
    }
    common.update(dict.fromkeys(texts, pa.string()))
    same = [
        pa.table({name: _as_type(table.column(name), common[name]) for name in table.column_names})
        for table in tables
    ]
    return pa.concat_tables(same, promote_options="default")


def _common(kinds: Sequence[pa.DataType]) -> pa.DataType:
    """Return a type for all values of these types; naive times are not taken for UTC, but become text."""
    if all(pa.types.is_timestamp(kind) and kind.tz for kind in kinds):
        unit = max((kind.unit for kind in kinds), key=_UNITS.index)
        zones = {kind.tz for kind in kinds}
        return pa.timestamp(unit, zones.pop() if len(zones) == 1 else "UTC")
    schemas = [pa.schema([("value", kind)]) for kind in kinds]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.string()


def _converted(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """Return the column in another type, or None where a value would be lost."""
    try:
        return column if column.type == kind else column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _as_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    converted = _converted(column, kind)
    if converted is not None:
        return converted
    texts = [None if value is None else str(value) for value in column.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


_UNITS = ("s", "ms", "us", "ns")
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
