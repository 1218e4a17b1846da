"""Decode some columns of some row groups of one data file: the one place where pages are decoded."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from lakehouse.errors import IntegrityError, LakehouseError
from lakehouse.partitions.footers import use_file
from lakehouse.partitions.mapped_files import mapped
from lakehouse.partitions.parquet_reader import open_parquet
from lakehouse.partitions.runs import RunFooter
from lakehouse.partitions.selection import Selection
from lakehouse.schema import SEQUENCE
from lakehouse.store import Store


def columns_of(selection: Selection) -> Container[str]:
    """Return the columns that a file has, without opening it where its commit tells them."""
    known = selection.file.columns
    return {*known, SEQUENCE} if known else set(selection.footer.metadata.schema.names)


def read_groups(
    store: Store,
    selection: Selection,
    columns: list[str],
    *,
    groups: Sequence[int] | None = None,
    encoded: Sequence[str] = (),
) -> pa.Table:
    """Decode some columns of the selected row groups, as they are stored.

    Args:
        store: where the file is.
        selection: of one file.
        columns: that the file has.
        groups: some of the selected row groups; None for all of them.
        encoded: columns of text that stay codes and a dictionary.

    Raises:
        IntegrityError: the file is gone, or a page can not be decoded.
    """
    chosen = list(selection.groups if groups is None else groups)
    if not columns:  # pyarrow gives a table of no columns no rows either
        rows = int(np.diff(selection.footer.group_starts)[chosen].sum())
        return pa.Table.from_arrays([pa.nulls(rows)], ["_none"])
    if isinstance(selection.footer, RunFooter):
        return selection.footer.read(columns, chosen)
    checked = [selection.footer.checked.setdefault(column, set()) for column in columns]
    again = all(known.issuperset(chosen) for known in checked)

    def read(local: Path) -> pa.Table:
        with open_parquet(
            mapped(local) if again else local,
            metadata=selection.footer.metadata,
            encoded=encoded,
            check_pages=not again,  # a fifth of the time of decoding, so once
        ) as file:
            return file.read(columns, groups=chosen)

    try:
        table = use_file(store, selection.file, read)
        if not again:
            for known in checked:
                known.update(chosen)
        return table
    except LakehouseError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise IntegrityError(
            f"The data file {selection.file.path} is torn or altered: a page can not be read."
        ) from error
