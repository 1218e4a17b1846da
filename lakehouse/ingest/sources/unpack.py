"""Take a file out of its wrapping: gzip, Zstandard and zip, told by their first bytes and not by the name."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import pyarrow as pa

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.template import PathTemplate

_TEXT = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
_BINARY = {".parquet": "parquet", ".pq": "parquet", ".feather": "arrow", ".arrow": "arrow", ".ipc": "arrow"}
_LINES = (".lp", ".line", ".influx")
_DBN = (".dbn", ".frag")
_WRAPPED = (".gz", ".zst", ".zip")
_DAMAGED_ZIP = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError),
    *(ValueError, OverflowError, struct.error),  # of offsets and sizes that can not be
)
DATA_SUFFIXES = (*_TEXT, *_BINARY, *_DBN, *_LINES, *_WRAPPED)
"""Endings of the files that are taken from a folder."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The plain bytes of one table, and what names said about it on the way."""

    label: str
    """for messages: the file, and the entry if it came out of a zip"""
    name: str
    """the innermost name, without the wrapping's ending"""
    data: bytes
    """not empty"""
    parts: dict[str, str] = field(default_factory=dict)
    """named parts of the zip entry's name"""

    @property
    def stem(self) -> str:
        """The name without folders and endings: 'tap.a' for 'map/tap.a.csv'."""
        return bare_stem(self.name)


def unpack(
    name: str, data: bytes, entry: PathTemplate | None = None, *, label: str | None = None
) -> list[Payload]:
    """Return the tables in a file, in the order of the entries' names.

    Args:
        name: the file's name, which may tell the format.
        data: its bytes.
        entry: which entries of a zip to take; None takes every data file in it.
        label: how messages call the file; None for its name.

    Raises:
        SourceError: the file or an entry is empty, truncated or damaged, or no entry fits.
    """
    label = label or name
    if not data:
        raise SourceError(f"{label} is empty (0 bytes).", hint="Fetch the file again, or leave it out.")
    if data[:2] == b"\x1f\x8b":
        inner = name[:-3] if name.lower().endswith(".gz") else name
        return unpack(inner, _gunzip(label, data), entry, label=label)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        inner = name[:-4] if name.lower().endswith(".zst") else name
        return unpack(inner, _unzstd(label, data), entry, label=label)
    if data[:2] == b"PK":
        return _unzip(label, data, entry)
    if name.lower().endswith(_WRAPPED):
        kind = name.rsplit(".", 1)[1].lower()
        raise SourceError(f"{label} is not a {kind} file: its first bytes are {data[:4]!r}.")
    return [Payload(label, name, data)]


def detect_format(payload: Payload) -> str:
    """Return csv, json, parquet, arrow, dbn or influx, from the first bytes and then from the name.

    Raises:
        SourceError: the content is none of these.
    """
    data, suffix = payload.data, PurePosixPath(payload.name).suffix.lower()
    if data[:4] == b"PAR1":
        return "parquet"
    if data[:6] == b"ARROW1":
        return "arrow"
    if data[:3] == b"DBN" or suffix in _DBN:
        return "dbn"
    if suffix in _LINES:
        return "influx"
    if suffix in _BINARY:
        kind = "Parquet" if _BINARY[suffix] == "parquet" else "Feather or Arrow IPC"
        raise SourceError(f"{payload.label} is not a {kind} file: its first bytes are {data[:6]!r}.")
    if data[:1] == b"<":
        raise SourceError(
            f"{payload.label} is HTML or XML, not a table.", hint="A failed download looks like this."
        )
    return _TEXT.get(suffix, "csv")


def bare_stem(name: str) -> str:
    """Return the last segment of a path without the endings of formats and wrappings.

    Examples:
        >>> bare_stem("usa/tap.a.csv.gz")
        'tap.a'
    """
    path = PurePosixPath(name)
    while path.suffix.lower() in DATA_SUFFIXES and path.stem:
        path = path.with_suffix("")
    return path.name


def _gunzip(label: str, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{label} is a truncated or damaged gzip file: {error}.") from error


def _unzstd(label: str, data: bytes) -> bytes:
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            return bytes(stream.read())
    except OSError as error:
        raise SourceError(f"{label} is a truncated or damaged Zstandard file: {error}.") from error


def _unzip(label: str, data: bytes, entry: PathTemplate | None) -> list[Payload]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = sorted(item.filename for item in archive.infolist() if not item.is_dir())
            chosen = [(inner, parts) for inner in names if (parts := _accept(inner, entry)) is not None]
            contents = [archive.read(inner) for inner, _ in chosen]
    except _DAMAGED_ZIP as error:
        raise SourceError(f"{label} is a truncated, damaged or encrypted zip file: {error}.") from error
    if not chosen:
        wanted = f"fits {entry.text!r}" if entry else "is a data file"
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise SourceError(f"No entry of {label} {wanted}; it holds {shown or 'nothing'}.")
    return [
        replace(payload, parts=parts)
        for (inner, parts), content in zip(chosen, contents, strict=True)
        for payload in unpack(inner, content, label=f"{label}:{inner}")
    ]


def _accept(inner: str, entry: PathTemplate | None) -> dict[str, str] | None:
    if entry is not None:
        return entry.match_end(inner)
    hidden = any(segment.startswith((".", "__")) for segment in inner.split("/"))
    return None if hidden or not inner.lower().endswith(DATA_SUFFIXES) else {}
