"""The wheel carries the starter catalog and queries of the repository: one source, no copy kept by hand."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STARTER = "lakehouse/_starter/"
SOURCES = ("catalog/domains", "catalog/products", "queries")


def build(kind: str, project: Path, target: Path) -> Path:
    """Build a wheel or an sdist by the tool that pip would run, but without its isolation: no network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(target.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the extra dev is not installed")
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the extra dev is not installed")
    target = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, target)) as archive:
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # not in 3.11.0 to 3.11.3
        archive.extractall(target, **safe)  # type: ignore[arg-type]
    return next(path for path in target.iterdir() if path.is_dir())


def starter_of_the_repository() -> dict[str, bytes]:
    files = (path for folder in SOURCES for path in (ROOT / folder).rglob("[!.]*") if path.is_file())
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files}


def starter_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(STARTER)]
        return {name.removeprefix(STARTER): archive.read(name) for name in names}


def test_wheel_carries_the_starter_of_the_repository(wheel: Path) -> None:
    assert starter_of_the_repository()
    assert starter_of(wheel) == starter_of_the_repository()


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
        assert "lakehouse/py.typed" in archive.namelist()
    assert tops == {"lakehouse", f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"}


def test_wheel_from_the_sdist_is_the_same(wheel: Path, unpacked_sdist: Path, tmp_path: Path) -> None:
    again = build("wheel", unpacked_sdist, tmp_path)
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())
    assert starter_of(again) == starter_of(wheel)


def test_sdist_keeps_the_lake_that_the_repository_is(unpacked_sdist: Path) -> None:
    for name in ("catalog", "partitions", "queries", "tests", "Makefile", "LICENSE", "CHANGELOG.md"):
        assert (unpacked_sdist / name).exists(), name


def test_wheel_finds_its_starter_and_command(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, 'site')\n"
        "from lakehouse.catalog.starter import starter_files\n"
        "print(*(path for path, _ in starter_files()))"
    )
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        code,
    ]  # no site-packages: neither this checkout nor a library
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert sorted(found.split()) == sorted(starter_of_the_repository())
    entry_points = configparser.ConfigParser()
    entry_points.read(next((tmp_path / "site").glob("*.dist-info")) / "entry_points.txt")
    assert dict(entry_points["console_scripts"]) == {"lake": "lakehouse.cli.main:main"}
