"""Write a part as an Arrow IPC file, and open it: `<name>.<id>.arrow`, and `<name>.json` that says where.

The arrays are the columns of the file: one row of lists, which any reader of Arrow can open. The note beside
it holds what a reader needs first, and where each array and the checksums lie, so that to open an index is to
read one small file and to map another. It is written last, and has a checksum itself.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lakehouse.partitions.index.columns import Array, DamagedIndexError, Mapped, Place, checksums
from lakehouse.partitions.index.part import Part

FORMAT = 2


def write_part(folder: Path, name: str, part: Part, notes: Mapping[str, Any]) -> dict[str, Any]:
    """Write a part under a name, and return the note beside it.

    Raises:
        OSError: the disk refused.
        DamagedIndexError: the part is mapped, and damaged.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mine = os.urandom(8).hex()
    draft = folder / f".{mine}"
    try:
        places = _write_arrow(draft, {array: part.columns.whole(array) for array in part.columns.names()})
        sums = checksums(draft).tobytes().hex()
        file = f"{name}.{mine}.arrow"  # of this note alone: two processes may write at once
        draft.replace(folder / file)
        own = {"format": FORMAT, "name": name, "part": part.notes, "file": file}
        note = {**own, "places": places, "sums": sums, **notes}
        text = json.dumps(note, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        draft.write_bytes(b"%08x" % zlib.crc32(text) + text)
        draft.replace(folder / f"{name}.json")
        return note
    finally:
        draft.unlink(missing_ok=True)


def read_note(folder: Path, name: str) -> dict[str, Any]:
    """Return the note beside an index.

    Raises:
        OSError: it is not there.
        DamagedIndexError: it is damaged, or of another format.
    """
    data = (folder / f"{name}.json").read_bytes()
    if data[:8] != b"%08x" % zlib.crc32(data[8:]):
        raise DamagedIndexError(f"The cached index {folder / name} is damaged.", hint="Delete it.")
    note: dict[str, Any] = json.loads(data[8:])
    if note["format"] != FORMAT:
        raise DamagedIndexError(f"The cached index {folder / name} has another format.", hint="Delete it.")
    return note


def open_part(folder: Path, note: Mapping[str, Any]) -> Part:
    """Map the arrays of an index.

    Raises:
        OSError: the file is not there.
        DamagedIndexError: its size is wrong; what is in it is checked when it is looked at.
    """
    places = {array: Place(*place) for array, place in note["places"].items()}
    sums = np.frombuffer(bytes.fromhex(note["sums"]), np.uint64)
    columns = Mapped(folder / str(note["file"]), places, sums)
    return Part(columns, note["part"], partial(delete_part, folder, note["name"]))


def names_in(folder: Path) -> list[str]:
    """Return the names of the indexes in a folder, the newest version first."""
    try:
        found = [
            entry.name.removesuffix(".json") for entry in os.scandir(folder) if entry.name.endswith(".json")
        ]
    except OSError:
        return []
    return sorted(found, reverse=True)


def delete_part(folder: Path, name: str) -> None:
    """Delete an index; what cannot be deleted stays."""
    for path in [folder / f"{name}.json", *folder.glob(f"{name}.*.arrow")]:
        with suppress(OSError):
            path.unlink()


def delete_unfinished(folder: Path, *, older_than_s: float) -> None:
    """Delete what processes left that died while they wrote; nobody finds it, and it takes room."""
    named = set(names_in(folder))
    for entry in os.scandir(folder):
        unnamed = entry.name.endswith(".arrow") and entry.name.partition(".")[0] not in named
        if unnamed or entry.name.startswith("."):
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime > older_than_s:
                    Path(entry.path).unlink()


def delete_all(folder: Path) -> None:
    """Delete the indexes of a table with their folder, which stays where another process is writing in it."""
    for name in names_in(folder):
        delete_part(folder, name)
    with suppress(OSError):
        delete_unfinished(folder, older_than_s=0.0)
        folder.rmdir()


def delete_oldest(folder: Path, *, keep: int) -> None:
    """Delete the indexes that were written longest ago."""
    notes = [(path.stat().st_mtime_ns, path.stem) for path in folder.glob("*.json")]
    for _, name in sorted(notes)[:-keep]:
        delete_part(folder, name)


def _write_arrow(path: Path, arrays: Mapping[str, Array]) -> dict[str, Place]:
    """Write arrays as one row of lists, and return where each lies."""
    import pyarrow as pa

    columns = []
    for array in arrays.values():
        values = pa.Array.from_buffers(
            pa.from_numpy_dtype(array.dtype), len(array), [None, pa.py_buffer(np.ascontiguousarray(array))]
        )
        ends = pa.py_buffer(np.array([0, len(array)], np.int64))
        columns.append(pa.Array.from_buffers(pa.large_list(values.type), 1, [None, ends], children=[values]))
    batch = pa.RecordBatch.from_arrays(columns, list(arrays))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    with pa.memory_map(str(path)) as source:
        whole = source.read_buffer()
        base = whole.address
        found = pa.ipc.open_file(whole).get_batch(0)
        return {
            name: Place(
                array.dtype.str,
                found.column(name).buffers()[3].address - base if len(array) else 0,
                len(array),
            )
            for name, array in arrays.items()
        }
