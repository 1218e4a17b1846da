"""The progress of a backfill on a terminal; silence elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from lakehouse.ingest.backfill import Progress


@contextmanager
def progress_bar(stream: TextIO, title: str) -> Iterator[Callable[[Progress], None] | None]:
    """Draw a bar while the block runs, and give what moves it; None where the stream is no terminal."""
    if not stream.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Drawing

    drawing = Drawing(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[facts]}"),
        TimeElapsedColumn(),
        console=Console(file=stream),
    )
    with drawing:
        task = drawing.add_task(title, total=None, facts="planning and reading")

        def move(progress: Progress) -> None:
            # A source of empty files has no bytes to count: then the chunks tell how far it is.
            total, done = progress.bytes, progress.bytes_done
            if not total:
                total, done = progress.chunks, progress.done + progress.skipped + progress.failed
            drawing.update(task, total=total, completed=done, facts=progress_text(progress))

        yield move


def progress_text(progress: Progress) -> str:
    """Return chunks, rows, rate, quarantined rows and remaining time, on one line."""
    done = progress.done + progress.skipped + progress.failed
    parts = [
        f"{done}/{progress.chunks} chunks",
        f"{progress.rows:,} rows",
        f"{progress.rows_per_second:,.0f} rows/s",
        f"{progress.quarantined:,} quarantined",
    ]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.remaining_seconds is not None:
        parts.append(f"{_duration(progress.remaining_seconds)} left")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
