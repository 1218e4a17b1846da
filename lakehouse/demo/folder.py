"""The folder into which the demo writes: made on the first run, used again on the next, and nobody else's."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import ArgumentError, StorageError

_MARK = "made-by-lakehouse-demo.txt"
_MARK_TEXT = """The demo of lakehouse made this folder. Its next run replaces:
  lake/  deliberately_broken.csv  lake.lock  equity.png
and leaves every other file alone. Without this file it writes nothing here.
"""


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """What the demo writes, and where."""

    root: Path
    """the folder itself"""

    @property
    def lake(self) -> Path:
        """The root of the lake."""
        return self.root / "lake"

    @property
    def broken_rows(self) -> Path:
        """A file of rows that are wrong on purpose."""
        return self.root / "deliberately_broken.csv"

    @property
    def lock(self) -> Path:
        """The lock file of the backtest."""
        return self.root / "lake.lock"

    @property
    def chart(self) -> Path:
        """The chart."""
        return self.root / "equity.png"


def prepare_folder(root: Path) -> DemoFolder:
    """Make the folder, or clear out of it what an earlier run of the demo wrote, and nothing else.

    Raises:
        ArgumentError: something is there that the demo did not make.
        StorageError: the disk refused.
    """
    folder = DemoFolder(root.expanduser().absolute())
    try:
        if not _is_ours(folder.root):
            folder.root.mkdir(parents=True, exist_ok=True)
            (folder.root / _MARK).write_text(_MARK_TEXT, encoding="utf-8")
        _clear(folder)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"Can not write into {folder.root}: {error.strerror or error}.") from error
    return folder


def _is_ours(root: Path) -> bool:
    """Say whether an earlier run made the folder; a folder that is empty or not there yet may become ours."""
    if (root / _MARK).is_file():
        return True
    if root.is_file() or (root.is_dir() and any(root.iterdir())):
        raise ArgumentError(
            f"{root} is there already, and the demo did not make it.",
            hint="Name a new folder: lake demo --out somewhere/else",
        )
    return False


def _clear(folder: DemoFolder) -> None:
    if folder.lake.is_dir() and not folder.lake.is_symlink():
        shutil.rmtree(folder.lake)
    for file in (folder.lake, folder.broken_rows, folder.lock, folder.chart):
        file.unlink(missing_ok=True)
