from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.locks import Lock, list_pins, load_pin, publish_pin, read_lock, write_lock
from lakehouse.catalog.pinned import PinnedProduct, Snapshot, read_manifest
from lakehouse.errors import (
    AlreadyExistsError,
    ArgumentError,
    IntegrityError,
    LakehouseError,
    NotFoundError,
    StorageError,
)
from lakehouse.names import ProductName
from lakehouse.store import Store

BARS = ProductName("market_data", "bars")
LAKE = "5a7d1c1e-0000-4000-8000-000000000000"
PIN = Snapshot(
    "0" * 32,
    "0" * 32,
    "2026-01-02T03:04:05Z",
    "ada",
    'the "best" one',
    (
        PinnedProduct(
            BARS, 1, 7, "1.2.0", 5, "ab" * 16, "catalog/pins/0/market_data.bars.00.parquet", "cd" * 32
        ),
    ),
)
MORE = replace(
    PIN, id="1" * 32, name="1" * 32, products=(replace(PIN.products[0], rows=6, digest="ef" * 16),)
)


@dataclass(frozen=True)
class Facts:
    major: int = 1
    version: int = 7
    contract_version: str = "1.2.0"
    rows: int = 5
    digest: str = "ab" * 16


def _write(path: Path, pin: Snapshot = PIN, *, overwrite: bool = False) -> Lock:
    return write_lock(path, pin, lake_id=LAKE, lake_url="s3://desk/lake", overwrite=overwrite)


def test_a_lock_comes_back_from_its_file(tmp_path: Path) -> None:
    made = _write(tmp_path / "lake.lock")
    assert read_lock(tmp_path / "lake.lock") == made
    assert (made.pin, made.message, made.products) == (PIN.id, PIN.message, PIN.products)


def test_a_lock_is_small_and_readable(tmp_path: Path) -> None:
    _write(tmp_path / "lake.lock")
    text = (tmp_path / "lake.lock").read_text(encoding="utf-8")
    assert '[products."market_data.bars"]' in text
    assert 'contract_version = "1.2.0"' in text
    assert len(text) < 1000
    assert list(tmp_path.iterdir()) == [tmp_path / "lake.lock"]


@pytest.mark.parametrize("name", ["lake.lock", ".lake.lock", "run 1.lock", "日経225", "sub/folder/lake.lock"])
def test_a_lock_may_have_any_name(tmp_path: Path, name: str) -> None:
    assert _write(tmp_path / name) == read_lock(tmp_path / name)


def test_a_pin_is_published_with_its_manifest_before_the_lock(store: Store, tmp_path: Path) -> None:
    pin = publish_pin(store, {BARS: (Facts(), b"manifest")}, author="ada", message="")
    lock = _write(tmp_path / "lake.lock", pin)
    assert list_pins(store) == (pin.id,)
    assert load_pin(store, lock.pin).products == lock.products
    assert read_manifest(store, lock.products[0]) == b"manifest"


def test_each_pin_has_an_id_of_its_own(store: Store) -> None:
    pins = [publish_pin(store, {BARS: (Facts(), b"manifest")}, author="ada") for _ in range(3)]
    assert list_pins(store) == tuple(sorted(pin.id for pin in pins))
    with pytest.raises(NotFoundError, match="Unknown pin 'x'"):
        load_pin(store, "x")


def test_locking_the_same_data_again_leaves_the_file(tmp_path: Path) -> None:
    first = _write(tmp_path / "lake.lock")
    again = _write(tmp_path / "lake.lock", replace(PIN, id="1" * 32, name="1" * 32))
    assert again == first == read_lock(tmp_path / "lake.lock")


def test_a_lock_of_other_data_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    first = _write(tmp_path / "lake.lock")
    with pytest.raises(AlreadyExistsError, match=r"locks other data.*\n.*overwrite=True"):
        _write(tmp_path / "lake.lock", MORE)
    assert read_lock(tmp_path / "lake.lock") == first
    assert _write(tmp_path / "lake.lock", MORE, overwrite=True) == read_lock(tmp_path / "lake.lock")
    assert read_lock(tmp_path / "lake.lock").products[0].rows == 6


def test_a_file_that_is_no_lock_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "backtest.py").write_text("import lakehouse\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match="is no lock"):
        _write(tmp_path / "backtest.py", overwrite=True)
    assert (tmp_path / "backtest.py").read_text(encoding="utf-8") == "import lakehouse\n"


def test_a_broken_lock_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "lake.lock").write_bytes(b"")
    with pytest.raises(AlreadyExistsError, match="is broken"):
        _write(tmp_path / "lake.lock")
    assert _write(tmp_path / "lake.lock", overwrite=True) == read_lock(tmp_path / "lake.lock")


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    made = _write(tmp_path / "lake.lock")
    data = (tmp_path / "lake.lock").read_bytes()
    for end in range(len(data) - 1):  # without its last line break the file still says everything
        (tmp_path / "cut.lock").write_bytes(data[:end])
        with pytest.raises(IntegrityError, match=r"cut\.lock is truncated or was edited"):
            read_lock(tmp_path / "cut.lock")
    (tmp_path / "cut.lock").write_bytes(data[:-1])
    assert read_lock(tmp_path / "cut.lock") == made


@given(position=st.integers(0, 10_000), byte=st.integers(32, 126))
def test_an_edit_is_noticed_or_changes_no_fact(
    tmp_path_factory: pytest.TempPathFactory, position: int, byte: int
) -> None:
    path = tmp_path_factory.mktemp("edit") / "lake.lock"
    made = _write(path)
    data = bytearray(path.read_bytes())
    data[position % len(data)] = byte
    path.write_bytes(bytes(data))
    try:
        assert read_lock(path) == made
    except LakehouseError as error:
        assert isinstance(error, IntegrityError | ArgumentError)  # noqa: PT017 - either is right


def test_comments_and_line_ends_of_windows_change_no_fact(tmp_path: Path) -> None:
    made = _write(tmp_path / "lake.lock")
    data = (tmp_path / "lake.lock").read_bytes().replace(b"rows = 5", b"rows = 5  # small")
    (tmp_path / "lake.lock").write_bytes(data.replace(b"\n", b"\r\n"))
    assert read_lock(tmp_path / "lake.lock") == made


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_message_comes_back(tmp_path_factory: pytest.TempPathFactory, message: str) -> None:
    path = tmp_path_factory.mktemp("message") / "lake.lock"
    _write(path, replace(PIN, message=message))
    assert read_lock(path).message == message


@pytest.mark.parametrize("data", [b"[tool.ruff]\n", b"hello", b"\xff\xfe", b"{}", b"# a comment\n"])
def test_a_foreign_file_is_no_lock(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "lake.lock").write_bytes(data)
    with pytest.raises(ArgumentError, match="is no lock of a lakehouse"):
        read_lock(tmp_path / "lake.lock")


def test_a_missing_lock_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no lock file"):
        read_lock(tmp_path / "lake.lock")
    with pytest.raises(StorageError, match="Can not read the lock file"):
        read_lock(tmp_path)


def test_a_lock_of_a_newer_format_says_to_upgrade(tmp_path: Path) -> None:
    _write(tmp_path / "lake.lock")
    data = (tmp_path / "lake.lock").read_bytes().replace(b"lakehouse_lock = 1", b"lakehouse_lock = 2")
    (tmp_path / "lake.lock").write_bytes(data)
    with pytest.raises(LakehouseError, match="has format 2"):
        read_lock(tmp_path / "lake.lock")
