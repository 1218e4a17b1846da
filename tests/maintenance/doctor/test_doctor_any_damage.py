"""Any damage: all of it is found, nothing else is, and no repair touches what is intact."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lakehouse
from lakehouse.maintenance.doctor import Diagnosis, diagnose
from lakehouse.store import LocalStore

BARS, TICKS = "market_data.bars_1d", "market_data.ticks"

Expected = set[tuple[str, str]]


@dataclass(frozen=True)
class Known:
    """A lake of which everything is known."""

    root: Path
    dead: Path
    """the same with what a killed writer left"""
    held: frozenset[str]
    """data files that a head names"""
    pinned: frozenset[str]
    """data files that a snapshot or a lock names"""


@pytest.fixture
def known(lake: lakehouse.Lake, tmp_path: Path, dying_writer: Callable[..., None]) -> Known:
    pinned = [lake.checkout("first"), lake.checkout(str(tmp_path / "lake.lock"))]
    heads = {file.path for name in (BARS, TICKS) for file in lake[name].state().files}
    refused = {path for path in files_of(tmp_path / "lake") if "/_quarantine/" in path}
    files = {file.path for view in pinned for name in view for file in view[name].state().files}
    shutil.copytree(tmp_path / "lake", tmp_path / "dead")
    dying_writer(str(tmp_path / "dead"))
    return Known(tmp_path / "lake", tmp_path / "dead", frozenset(heads | refused), frozenset(files))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    damages=st.lists(
        st.tuples(
            st.sampled_from(["delete", "truncate", "flip", "foreign", "temporary"]), st.integers(0, 999)
        ),
        max_size=6,
    ),
    killed=st.booleans(),
    quick=st.booleans(),
)
def test_any_damage(known: Known, damages: list[tuple[str, int]], killed: bool, quick: bool) -> None:
    with lake_of(known, killed=killed) as root:
        before = files_of(root)
        harm = _Harm(root, known, quick=quick)
        for what, number in damages:
            harm.do(what, number)
        found = look(root, quick=quick)
        dead = _left_by_the_dead(known) if killed and not harm.blind else set()
        reported = {(each.kind, each.path) for each in found.findings}
        assert harm.required <= reported
        assert dead <= reported or harm.unreadable
        assert {path for _, path in reported} <= harm.paths | {path for _, path in _left_by_the_dead(known)}
        _check_repairs(root, known, before, harm)


def _check_repairs(root: Path, known: Known, before: dict[str, bytes], harm: _Harm) -> None:
    """Repair twice, alone and with a backup: what was intact is the same, and what was lost is back."""
    touched = harm.paths | {path for _, path in _left_by_the_dead(known)}
    intact = {path: data for path, data in before.items() if path not in touched and not _is_derived(path)}
    for source in (None, LocalStore(known.root)):
        remains = diagnose(LocalStore(root), repair=True, source=source)
        after = files_of(root)
        assert {path: after.get(path) for path in intact} == intact
    if not harm.unreadable:
        assert {path: after.get(path) for path in known.held | known.pinned} == {
            path: before[path] for path in known.held | known.pinned
        }
        kinds = {each.kind for each in remains.findings}
        stay = {"foreign-file", "broken-document"}
        if "broken-document" in kinds:  # which may be why garbage collection refuses to run
            stay |= {"orphan-file", "dead-lease", "dead-intent"}
        assert kinds <= stay


class _Harm:
    """Damages, and what a doctor must say of them."""

    def __init__(self, root: Path, known: Known, *, quick: bool) -> None:
        self.required: Expected = set()
        self.paths: set[str] = set()
        self.unreadable = False
        """whether a log or a root document is broken: then nobody knows what it named"""
        self.blind = False
        """whether a claim is broken"""
        self._root, self._known, self._quick = root, known, quick
        self._targets = sorted(
            path for path in files_of(known.root) if not _is_newest_entry(known.root, path)
        )

    def do(self, what: str, number: int) -> None:
        """Damage the object that a number stands for, unless it is damaged already."""
        if what in ("foreign", "temporary"):
            self._add(what, number)
            return
        path = self._targets[number % len(self._targets)]
        data = (self._root / path).read_bytes() if path not in self.paths else b""
        how = "truncate" if what == "flip" and not path.startswith("partitions/") else what
        if path in self.paths or (how == "flip" and "_delta_log" in path):
            return
        if _is_derived(path) and any(_is_derived(other) for other in self.paths):
            return  # without a checkpoint and a document that names it, a log is whole
        if "_delta_log" in path and any(path[:-9] == other[:-9] for other in self.paths):
            return  # entries that are missing one after the other are one finding
        if how == "delete" and path.startswith("catalog/") and not path.endswith(".parquet"):
            return
        self.paths.add(path)
        if how == "delete":
            (self._root / path).unlink()
        else:
            middle = len(data) // 2
            flipped = data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]
            (self._root / path).write_bytes(data[:middle] if how == "truncate" else flipped)
        self._expect(path, how)

    def _add(self, what: str, number: int) -> None:
        folders = sorted(
            {path.rpartition("/")[0] for path in self._targets if path.startswith("partitions/")}
        )
        folder = folders[number % len(folders)]
        name = f"notes-{number}.txt" if what == "foreign" else f".tmp-{number:032x}"
        file = self._root / folder / name
        file.write_bytes(b"mine")
        then = time.time() - 48 * 3600
        os.utime(file, (then, then))
        self.paths.add(f"{folder}/{name}")
        self.required.add(("foreign-file" if what == "foreign" else "temporary-file", f"{folder}/{name}"))

    def _expect(self, path: str, how: str) -> None:
        kind = self._kind(path, how)
        if kind is not None:
            self.required.add((kind, path))
        if "_delta_log" in path and path.endswith(".json"):
            self.unreadable = True
            self._forget(path.partition("/_delta_log/")[0])
        elif path.startswith(("catalog/snapshots", "catalog/pins")):
            self.unreadable = True
            self._forget("partitions")
            if path.endswith(".json"):
                self._forget(path.removesuffix(".json"))
        elif path.startswith(("catalog/leases", "catalog/intents")):
            self.unreadable = self.blind = True

    def _forget(self, folder: str) -> None:
        """Require nothing any more of what only a broken record may have named."""
        named = {"missing-file", "wrong-size", "altered-file", "missing-manifest", "altered-manifest"}
        self.required = {
            (kind, path) for kind, path in self.required if not (path.startswith(folder) and kind in named)
        }

    def _kind(self, path: str, how: str) -> str | None:
        if path.endswith("_last_checkpoint"):
            return "wrong-last-checkpoint"
        if path.endswith(".checkpoint.parquet"):
            return "missing-checkpoint" if how == "delete" else "torn-checkpoint"
        if "_delta_log" in path:
            return "log-hole" if how == "delete" else "torn-entry"
        if path.startswith("catalog/"):
            if not path.endswith(".parquet"):
                return "broken-document"
            if f"{path.rpartition('/')[0]}.json" in self.paths:
                return None
            return "missing-manifest" if how == "delete" else "altered-manifest"
        if self.unreadable:
            return None
        return self._kind_of_data(path, how)

    def _kind_of_data(self, path: str, how: str) -> str | None:
        if how == "delete":
            return "missing-file" if path in self._known.held | self._known.pinned else None
        if how == "flip":
            return None if self._quick else "altered-file"
        return "wrong-size"


class lake_of:  # noqa: N801  # a context manager, read like a function
    """A copy of the known lake, gone after the block."""

    def __init__(self, known: Known, *, killed: bool) -> None:
        self._from = known.dead if killed else known.root
        self._folder = TemporaryDirectory(dir=known.root.parent)

    def __enter__(self) -> Path:
        root = Path(self._folder.name) / "lake"
        shutil.copytree(self._from, root)
        return root

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def look(root: Path, *, quick: bool) -> Diagnosis:
    """Look, also at a lake that can not be opened."""
    return diagnose(LocalStore(root), quick=quick)


def files_of(root: Path) -> dict[str, bytes]:
    """Return the bytes of every object of a lake."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in ("catalog", "partitions")
        for path in (root / folder).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def _left_by_the_dead(known: Known) -> Expected:
    kinds = {"leases": "dead-lease", "intents": "dead-intent"}
    extra = files_of(known.dead).keys() - files_of(known.root).keys()
    return {
        (next((kind for word, kind in kinds.items() if f"/{word}/" in path), "orphan-file"), path)
        for path in extra
    }


def _is_newest_entry(root: Path, path: str) -> bool:
    """Say whether a path is that of a newest log entry: without it a log is whole, one version shorter."""
    folder, _, name = path.rpartition("/")
    if not folder.endswith("_delta_log") or not name.endswith(".json"):
        return False
    return name == max(file.name for file in (root / folder).glob("0*.json"))


def _is_derived(path: str) -> bool:
    return path.endswith((".checkpoint.parquet", "_last_checkpoint"))
