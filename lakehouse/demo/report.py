"""The demo's report on a terminal; plain text where it is piped into a file or another program."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from lakehouse.ingest.backfill import Progress as Loaded

_PLAIN_WIDTH = 110


class Report:
    """A numbered story of steps, each with sentences and tables."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # an old Windows console knows few letters
            sys.stdout.reconfigure(errors="replace")
        self._console = Console(highlight=False)
        self._plain = not self._console.is_terminal
        if self._plain:
            self._console = Console(highlight=False, width=_PLAIN_WIDTH, force_terminal=False)
        self._steps = 0

    def title(self, text: str, under: str) -> None:
        """Head the report."""
        self._console.print(Text(text, style="bold"))
        self._console.print(Text(under, style="dim"))

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._steps += 1
        self._console.print()
        self._console.print(Text(f"{self._steps}. {title}", style="bold cyan"))

    def say(self, text: str) -> None:
        """Print a paragraph."""
        self._console.print(Text(text))

    def code(self, text: str) -> None:
        """Print what a user would type."""
        for line in text.strip().splitlines():
            self._console.print(Text(f"    {line}", style="green"), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table; a column of numbers, or of numbers and blanks, is aligned to the right."""
        table = Table(box=box.ASCII2 if self._plain else box.ROUNDED, header_style="bold", pad_edge=True)
        for position, name in enumerate(columns):
            right = all(_is_number(row[position]) for row in rows)
            table.add_column(escape(name), justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._console.print(table)

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[Loaded], None]]:
        """Show a progress bar while a backfill runs; none where the report is piped."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("chunks"))
        further = (TextColumn("{task.fields[rows]:,} rows"), TimeRemainingColumn())
        with Progress(*columns, *further, console=self._console, disable=self._plain) as bar:
            task = bar.add_task(label, total=None, rows=0)

            def advance(state: Loaded) -> None:
                done = state.done + state.skipped + state.failed
                bar.update(task, total=state.chunks, completed=done, rows=state.rows)

            yield advance

    def verdicts(self, found: Mapping[str, bool]) -> None:
        """Print the promises, and whether each was kept."""
        for promise, kept in found.items():
            verdict = Text("  kept    ", style="green") if kept else Text("  BROKEN  ", style="bold red")
            self._console.print(verdict + Text(promise))


def percent(fraction: float) -> str:
    """Write a fraction as a percentage.

    Examples:
        >>> percent(0.1234), percent(-0.5), percent(float("nan"))
        ('12.3 %', '-50.0 %', '-')
    """
    return "-" if math.isnan(fraction) else f"{100 * fraction:,.1f} %"


def number(value: float) -> str:
    """Write a number with two digits, or a dash for NaN."""
    return "-" if math.isnan(value) else f"{value:,.2f}"


def show(value: object) -> str:
    """Write any other value: nothing for null, a time at midnight as its date.

    Examples:
        >>> show(None), show(3.0), show(np.datetime64("2024-01-02T00:00"))
        ('', '3', '2024-01-02')
    """
    if value is None:
        return ""
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[s]").item()
    return str(value).removesuffix("+00:00").removesuffix(" 00:00:00").removesuffix(".0")


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").rstrip(" %").lstrip("-").replace(".", "", 1).isdigit() or cell in ("", "-")
