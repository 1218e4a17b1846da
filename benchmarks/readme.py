"""Put a table where the README has a pair of marks for it."""

from __future__ import annotations

import sys
from pathlib import Path


def put_between(path: Path, name: str, table: str) -> None:
    """Replace what stands between the marks `name` and `/name`; say so where they are missing."""
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
        sys.stderr.write(f"{path.name} has no {begin} and {end}, so the table is not in it.\n")
        return
    before, after = text.split(begin)[0], text.split(end)[1]
    path.write_text(f"{before}{begin}\n{table.rstrip()}\n{end}{after}", encoding="utf-8")
