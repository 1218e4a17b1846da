"""Data files that stay mapped: what is read is what the file has now."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.partitions import mapped_files
from lakehouse.partitions.mapped_files import mapped
from lakehouse.partitions.resident import Resident


def _bytes(file: Path) -> bytes:
    data = mapped(file)
    return data.to_pybytes() if isinstance(data, pa.Buffer) else data.read_bytes()


def test_a_file_is_mapped_once(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"rows")
    first = mapped(file)
    if isinstance(first, Path):
        pytest.skip("nothing stays mapped on this system")
    assert mapped(file) is first
    assert _bytes(file) == b"rows"


def test_another_file_of_the_same_name_is_seen(tmp_path: Path) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_bytes(b"before")
    assert _bytes(file) == b"before"
    other.write_bytes(b"behind")
    other.replace(file)
    assert _bytes(file) == b"behind"


def test_a_deleted_file_is_missed(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"rows")
    held = mapped(file)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        mapped(file) if isinstance(held, pa.Buffer) else file.read_bytes()


@pytest.mark.parametrize(("most", "most_bytes"), [(2, 1_000), (100, 2)])
def test_only_some_stay_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, most_bytes: int
) -> None:
    monkeypatch.setattr(mapped_files, "_resident", Resident[str](most, most_bytes))
    monkeypatch.setattr(mapped_files, "_mapped", {})
    files = [tmp_path / name for name in "abcd"]
    for file in files:
        file.write_bytes(file.name.encode())
    assert [_bytes(file) for file in files * 2] == [file.name.encode() for file in files * 2]
    assert len(mapped_files._mapped) <= 2
