"""Historical files of Databento."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.ingest.sources.files import FileSource
from lakehouse.ingest.sources.recipe import Recipe


class DatabentoSource(FileSource):
    """Files of Databento in their binary encoding (DBN), any schema; each file is one chunk.

    Fields keep their names: `ts_event` fills the contract's time, and `symbol` comes from the mapping in the
    file. A float column gets prices per unit, an integer column whole numbers of 1e-9; undefined is null.
    Files compressed with Zstandard and fragments without a header are read too; files of live sessions, which
    mix records with messages, are not.
    """

    def __init__(
        self, path: str | Path, recipe: Recipe | Mapping[str, Any] | str | Path | None = None
    ) -> None:
        """Find the files; see `FileSource`.

        Args:
            path: a file, folder, template or URL.
            recipe: names of columns, and `extra: ignore` to leave out fields that the contract does not know.

        Raises:
            ArgumentError: the recipe or the path can not mean anything.
            SourceError: there is nothing at the path.
        """
        super().__init__(path, dataclasses.replace(Recipe.load(recipe), format="dbn"))
