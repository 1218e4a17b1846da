"""From the bytes of a DBN file to its records, all of one kind and of the newest version.

The bytes are checked before their library upgrades them: it panics where a record is shorter than its kind.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from lakehouse.errors import MissingExtraError, SourceError
from lakehouse.ingest.sources.unpack import Payload

if TYPE_CHECKING:
    import databento_dbn as dbn

_HEAD = 8
_TS_OUT = ("ts_out", "u8")
_KINDS = {
    **{0: "TradeMsg", 1: "MBP1Msg", 197: "MBP1Msg", 10: "MBP10Msg", 160: "MBOMsg"},
    **dict.fromkeys((17, 32, 33, 34, 35, 36), "OHLCVMsg"),
    **{18: "StatusMsg", 19: "InstrumentDefMsg", 20: "ImbalanceMsg", 24: "StatMsg"},
    **{177: "CMBP1Msg", 192: "CBBOMsg", 193: "CBBOMsg", 194: "CMBP1Msg", 195: "BBOMsg", 196: "BBOMsg"},
}
"""Type of record → its class in databento_dbn; 21 to 23 are messages of a live session."""


@dataclass(frozen=True, slots=True)
class Records:
    """The content of a file."""

    meta: dbn.Metadata | None
    """the header; None for a fragment"""
    kind: Any
    """the newest class of the records; None where there are none"""
    rows: npt.NDArray[np.void]
    """with the fields of that class, and `ts_out` where the header says so"""


def decode(payload: Payload) -> Records:
    """Read the header and the records.

    Raises:
        MissingExtraError: databento-dbn is not installed.
        SourceError: the file is truncated or damaged, or mixes records of several kinds.
    """
    library, data, label = _library(), payload.data, payload.label
    headed = data[:3] == b"DBN"
    start = _HEAD + int.from_bytes(data[4:_HEAD], "little") if headed else 0
    try:
        meta = library.Metadata.decode(data[:start]) if headed else None
        ts_out = meta is not None and meta.ts_out
        if headed and len(data) == start:
            return Records(meta, None, np.empty(0, np.dtype([])))
        version = data[3] if headed else _version(data, label)
        name = _check(data[start:], version, label, ts_out=ts_out)
        kind = getattr(library, name)
        upgraded = _upgrade(data, None if headed else version)
    except SourceError:
        raise
    except (library.DBNError, ValueError) as error:
        raise SourceError(f"{label} is a truncated or damaged DBN file: {error}.") from error
    return Records(meta, kind, np.frombuffer(upgraded, _dtype(kind, ts_out=ts_out)))


def _library() -> Any:
    try:
        import databento_dbn
    except ImportError as error:
        raise MissingExtraError.of("databento-dbn", "databento") from error
    return databento_dbn


def _dtype(kind: Any, *, ts_out: bool) -> np.dtype[np.void]:
    return np.dtype([*kind._dtypes, *([_TS_OUT] if ts_out else [])])


def _version(data: bytes, label: str) -> int:
    """Tell the version of a fragment, which has no header, by the size of its first record."""
    size, name = data[0] * 4, _KINDS.get(data[1]) if len(data) > 1 else None
    for version in (3, 2, 1) if name else ():
        kind = getattr(getattr(_library(), f"v{version}"), cast("str", name))
        if _dtype(kind, ts_out=False).itemsize == size:
            return version
    raise SourceError(f"{label} is not a DBN file: it has neither a header nor a record at its beginning.")


def _check(body: bytes, version: int, label: str, *, ts_out: bool) -> str:
    """Return the name of the class that all records have.

    Raises:
        SourceError: they have not, or the last one is not whole.
    """
    name = _KINDS.get(body[1]) if len(body) > 1 else None
    classes = getattr(_library(), f"v{version}", None)
    if name is None or classes is None:
        raise SourceError(
            f"{label} begins with a DBN record of type {body[1:2].hex() or 'none'} of version {version}, "
            "which is no row of a table.",
            hint="Live sessions mix messages with data: split the file by schema.",
        )
    size = _dtype(getattr(classes, name), ts_out=ts_out).itemsize
    whole = len(body) // size
    heads = np.frombuffer(body, np.uint8, whole * size).reshape(whole, size)
    mixed = (heads[:, 0] != size // 4).any() or (heads[:, 1] != body[1]).any()
    if mixed or not body[:2].startswith(body[whole * size :][:2]):
        raise SourceError(f"{label} mixes DBN records of several kinds.", hint="Split the file by schema.")
    if len(body) % size:
        raise SourceError(
            f"{label} is a truncated DBN file: its last {len(body) % size} bytes are no whole record.",
            hint="Fetch the file again.",
        )
    return name


def _upgrade(data: bytes, version: int | None) -> bytes:
    """Return the records in the newest version of DBN; `version` is that of a fragment."""
    library, output = _library(), io.BytesIO()
    transcoder = library.Transcoder(
        output,
        library.Encoding.DBN,
        library.Compression.NONE,
        has_metadata=version is None,
        input_version=version,
        upgrade_policy=library.VersionUpgradePolicy.UPGRADE_TO_V3,
    )
    transcoder.write(data)
    transcoder.flush()
    upgraded = output.getvalue()
    return upgraded if version else upgraded[_HEAD + int.from_bytes(upgraded[4:_HEAD], "little") :]
