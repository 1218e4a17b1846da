"""What git tracks is small, readable in one sitting, and legal on the disks of Linux, macOS and Windows."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
LARGEST_FILE = 2 * 1024 * 1024
LONGEST_MODULE = 400
LONGEST_PATH = 180  # Windows allows 260 characters, the folder of the checkout included
_FORBIDDEN = re.compile(r'[<>:"\\|?*\x00-\x1f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: a release archive has no list of tracked files")
    command = ["git", "-c", f"safe.directory={ROOT}", "-c", "core.quotepath=off", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [path for path in listed.split("\0") if path and (ROOT / path).exists()]


def is_legal_on_windows(part: str) -> bool:
    return not (_FORBIDDEN.search(part) or _RESERVED.fullmatch(part) or part.endswith((".", " ")))


def test_names_are_legal_on_windows(tracked: list[str]) -> None:
    assert [path for path in tracked if not all(map(is_legal_on_windows, path.split("/")))] == []


def test_names_differ_on_disks_that_ignore_case(tracked: list[str]) -> None:
    folders = {parent.as_posix() for path in tracked for parent in PurePosixPath(path).parents}
    counts = Counter(name.casefold() for name in {*tracked, *folders})
    assert [name for name, count in counts.items() if count > 1] == []


def test_paths_are_short_enough_for_windows(tracked: list[str]) -> None:
    assert [path for path in tracked if len(path) > LONGEST_PATH] == []


def test_no_file_is_a_link(tracked: list[str]) -> None:
    assert [path for path in tracked if (ROOT / path).is_symlink()] == []


def test_no_file_is_large(tracked: list[str]) -> None:
    assert [path for path in tracked if (ROOT / path).stat().st_size > LARGEST_FILE] == []


def test_golden_data_set_is_small(tracked: list[str]) -> None:
    golden = [ROOT / path for path in tracked if path.startswith("partitions/")]
    assert sum(path.stat().st_size for path in golden) < LARGEST_FILE


def test_every_module_can_be_read_in_one_sitting() -> None:
    modules = sorted((ROOT / "lakehouse").rglob("*.py"))
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in modules}
    assert {name: count for name, count in lines.items() if count > LONGEST_MODULE} == {}


@pytest.mark.parametrize("folder", ["catalog", "partitions", "queries"])
def test_folders_of_the_lake_hold_no_python(folder: str) -> None:
    assert sorted((ROOT / folder).rglob("*.py")) == []


def test_no_module_is_named_utils() -> None:
    assert [path for path in (ROOT / "lakehouse").rglob("*.py") if path.stem in {"helpers", "utils"}] == []
