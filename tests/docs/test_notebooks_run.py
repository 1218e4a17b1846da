"""Every notebook runs from its first cell to its last, in a copy of the lake that the repository is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext", reason="the extra notebooks is not installed")
nbclient = pytest.importorskip("nbclient", reason="the extra notebooks is not installed")

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*") if path.suffix in {".py", ".ipynb"})


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("catalog", "notebooks", "partitions", "queries"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = jupytext.read(tmp_path / "notebooks" / name)
    resources = {"metadata": {"path": str(tmp_path / "notebooks")}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
