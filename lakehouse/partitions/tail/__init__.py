"""The tail of a product: rows that are durable and visible, and not yet part of a version.

    <table>/_tail/<writer>/.lock                 the writer holds it while it lives
                           <row>-<salt>.log      segments, named by their first row
                           latest                the last row of each symbol

A writer numbers its rows 1, 2, 3, … and appends them as frames to its newest segment: a file of fixed size,
zeros behind the last frame. A segment that was begun is never truncated, renamed or changed before its last
frame, so that readers may map it into memory.

    segment = header (magic, sizes, CRC-32, JSON: lake, product, contract, columns, salt), frames, zeros
    frame   = mark, CRC-32, length, kind, number of first row, rows | payload | zeros, to 8 bytes

The CRC begins with the segment's salt, so neither rows that hold a copy of a frame nor bytes of an older file
pass for one. What is not a valid frame ends a live segment: it is being written. In the segment of a writer
that died, the search goes on behind it, and what was cut is reported.

Sealing moves rows into Parquet. Its commit carries the number of the last row that it holds as the version
of the Delta transaction id `tail:<writer>`: the watermark. So a reader that lists the segments first, and
takes the version then, sees each row exactly once: rows up to the watermark in the version, later ones in the
segments. A segment is deleted after the commit of its last row: who has mapped it keeps it, and who finds it
gone will take a version that has its rows.

A tail lies on one machine. That of a lake in a bucket lies in a folder of this user, and only the processes
of this machine see it; see `folder`.
"""

from __future__ import annotations

from lakehouse.partitions.tail.latest import LatestRow, latest_rows
from lakehouse.partitions.tail.reading import OpenTail, open_tail

__all__ = ["LatestRow", "OpenTail", "latest_rows", "open_tail"]
