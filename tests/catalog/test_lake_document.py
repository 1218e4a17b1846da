from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from lakehouse.catalog.lake_document import LAKE_DOCUMENT, create_lake, read_lake
from lakehouse.errors import AlreadyExistsError, IntegrityError, LakehouseError, NotFoundError
from lakehouse.store import LocalStore


def test_a_new_lake_has_an_identity_that_stays(tmp_path: Path) -> None:
    made = create_lake(LocalStore(tmp_path))
    assert read_lake(LocalStore(tmp_path)) == made
    assert uuid.UUID(made.id).version == 4


def test_a_folder_is_made_a_lake_once(tmp_path: Path) -> None:
    made = create_lake(LocalStore(tmp_path))
    with pytest.raises(AlreadyExistsError, match=r"There is a lake at .* already"):
        create_lake(LocalStore(tmp_path))
    assert read_lake(LocalStore(tmp_path)) == made


def test_a_folder_without_the_document_is_no_lake(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no lake at"):
        read_lake(LocalStore(tmp_path))


def test_a_lake_of_a_newer_format_says_to_upgrade(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put_if_absent(LAKE_DOCUMENT, json.dumps({"format": 2, "id": "x", "created": "y"}).encode())
    with pytest.raises(LakehouseError, match=r"format 2.*reads formats up to 1.*\n.*pip install --upgrade"):
        read_lake(store)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": "1"}',
        '{"format": 0}',
        '{"format": 1, "id": 5, "created": ""}',
        "\xff",
    ],
)
def test_a_broken_document_is_an_integrity_error(tmp_path: Path, text: str) -> None:
    store = LocalStore(tmp_path)
    store.put_if_absent(LAKE_DOCUMENT, text.encode("latin-1"))
    with pytest.raises(IntegrityError, match=r"catalog/lake.json"):
        read_lake(store)
