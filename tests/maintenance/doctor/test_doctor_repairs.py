"""Repairs mend what they say, keep what they replace, and leave everything else as it was."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import lakehouse
from lakehouse.catalog.condemned import mark_final, publish_condemned
from lakehouse.errors import NotFoundError
from lakehouse.maintenance.doctor.copies import Copies
from lakehouse.maintenance.doctor.repairs import run_repairs

BARS = "market_data.bars_1d"
TABLE = "partitions/market_data/bars_1d/v1"
LOG = f"{TABLE}/_delta_log"


@pytest.fixture
def root(lake: lakehouse.Lake, tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def backup(root: Path, tmp_path: Path) -> Path:
    shutil.copytree(root, tmp_path / "backup")
    return tmp_path / "backup"


@pytest.mark.parametrize("damage", ["missing", "torn", "altered"])
def test_a_file_is_put_back_from_a_backup(root: Path, backup: Path, damage: str) -> None:
    lake = lakehouse.open(root)
    path = lake[BARS].state().files[0].path
    good, bad = (root / path).read_bytes(), _damaged(root / path, damage)
    assert lake.doctor().findings[0].repair is None
    assert lake.doctor(source=backup).repairable
    found = lake.doctor(source=backup, repair=True)
    assert found.ok
    assert [(each.name, each.path, each.done) for each in found.repairs] == [("put-copy", path, True)]
    assert (root / path).read_bytes() == good
    kept = [file.read_bytes() for file in (root / TABLE / "_quarantine").glob("*.altered-*")]
    assert kept == ([] if bad is None else [bad])
    assert lake.verify().ok


def test_a_manifest_and_refused_rows_are_put_back_too(root: Path, backup: Path) -> None:
    [manifest] = (root / "catalog/snapshots/first").glob("*.parquet")
    [refused] = (root / TABLE / "_quarantine").glob("*.parquet")
    manifest.unlink()
    _damaged(refused, "altered")
    found = lakehouse.open(root).doctor(source=backup, repair=True)
    assert found.ok
    assert manifest.read_bytes() == (backup / manifest.relative_to(root)).read_bytes()
    assert refused.read_bytes() == (backup / refused.relative_to(root)).read_bytes()


def test_a_copy_that_was_altered_too_is_no_help(root: Path, backup: Path) -> None:
    lake = lakehouse.open(root)
    path = lake[BARS].state().files[0].path
    bad = _damaged(root / path, "altered")
    (backup / path).write_bytes(bad or b"")
    found = lake.doctor(source=backup, repair=True)
    assert [each.kind for each in found.findings] == ["altered-file"]
    assert found.repairs == ()
    assert (root / path).read_bytes() == bad


def test_a_repair_looks_again_before_it_acts(root: Path, backup: Path) -> None:
    lake = lakehouse.open(root)
    path = lake[BARS].state().files[0].path
    good = (root / path).read_bytes()
    _damaged(root / path, "altered")
    found = lake.doctor(source=backup).findings
    (root / path).write_bytes(good)
    copies = Copies(lakehouse.open(backup).store, ())
    [done] = run_repairs(lake.store, found, copies, author="me")
    assert not done.done
    assert (root / path).read_bytes() == good
    assert not list((root / TABLE / "_quarantine").glob("*.altered-*"))


def test_a_repair_that_was_cut_short_begins_anew(root: Path, backup: Path) -> None:
    lake = lakehouse.open(root)
    path = lake[BARS].state().files[0].path
    bad = _damaged(root / path, "altered")
    found = lake.doctor(source=backup).findings
    copies = Copies(lakehouse.open(backup).store, ())
    run_repairs(lake.store, found, copies, author="me")
    (root / path).write_bytes(bad or b"")  # as if it had stopped after it had kept the bytes
    run_repairs(lake.store, found, copies, author="me")
    assert lake.doctor().ok
    assert len(list((root / TABLE / "_quarantine").glob("*.altered-*"))) == 1


def test_a_file_that_two_records_describe_in_two_ways_is_left_alone(root: Path, tmp_path: Path) -> None:
    """The log of a pinned file is altered, and a source has what the altered log asks for."""
    lake = lakehouse.open(root)
    path = lake.checkout("first")[BARS].state().files[0].path
    good = (root / path).read_bytes()
    shutil.copytree(root, tmp_path / "forged")
    bad = _damaged(tmp_path / "forged" / path, "altered") or b""
    for entry in (root / LOG).glob("*.json"):
        text = entry.read_text().replace(hashlib.sha256(good).hexdigest(), hashlib.sha256(bad).hexdigest())
        entry.write_text(text)
    found = lakehouse.open(root).doctor(source=tmp_path / "forged", repair=True)
    assert ("altered-file", path) in {(each.kind, each.path) for each in found.findings}
    assert "put-copy" not in {each.name for each in found.repairs}
    assert (root / path).read_bytes() == good


def test_a_repair_takes_nothing_of_the_history(root: Path, dying_writer: Callable[..., None]) -> None:
    for entry in (root / LOG).glob("*.json"):  # in 1970, longer ago than garbage collection keeps by default
        entry.write_text(re.sub(r'"timestamp":\d+', '"timestamp":1', entry.read_text()))
    dying_writer(str(root))
    assert lakehouse.open(root).gc().dead_files > 1
    assert lakehouse.open(root).doctor(repair=True).ok
    listed = [json.loads(file.read_text())["files"] for file in (root / "catalog/condemned").glob("*.json")]
    assert [len(files) for files in listed if files] == [1]


def test_a_source_must_be_a_lake(root: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no lake at"):
        lakehouse.open(root).doctor(source=tmp_path / "nowhere")


def test_what_a_killed_writer_left_is_collected(root: Path, dying_writer: Callable[..., None]) -> None:
    dying_writer(str(root))
    before = _files(root / "partitions")
    found = lakehouse.open(root).doctor(repair=True)
    assert found.findings == ()
    assert [each.name for each in found.repairs] == ["collect"]
    lakehouse.open(root).gc(dry_run=False, grace="0s")
    after = _files(root / "partitions")
    assert before.keys() - after.keys() == {path for path in before if b"DEAD" in before[path]}


def test_a_half_done_collection_is_finished(root: Path) -> None:
    lake = lakehouse.open(root)
    doubted = f"{TABLE}/part-{'0' * 32}-{'1' * 12}.parquet"
    (root / doubted).write_bytes(b"no record says that it is dead")
    condemned = publish_condemned(lake.store, [doubted], {}, author="me")
    assert mark_final(lake.store, condemned, run="1", author="me")
    [mark] = (root / "catalog/condemned").glob("*.final.json")
    document = json.loads(mark.read_text())
    document["process"]["started"] = "long ago"
    mark.write_text(json.dumps(document))
    found = lake.doctor(repair=True)
    assert [(each.kind, each.path) for each in found.findings] == [("orphan-file", doubted)]
    assert (root / doubted).exists()
    assert not (root / condemned.path).exists()
    assert not list((root / "catalog/condemned").glob("*.final.json"))


def test_a_stray_mark_is_deleted(root: Path) -> None:
    lake = lakehouse.open(root)
    condemned = publish_condemned(lake.store, [], {}, author="me")
    assert mark_final(lake.store, condemned, run="1", author="me")
    (root / condemned.path).unlink()
    assert lake.doctor(repair=True).ok
    assert not list((root / "catalog/condemned").iterdir())


def test_an_old_temporary_file_is_deleted_and_a_young_one_stays(root: Path) -> None:
    old, young = (root / TABLE / f".tmp-{letter * 32}" for letter in "ab")
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    then = time.time() - 2 * 3600
    os.utime(old, (then, then))
    assert lakehouse.open(root).doctor(repair=True).ok
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize("damage", ["torn", "missing", "pointer"])
def test_a_checkpoint_is_written_anew(root: Path, damage: str) -> None:
    [checkpoint] = (root / LOG).glob("*.checkpoint.parquet")
    if damage == "pointer":
        (root / LOG / "_last_checkpoint").write_text("{")
    else:
        _damaged(checkpoint, damage)
    lake = lakehouse.open(root)
    rows = lake[BARS].digest
    found = lake.doctor(repair=True)
    assert found.ok
    assert [each.name for each in found.repairs] == ["renew-checkpoint"]
    assert list((root / LOG).glob("*.checkpoint.parquet"))
    assert lakehouse.open(root)[BARS].digest == rows


def test_a_checkpoint_of_a_broken_log_stays(root: Path) -> None:
    [checkpoint] = (root / LOG).glob("*.checkpoint.parquet")
    bad = _damaged(checkpoint, "torn")
    (root / LOG / f"{1:020}.json").unlink()
    found = lakehouse.open(root).doctor(repair=True)
    assert {each.kind for each in found.findings} == {"log-hole", "torn-checkpoint"}
    assert found.repairs == ()
    assert checkpoint.read_bytes() == bad


def test_a_collection_that_can_not_read_a_root_is_refused_and_said(
    root: Path, dying_writer: Callable[..., None]
) -> None:
    dying_writer(str(root))
    (root / "catalog/snapshots/first.json").write_text("{")
    before = _files(root / "partitions", with_log=False)
    found = lakehouse.open(root).doctor(repair=True)
    assert not found.ok
    assert [each.outcome.split(":")[0] for each in found.repairs] == ["refused"]
    assert _files(root / "partitions", with_log=False) == before


def _damaged(file: Path, how: str) -> bytes | None:
    """Damage a file; return the bytes that it has then."""
    data = file.read_bytes()
    if how == "missing":
        file.unlink()
        return None
    middle = len(data) // 2
    bad = data[:middle] if how == "torn" else data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]
    file.write_bytes(bad)
    return bad


def _files(root: Path, *, with_log: bool = True) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*.parquet" if not with_log else "*.*")
        if path.is_file() and "_delta_log" not in path.parts
    }
