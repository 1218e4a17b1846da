"""What a command answers: facts for scripts, and the same facts laid out for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse.queries.result import Result


@dataclass(frozen=True)
class Facts:
    """Names and values, one a line; empty values are left out."""

    values: Mapping[str, Any]
    """name → value, in the order shown"""


@dataclass(frozen=True)
class Grid:
    """A table of plain values."""

    rows: Sequence[Mapping[str, Any]]
    """one mapping a row"""
    columns: Sequence[str]
    """what is shown, in order"""
    title: str = ""
    """a line above it"""
    formats: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    """how the values of some columns are written; the others are written as they are"""
    one_line: bool = False
    """cut sentences and leave out columns that a terminal is too narrow for, rather than wrap"""


@dataclass(frozen=True)
class Rows:
    """The rows of a result, of which a terminal shows the first and the last."""

    result: Result
    """all of them"""
    limit: int | None = None
    """most rows to show; None: as many as fit the place, 40 on a terminal and all in a pipe; 0: all"""
    title: str = ""
    """a line above it"""


Block = str | Facts | Grid | Rows


@dataclass(frozen=True)
class Reply:
    """The answer of a command."""

    document: Any = None
    """what `--json` prints: plain values, results, our dataclasses"""
    blocks: Sequence[Block] = ()
    """what people see"""
    exit_code: int = 0
    """1 where the command ran but something is not as it should be"""
    printed: bool = False
    """whether the command has printed its answer itself"""
