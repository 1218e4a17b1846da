"""Run a task of the project in an environment of its own: `python tools/run.py test`, or `make test`.

The environment is `.venv` in the root of the repository. It is made on first use, by uv where uv is on the
PATH and by venv and pip elsewhere, and brought up to date when `pyproject.toml` changes or the checkout is
moved. This file uses the standard library alone, and no syntax younger than Python 3.8: a Python that is too
old must be able to read it, to say so.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

OLDEST = (3, 11)
NEWEST = (3, 14)
ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
SCRIPTS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
CACHES = (".hypothesis", ".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache")
OUTPUTS = (".venv", "build", "demo", "dist")
NO_TESTS_COLLECTED = 5
EXTRA_THAT_HOLDS_ALL = "dev"


def main() -> int:
    """Run the task that the command line names, and return its exit code."""
    task, arguments = parse_command_line()
    if sys.version_info < OLDEST:
        return run_with_newer_python()
    if task == "clean":
        return clean()
    extra, run_task, _ = TASKS[task]
    if not install(extra):
        return 1
    started = time.monotonic()
    failed = run_task(arguments)
    verdict = f"FAILED: {', '.join(failed)}" if failed else "passed"
    say(f"{task} {verdict} ({time.monotonic() - started:.0f} s)")
    return 1 if failed else 0


def setup(arguments: Sequence[str]) -> list[str]:
    """Do no more than the installation."""
    return []


def demo(arguments: Sequence[str]) -> list[str]:
    """Run the main job on real input."""
    return run("lake", "demo", *arguments)


def check(arguments: Sequence[str]) -> list[str]:
    """Run every check that reads the code without running it, the quick ones first."""
    return [
        *run("ruff", "check", "."),
        *run("ruff", "format", "--check", "."),
        *run("lint-imports"),
        *run("mypy"),
    ]


def format_code(arguments: Sequence[str]) -> list[str]:
    """Rewrite the code as ruff would have it."""
    return [*run("ruff", "check", "--fix", "."), *run("ruff", "format", ".")]


def test(arguments: Sequence[str]) -> list[str]:
    """Run the checks and every test that needs no system service."""
    workers = str(max(2, min(4, os.cpu_count() or 1)))
    return [*check(()), *run("pytest", "-q", "-n", workers, "--timeout=300", "--durations=10", *arguments)]


def test_services(arguments: Sequence[str]) -> list[str]:
    """Run the suites that need a system service; each skips, and says why, where that can not be had."""
    return run_marked("services", *arguments)


def torture(arguments: Sequence[str]) -> list[str]:
    """Run the kills, the races and the volumes that take minutes; each test says when it is done.

    `TORTURE_SEEDS=2000-3000` in the environment runs that piece of the 10,000 interleavings alone.
    """
    return run_marked("torture", "-vv", "--timeout=3600", *arguments)


def bench(arguments: Sequence[str]) -> list[str]:
    """Print the table of measured numbers."""
    return run("python", "benchmarks/run.py", *arguments)


TASKS: dict[str, tuple[str, Callable[[Sequence[str]], list[str]], str]] = {
    "demo": ("demo", demo, "the main job on real input; --data FOLDER for your own files"),
    "test": ("dev", test, "checks and tests; needs no system service"),
    "test-services": ("dev", test_services, "the suites that need one, such as a real S3 server"),
    "torture": ("dev", torture, "kills, races and volumes; takes long"),
    "bench": ("dev", bench, "the table of measured numbers"),
    "check": ("dev", check, "ruff, import-linter and mypy"),
    "format": ("dev", format_code, "rewrite the code as ruff would have it"),
    "setup": ("dev", setup, "make .venv with everything in it"),
    "clean": ("", setup, "remove .venv, caches, builds and what the demo wrote"),
}


def run_marked(marker: str, *arguments: str) -> list[str]:
    """Run the tests of a marker, of which there may be none."""
    return run("pytest", "-q", "-rs", "-m", marker, *arguments, allowed=(0, NO_TESTS_COLLECTED))


def run(program: str, *arguments: str, allowed: Sequence[int] = (0,)) -> list[str]:
    """Run a program of the environment in the root, and return its name if it failed."""
    say(" ".join(["$", program, *arguments]))
    environment = {**os.environ, "VIRTUAL_ENV": str(ENVIRONMENT), "PYTHONUTF8": "1"}
    environment["PATH"] = os.pathsep.join([str(SCRIPTS), os.environ.get("PATH", "")])
    command = [str(script(program)), *arguments]
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    return [] if code in allowed else [" ".join([program, *(a for a in arguments[:1] if a.isalpha())])]


def install(extra: str) -> bool:
    """Make `.venv` hold the project with an extra, unless it does; say whether that worked."""
    wanted = fingerprint()
    stamps = [ENVIRONMENT / f"installed-{name}" for name in (extra, EXTRA_THAT_HOLDS_ALL)]
    if version_of(script("python")) != sys.version_info[:2]:
        if ENVIRONMENT.exists():
            say("making .venv anew: it belongs to another Python")
            shutil.rmtree(ENVIRONMENT)
    elif any(stamp.is_file() and stamp.read_text() == wanted for stamp in stamps):
        return True
    say(f"installing quant-lakehouse[{extra}] into .venv, for Python {sys.version.split()[0]}")
    if not (install_with_uv(extra) or install_with_pip(extra)):
        return False
    stamps[0].write_text(wanted)
    return True


def install_with_uv(extra: str) -> bool:
    """Install by uv if it is on the PATH."""
    uv = shutil.which("uv")
    if uv is None:
        return False
    make = (uv, "venv", "-q", "--seed", "--python", sys.executable, str(ENVIRONMENT))
    if not ENVIRONMENT.exists() and not succeeds(*make):
        return False
    return succeeds(uv, "pip", "install", "-q", "--python", str(script("python")), "-e", f".[{extra}]")


def install_with_pip(extra: str) -> bool:
    """Install by the venv and pip of this Python."""
    if not ENVIRONMENT.exists():
        if importlib.util.find_spec("ensurepip") is None:
            say("this Python can not make environments: install its venv (Debian: python3-venv), or uv")
            return False
        if not succeeds(sys.executable, "-m", "venv", str(ENVIRONMENT)):
            return False
    quiet = ("-qq", "--disable-pip-version-check", "--no-input")  # -qq still prints errors
    return succeeds(str(script("python")), "-m", "pip", "install", *quiet, "-e", f".[{extra}]")


def fingerprint() -> str:
    """Return what an installation depends on: the requirements, and the place that it points to."""
    requirements = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return f"{requirements} {ROOT}\n"


def script(program: str) -> Path:
    """Return the path of a program of the environment."""
    return SCRIPTS / (f"{program}.exe" if os.name == "nt" else program)


def version_of(python: Path | str) -> tuple[int, ...] | None:
    """Return the major and minor version of a Python, or None if it does not run."""
    command = [str(python), "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(int(part) for part in answer.split())


def run_with_newer_python() -> int:
    """Hand over to a Python of the PATH that is new enough."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and version_of(found) == (3, minor):
            return subprocess.run([found, *sys.argv], check=False).returncode
    say(f"Python {sys.version.split()[0]} is too old; name one from 3.11 on: make demo PYTHON=/path/to/one")
    return 1


def clean() -> int:
    """Remove everything that tasks write, and nothing else."""
    for name in (*CACHES, *OUTPUTS):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for package in ("benchmarks", "lakehouse", "tests", "tools"):
        for folder in sorted((ROOT / package).rglob("__pycache__")):
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def succeeds(*command: str) -> bool:
    """Run a command in the root, and say whether it ended well."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def say(text: str) -> None:
    """Print a line at once, so that it stands before the output of the program that follows."""
    print(f"-- {text}", flush=True)


def parse_command_line() -> tuple[str, list[str]]:
    """Return the task, and the arguments that go to its program."""
    lines = "\n".join(f"  {name:15}{text}" for name, (_, _, text) in TASKS.items())
    parser = argparse.ArgumentParser(
        description="Run a task of the project in .venv.",
        epilog=f"tasks:\n{lines}\n\nFurther arguments go to the program: tools/run.py test -k snapshot",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", choices=TASKS, metavar="task")
    known, arguments = parser.parse_known_args()
    return known.task, arguments


if __name__ == "__main__":
    sys.exit(main())
