"""Print a reply: one JSON document, aligned text for a pipe, or tables on a terminal."""

from __future__ import annotations

import json
import sys
from typing import Any, Literal, TextIO

from lakehouse.cli.reply import Block, Facts, Grid, Reply, Rows
from lakehouse.cli.table import Table
from lakehouse.cli.text import cell_text, counted
from lakehouse.cli.values import to_json


def print_reply(reply: Reply, *, as_json: bool, stream: TextIO | None = None) -> None:
    """Print a reply on `stream`, by default standard output."""
    stream = stream or sys.stdout
    if reply.printed:
        return
    if as_json:
        print(json_text(reply.document, stream), file=stream)
        return
    for number, block in enumerate(reply.blocks):
        if number and not isinstance(block, str):
            print(file=stream)
        _print_block(block, stream)


def json_text(document: Any, stream: TextIO) -> str:
    """Return a document as JSON that the stream can encode: ASCII alone, unless the stream is UTF-8."""
    unicode = (stream.encoding or "").lower().startswith("utf")
    return json.dumps(document, indent=2, default=to_json, ensure_ascii=not unicode, allow_nan=False)


def _print_block(block: Block, stream: TextIO) -> None:
    if isinstance(block, str):
        print(block, file=stream)
    elif isinstance(block, Facts):
        _print_facts(block, stream)
    else:
        _print_table(block, stream)


def _print_facts(facts: Facts, stream: TextIO) -> None:
    shown = {
        name: cell_text(value) for name, value in facts.values.items() if value not in (None, "", [], ())
    }
    width = max(map(len, shown), default=0)
    for name, text in shown.items():
        print(f"{name:<{width}}  {text}", file=stream)


def _print_table(block: Grid | Rows, stream: TextIO) -> None:
    if block.title:
        print(block.title, file=stream)
    terminal = stream.isatty()
    table = Table.of_grid(block) if isinstance(block, Grid) else Table.of_rows(block, terminal=terminal)
    if not terminal:
        for line in table.lines():
            print(line, file=stream)
        return
    _draw(table, stream, block)
    if isinstance(block, Rows):
        counts = (counted(len(block.result), "row"), counted(len(block.result.columns), "column"))
        print(", ".join(counts), file=stream)


def _draw(table: Table, stream: TextIO, block: Grid | Rows) -> None:
    """Draw a table with rich; where it is too wide, it wraps sentences, or cuts them and loses columns."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawing
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    fit = isinstance(block, Rows) or block.one_line
    lose: Literal["middle", "last"] = "middle" if isinstance(block, Rows) else "last"
    shown = table.clipped(console.width).fitted(console.width, lose=lose) if fit else table
    drawing = Drawing(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, right, prose in zip(shown.names, shown.right, shown.prose(), strict=True):
        wraps = prose and not fit
        justify: Literal["left", "right"] = "right" if right else "left"
        overflow: Literal["fold", "ellipsis"] = "fold" if wraps else "ellipsis"
        drawing.add_column(Text(name), justify=justify, no_wrap=not wraps, overflow=overflow)
    for row in zip(*shown.cells, strict=True):
        drawing.add_row(*map(Text, row))
    console.print(drawing)
