"""The code blocks of the documents run, in their order, in one empty folder a document."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
LANGUAGES = {
    "python": "runs, in one namespace for the document",
    "console": "`$ lake …` runs; what stands below it is compared, with … for anything",
    "sh": "is for a fresh machine: its make targets and extras are checked instead",
    "text": "shows something that is no program",
}
_FENCE = re.compile(r"^```(?P<language>\S*)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_LAKE = "import sys; from lakehouse.cli.main import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    language: str
    body: str
    line: int
    """number of its first line in the document"""


def blocks_of(document: str) -> Iterator[Block]:
    text = (ROOT / document).read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        yield Block(match["language"], match["body"], text.count("\n", 0, match.start()) + 2)


def commands_of(block: Block) -> Iterator[tuple[str, str, int]]:
    """Yield each command, the output expected of it, and its line."""
    command, expected, line = "", "", 0
    for number, text in enumerate(block.body.splitlines(keepends=True), block.line):
        if not text.startswith("$ "):
            expected += text
            continue
        if command:
            yield command, expected, line
        command, expected, line = text[2:].strip(), "", number
    if command:
        yield command, expected, line


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_of_document_run(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(document):
        if block.language == "python":
            # The lines above keep their numbers, so that a traceback points into the document.
            exec(compile("\n" * (block.line - 1) + block.body, document, "exec"), namespace)
        elif block.language == "console":
            for command, expected, line in commands_of(block):
                run_in_shell(command, expected, f"{document}:{line}")


def run_in_shell(command: str, expected: str, where: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "lake", f"{where}: only lake runs in a console block; use sh for {program}"
    settings = {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "NO_COLOR": "1", "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-c", _LAKE, *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **settings},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{where}: {command} failed:\n{done.stdout}{done.stderr}"
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    same = doctest.OutputChecker().check_output(expected.replace("…", "..."), done.stdout, flags)
    assert same or not expected.strip(), f"{where}: {command} printed:\n{done.stdout}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_has_a_language_that_is_checked(document: str) -> None:
    unknown = [
        (block.line, block.language) for block in blocks_of(document) if block.language not in LANGUAGES
    ]
    assert not unknown, f"known are {', '.join(LANGUAGES)}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_in_document_exist(document: str) -> None:
    rules = re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    text = (ROOT / document).read_text(encoding="utf-8")
    lines = re.findall(r"(?:^|`)make ([a-z -]+)", text, re.MULTILINE)
    assert {word for line in lines for word in line.split()} <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_relative_links_of_document_lead_somewhere(document: str) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", (ROOT / document).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []
