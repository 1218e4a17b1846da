"""`import lakehouse` and `lake --help` load nothing heavy: libraries come with the first call for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAMES = {"duckdb", "faiss", "matplotlib", "numba", "pandas", "polars"}
STORES = {"boto3", "botocore", "deltalake", "fsspec", "obstore", "s3fs"}
LANGUAGES = {"open_data_contract_standard", "pydantic", "sqlglot", "yaml"}
WEIGHTY = {*FRAMES, *STORES, *LANGUAGES, "numpy", "pyarrow"}


def loaded_by(code: str, tmp_path: Path) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after running `code`."""
    report = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code + report]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import lakehouse",
        "import lakehouse; lakehouse.LakehouseError, dir(lakehouse), lakehouse.__version__",
        "import lakehouse.errors, lakehouse.names, lakehouse.times, lakehouse.schema",
    ],
)
def test_import_loads_no_library_at_all(code: str, tmp_path: Path) -> None:
    assert loaded_by(code, tmp_path).isdisjoint({*WEIGHTY, "rich"})


def test_opening_an_empty_lake_loads_no_engine(tmp_path: Path) -> None:
    code = "import lakehouse; lakehouse.open('lake', create=True).products()"
    assert loaded_by(code, tmp_path).isdisjoint({*FRAMES, *STORES, *LANGUAGES})


def test_the_first_write_loads_no_pandas(tmp_path: Path) -> None:
    code = (
        "import lakehouse, polars\n"
        "lake = lakehouse.open('lake', create=True)\n"
        "quotes = polars.DataFrame({'symbol': ['IBM', 'KO'], 'bid': [161.1, 62.5]})\n"
        "lake.create('fx.quotes', like=quotes, key=['symbol']).append(quotes)"
    )
    assert "pandas" not in loaded_by(code, tmp_path)


def test_help_of_the_command_loads_no_library_of_data(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['lake', '--help']\n"
        "from lakehouse.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass"
    )
    assert loaded_by(code, tmp_path).isdisjoint(WEIGHTY)
