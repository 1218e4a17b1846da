"""Files that are torn, altered or gone: an error of ours tells whoever reads, and nobody gets wrong rows.

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import lakehouse
from lakehouse.errors import LakehouseError
from lakehouse.partitions import replay
from lakehouse.product import ReadableProduct
from tests.torture.operations import LAYOUT, frame

NAME = "market_data.ticks"
TABLE = "lake/partitions/market_data/ticks/v1"
ROWS = [["A", slot, 1.0 + slot, slot] for slot in range(8)]
LATER = [["B", slot, 2.0 + slot, 100 + slot] for slot in range(4)]

Rows = list[tuple[object, ...]]
Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a lake, a snapshot and a lock of it, and checkpoints below which the log is cut."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "CHECKPOINT_EVERY", 2)
        lake = lakehouse.open(root / "lake", create=True)
        product = lake.create(NAME, like=frame(ROWS), key=("symbol", "time"), layout=LAYOUT)
        product.append(frame(ROWS))
        lake.snapshot("q3")
        lake.lock(root / "q3.lock")
        for row in LATER:
            product.append(frame([row]))
    for version in range(4):
        (root / TABLE / "_delta_log" / f"{version:020}.json").unlink()
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def blank(file: Path) -> None:
    """What a power cut leaves of a file that was not synced."""
    file.write_bytes(bytes(file.stat().st_size))


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0x10
    file.write_bytes(data)


def delete(file: Path) -> None:
    file.unlink()


FILES = {
    "the data files": f"{TABLE}/date=*/*.parquet",
    "the checkpoints": f"{TABLE}/_delta_log/*.checkpoint.parquet",
    "the note of the last checkpoint": f"{TABLE}/_delta_log/_last_checkpoint",
    "the last log entry": f"{TABLE}/_delta_log/00000000000000000005.json",
    "the document of the snapshot": "lake/catalog/snapshots/q3.json",
    "the manifest of the snapshot": "lake/catalog/snapshots/q3/*.parquet",
    "the document of the pin": "lake/catalog/pins/*.json",
    "the manifest of the pin": "lake/catalog/pins/*/*.parquet",
    "the contract": "lake/catalog/products/market_data/ticks/*.yaml",
    "the document of the lake": "lake/catalog/lake.json",
    "the lock file": "q3.lock",
}
DAMAGES: list[Damage] = [truncate, empty, blank, flip, delete]


def rows_of(product: ReadableProduct) -> Rows:
    return list(product.read(columns=["symbol", "time", "price", "size"]).to_polars().iter_rows())


def head_of(root: Path) -> Rows:
    return rows_of(lakehouse.open(root / "lake")[NAME])


def snapshot_of(root: Path) -> Rows:
    return rows_of(lakehouse.open(root / "lake").checkout("q3")[NAME])


def lock_of(root: Path) -> Rows:
    return rows_of(lakehouse.checkout(root / "q3.lock", root=root / "lake")[NAME])


READERS = [head_of, snapshot_of, lock_of]


def damaged(root: Path, pattern: str, damage: Damage) -> None:
    files = list(root.glob(pattern))
    assert files
    for file in files:
        damage(file)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_never_gives_wrong_rows(root: Path, whole: Path, kind: str, damage: Damage) -> None:
    expected = [read(whole) for read in READERS]
    damaged(root, FILES[kind], damage)
    for read, right in zip(READERS, expected, strict=True):
        try:
            assert read(root) == right
        except LakehouseError as error:
            assert str(error)  # noqa: PT017 - either is right: the rows, or an error that says what is wrong


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_verify_names_every_data_file_that_is_damaged(root: Path, damage: Damage) -> None:
    files = {file.name for file in root.glob(FILES["the data files"])}
    damaged(root, FILES["the data files"], damage)
    lake = lakehouse.open(root / "lake")
    assert {Path(problem.path).name for problem in lake.verify().problems} == files
    pinned = {Path(problem.path).name for problem in lake.checkout("q3").verify().problems}
    assert len(pinned) == len({row[1] for row in ROWS} and lake.checkout("q3")[NAME].state().files)


@pytest.mark.parametrize("damage", DAMAGES[:3] + DAMAGES[4:], ids=lambda damage: damage.__name__)
def test_a_data_file_that_is_torn_or_gone_is_an_error_of_ours(root: Path, damage: Damage) -> None:
    damaged(root, FILES["the data files"], damage)
    for read in READERS:
        with pytest.raises(LakehouseError, match=r"parquet|part-"):
            read(root)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_no_write_begins_anew_on_a_log_that_can_not_be_read(root: Path, damage: Damage) -> None:
    """An empty table in its place would be filled, and what was there be lost."""
    damaged(root, f"{TABLE}/_delta_log/*checkpoint*", damage)
    with pytest.raises(LakehouseError, match=r"market_data\.ticks"):
        lakehouse.open(root / "lake")[NAME].append(frame([["C", 1, 1.0, 1]]))
