"""Each damage is found under its own name, at its own path, and nothing else is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import deltalake
import polars as pl
import pytest

import lakehouse
from lakehouse.catalog.claims import fence_key
from lakehouse.catalog.condemned import mark_final, publish_condemned
from lakehouse.errors import NotFoundError

Bars = Callable[..., pl.DataFrame]
Found = list[tuple[str, str]]

BARS = "market_data.bars_1d"
TABLE = "partitions/market_data/bars_1d/v1"
LOG = f"{TABLE}/_delta_log"


@pytest.fixture
def root(lake: lakehouse.Lake, tmp_path: Path) -> Path:
    return tmp_path / "lake"


def look(root: Path, *, quick: bool = True) -> Found:
    """Return (kind, path) of what a fresh look finds."""
    return [(each.kind, each.path) for each in lakehouse.open(root).doctor(quick=quick).findings]


def test_a_file_of_the_head_that_is_missing(root: Path) -> None:
    path = live(root)
    (root / path).unlink()
    assert look(root) == [("missing-file", path)]


def test_a_file_of_a_snapshot_that_is_missing(root: Path) -> None:
    path = lakehouse.open(root).checkout("first")[BARS].state().files[0].path
    (root / path).unlink()
    found = lakehouse.open(root).doctor(quick=True).findings
    assert [(each.kind, each.path) for each in found] == [("missing-file", path)]
    assert "snapshot first" in found[0].what


def test_a_file_of_the_wrong_size(root: Path) -> None:
    path = live(root)
    (root / path).write_bytes((root / path).read_bytes()[:-7])
    assert look(root) == [("wrong-size", path)]


def test_a_flipped_byte_is_found_by_the_full_look_alone(root: Path) -> None:
    path = live(root)
    flip(root / path)
    assert look(root, quick=True) == []
    assert look(root, quick=False) == [("altered-file", path)]


def test_an_old_version_whose_file_was_altered(root: Path) -> None:
    path = only_in_history(root)
    flip(root / path)
    assert look(root, quick=False) == [("altered-file", path)]


def test_an_old_version_whose_file_is_gone_is_no_finding(root: Path) -> None:
    (root / only_in_history(root)).unlink()
    assert look(root, quick=False) == []


def test_refused_rows_that_are_missing_or_altered(root: Path) -> None:
    [file] = (root / TABLE / "_quarantine").glob("*.parquet")
    path = file.relative_to(root).as_posix()
    flip(file)
    assert look(root, quick=False) == [("altered-file", path)]
    file.unlink()
    assert look(root) == [("missing-file", path)]


def test_a_foreign_file_in_a_table_and_beside_it(root: Path) -> None:
    for path in (f"{TABLE}/notes.txt", f"{TABLE}/part-1.parquet", f"{LOG}/0.crc", "partitions/stray"):
        (root / path).write_text("mine")
    expected = [f"{LOG}/0.crc", f"{TABLE}/notes.txt", f"{TABLE}/part-1.parquet", "partitions/stray"]
    assert look(root) == [("foreign-file", path) for path in expected]


def test_what_a_killed_writer_left(root: Path, dying_writer: Callable[..., None]) -> None:
    dying_writer(str(root))
    found = lakehouse.open(root).doctor(quick=True).findings
    assert sorted(each.kind for each in found) == ["dead-intent", "dead-lease", "orphan-file"]
    orphan = next(each for each in found if each.kind == "orphan-file")
    assert orphan.path.split("part-")[1].split("-")[0] in orphan.what


def test_a_file_of_ours_that_nobody_vouches_for_is_reported_and_left_alone(root: Path) -> None:
    path = f"{TABLE}/part-{'0' * 32}-{'1' * 12}.parquet"
    (root / path).write_bytes(b"whose?")
    lake = lakehouse.open(root)
    assert [(each.kind, each.path) for each in lake.doctor(repair=True).findings] == [("orphan-file", path)]
    assert (root / path).read_bytes() == b"whose?"


@pytest.mark.parametrize("name", [f".tmp-{'a' * 32}", f"_delta_log/{100:020}.checkpoint.parquet#1"])
def test_a_temporary_file_is_found_once_it_is_old(root: Path, name: str) -> None:
    file = root / TABLE / name
    file.write_bytes(b"half a")
    assert look(root) == []
    then = time.time() - 2 * 3600
    os.utime(file, (then, then))
    assert look(root) == [("temporary-file", f"{TABLE}/{name}")]


def test_a_hole_in_the_log(root: Path) -> None:
    path = f"{LOG}/{2:020}.json"
    (root / path).unlink()
    assert look(root) == [("log-hole", path)]


def test_a_log_that_is_gone_makes_no_orphans(root: Path) -> None:
    for file in (root / LOG).iterdir():
        file.unlink()
    assert look(root) == [("log-hole", LOG)]


@pytest.mark.parametrize("data", [b"", b'{"add":{"pa', b"null", b"[1]", b'{"add": {}}', b"\xff\xfe"])
def test_a_torn_entry(root: Path, data: bytes) -> None:
    path = f"{LOG}/{3:020}.json"
    (root / path).write_bytes(data)
    assert look(root) == [("torn-entry", path)]


def test_an_entry_that_does_not_replay(root: Path) -> None:
    path = f"{LOG}/{3:020}.json"
    text = (root / path).read_text()
    remove = {"remove": {"path": "part-nothing.parquet", "dataChange": True, "size": 1}}
    (root / path).write_text(f"{text}\n{json.dumps(remove)}")
    assert look(root) == [("unreplayable-entry", path)]


def test_a_commit_of_another_delta_writer(root: Path, bars: Bars) -> None:
    table = deltalake.DeltaTable(str(root / TABLE))
    table.delete()
    version = table.version()
    assert look(root) == [("foreign-commit", f"{LOG}/{version:020}.json")]


def test_rows_that_another_delta_writer_added(root: Path) -> None:
    table = deltalake.DeltaTable(str(root / TABLE))
    deltalake.write_deltalake(table, table.to_pyarrow_table(), mode="append")
    version = deltalake.DeltaTable(str(root / TABLE)).version()
    assert look(root) == [("foreign-commit", f"{LOG}/{version:020}.json")]


def test_a_record_that_does_not_fit_its_files_is_told_once(root: Path) -> None:
    path = f"{LOG}/{1:020}.json"
    lines = [json.loads(line) for line in (root / path).read_text().splitlines()]
    lines[0]["commitInfo"]["lakehouse"]["rows"] += 1
    (root / path).write_text("\n".join(map(json.dumps, lines)))
    assert look(root)[0] == ("record-mismatch", path)
    assert [path for _, path in look(root)] == [path, f"{LOG}/{2:020}.json"]


def test_torn_wrong_and_unnamed_checkpoints(root: Path) -> None:
    [checkpoint] = (root / LOG).glob("*.checkpoint.parquet")
    path, good = checkpoint.relative_to(root).as_posix(), checkpoint.read_bytes()
    checkpoint.write_bytes(good[:-20])
    assert look(root) == [("torn-checkpoint", path)]
    other = next((root / "partitions/market_data/ticks/v1/_delta_log").glob("*1.json"))
    assert other.is_file()
    lakehouse.open(root)["market_data.ticks"].table.write_checkpoint()
    [foreign] = (root / "partitions/market_data/ticks/v1/_delta_log").glob("*.checkpoint.parquet")
    checkpoint.write_bytes(foreign.read_bytes())
    assert look(root) == [("wrong-checkpoint", path)]
    checkpoint.write_bytes(good)
    (root / LOG / "_last_checkpoint").write_text('{"version": 90, "size": 1}')
    assert look(root) == [("wrong-last-checkpoint", f"{LOG}/_last_checkpoint")]
    (root / LOG / "_last_checkpoint").write_text('{"ver')
    assert look(root) == [("wrong-last-checkpoint", f"{LOG}/_last_checkpoint")]


def test_a_table_whose_columns_are_not_those_of_its_contract(root: Path) -> None:
    file = root / "catalog/products/market_data/bars_1d/1.0.0.yaml"
    text = file.read_text()
    assert "logicalType: number" in text
    file.write_text(text.replace("float64", "float32"))
    assert look(root) == [("schema-drift", TABLE)]


def test_a_table_without_a_contract(root: Path) -> None:
    (root / "catalog/products/market_data/bars_1d/1.0.0.yaml").unlink()
    assert look(root) == [("table-without-contract", TABLE)]


@pytest.mark.parametrize(
    "path",
    [
        "catalog/lake.json",
        "catalog/domains/market_data.yaml",
        "catalog/products/market_data/bars_1d/1.0.0.yaml",
        "catalog/snapshots/first.json",
    ],
)
@pytest.mark.parametrize("data", [b"", b"{]", b"\xff\x00", b"[1, 2]", b'{"format": 0}'])
def test_broken_documents_hide_nothing(lake: lakehouse.Lake, root: Path, path: str, data: bytes) -> None:
    lost = live(root)
    (root / lost).unlink()
    (root / path).write_bytes(data)
    found = [(each.kind, each.path) for each in lake.doctor(quick=True).findings]
    assert found == [("broken-document", path), ("missing-file", lost)]


def test_manifests_that_are_missing_or_altered(root: Path) -> None:
    [manifest] = (root / "catalog/snapshots/first").glob("*.parquet")
    path = manifest.relative_to(root).as_posix()
    flip(manifest)
    assert look(root) == [("altered-manifest", path)]
    manifest.unlink()
    assert look(root) == [("missing-manifest", path)]


def test_broken_queries_and_foreign_documents(root: Path) -> None:
    (root / "queries").mkdir()
    (root / "queries/good.sql").write_text("-- title Good\nselect 1")
    (root / "queries/bad.sql").write_text("-- parameter x\nselect 1")
    (root / "catalog/products/notes.txt").write_text("mine")
    assert look(root) == [("foreign-file", "catalog/products/notes.txt"), ("broken-query", "queries/bad.sql")]


def test_a_broken_lease_is_found_and_buries_nobody(lake: lakehouse.Lake, root: Path) -> None:
    lake[BARS].append(lake[BARS].read().to_polars())
    lease = min((root / "catalog/leases").glob("*.json"))
    lease.write_text("{")
    assert look(root) == [("broken-document", lease.relative_to(root).as_posix())]


def test_a_lease_that_nobody_renewed_while_a_collector_watched(lake: lakehouse.Lake, root: Path) -> None:
    lake[BARS].append(lake[BARS].read().to_polars())
    lease = min((root / "catalog/leases").glob("*.json"))
    document = json.loads(lease.read_text())
    document["process"]["machine"] = "elsewhere"
    lease.write_text(json.dumps(document))
    watched = publish_condemned(lake.store, (), {document["session"]: document["number"]}, author="me")
    assert look(root) == []
    seen = json.loads((root / watched.path).read_text())
    seen["monotonic_ns"] -= 10**9 * 3600
    (root / watched.path).write_text(json.dumps(seen))
    assert ("dead-lease", lease.relative_to(root).as_posix()) in look(root)
    assert {kind for kind, _ in look(root)} == {"dead-lease", "dead-intent"}


def test_a_collector_that_died_at_its_work(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = lakehouse.open(root).store
    condemned = publish_condemned(store, [only_in_history(root)], {}, author="me")
    assert look(root) == []
    assert mark_final(store, condemned, run="1", author="me")
    assert look(root) == []  # this very process may be at it
    [mark] = (root / "catalog/condemned").glob("*.final.json")
    document = json.loads(mark.read_text())
    document["process"]["started"] = "long ago"
    mark.write_text(json.dumps(document))
    assert look(root) == [("half-collected", condemned.path)]
    (root / condemned.path).unlink()
    assert look(root) == [("stray-mark", mark.relative_to(root).as_posix())]


def test_products_narrow_the_look(root: Path) -> None:
    (root / live(root)).unlink()
    lake = lakehouse.open(root)
    assert not lake.doctor(products=[BARS], quick=True).ok
    assert lake.doctor(products=["market_data.ticks"]).ok
    with pytest.raises(NotFoundError, match=r"Unknown product 'market_data\.bars'"):
        lake.doctor(products=["market_data.bars"])


def test_a_lost_head_comes_with_the_newest_intact_version(root: Path) -> None:
    path = live(root)
    (root / path).unlink()
    lake = lakehouse.open(root)
    [found] = lake.doctor(quick=True).findings
    assert found.repair is None
    version = int(found.advice.split()[-2])
    assert f"lake restore {BARS} {version} --apply" in found.advice
    assert all((root / file.path).is_file() for file in lake[BARS].state(version=version).files)
    newer = range(version + 1, lake[BARS].version + 1)
    assert all(path in {file.path for file in lake[BARS].state(version=each).files} for each in newer)


def test_a_fence_is_no_foreign_commit(root: Path) -> None:
    from lakehouse.maintenance.sessions import fence

    table = lakehouse.open(root)[BARS].table
    fence(table, "0" * 32, author="me")
    assert fence_key("0" * 32) in table.head().transactions
    assert look(root) == []


def live(root: Path) -> str:
    """Return a file that only the head names."""
    lake = lakehouse.open(root)
    past = {file.path for file in lake.checkout("first")[BARS].state().files}
    locked = {file.path for file in lake.checkout(str(root.parent / "lake.lock"))[BARS].state().files}
    return next(file.path for file in lake[BARS].state().files if file.path not in past | locked)


def only_in_history(root: Path) -> str:
    """Return a file that no head, snapshot or lock names."""
    report = {path.as_posix() for path in (root / TABLE).glob("date=*/*.parquet")}
    lake = lakehouse.open(root)
    states = [
        lake[BARS].state(),
        lake.checkout("first")[BARS].state(),
        lake.checkout(str(root.parent / "lake.lock"))[BARS].state(),
    ]
    used = {(root / file.path).as_posix() for state in states for file in state.files}
    return Path(min(report - used)).relative_to(root).as_posix()


def flip(file: Path) -> None:
    """Flip a bit in the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
