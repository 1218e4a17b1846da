"""A fresh lake, and frames of bars and ticks."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakehouse


@pytest.fixture
def lake(tmp_path: Path) -> lakehouse.Lake:
    """Give an empty lake on the local disk."""
    return lakehouse.open(tmp_path / "lake", create=True)
