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
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Drawing

    drawing = Drawing(
        BarColumn(bar_width=10),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.description}"),
        console=Console(file=stream),
        transient=True,
    )
    with drawing:
        task = drawing.add_task(f"{title}: planning and reading", total=None)

        def move(progress: Progress) -> None:
            # A source of empty files has no bytes to count: then the chunks tell how far it is.
            total, done = progress.bytes, progress.bytes_done
            if not total:
                total, done = progress.chunks, progress.done + progress.skipped + progress.failed
            drawing.update(task, total=total, completed=done, description=progress_text(progress))

        yield move


def progress_text(progress: Progress) -> str:
    """Return chunks, rows, rate, bytes, quarantined rows and remaining time, short enough for 80 columns."""
    done = progress.done + progress.skipped + progress.failed
    parts = [
        f"{done}/{progress.chunks} chunks",
        f"{_short(progress.rows)} rows",
        f"{_short(progress.rows_per_second)} rows/s",
        f"{_short(progress.bytes_done)}B",
        f"{_short(progress.quarantined)} quarantined",
    ]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.remaining_seconds is not None:
        parts.append(f"{_duration(progress.remaining_seconds)} left")
    return ", ".join(parts)


def _short(count: float) -> str:
    """Return a number with three digits at least: 950, 12.3k, 4.56M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.{2 if count < 10 * size else 1}f}{unit}"
    return f"{count:.0f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
