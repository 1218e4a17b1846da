"""Make a part: from the facts of files and the footers that are known, or from parts that exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from lakehouse.partitions.footers import Footer
from lakehouse.partitions.index.columns import Array, Held, Integers
from lakehouse.partitions.index.part import Part, path_key
from lakehouse.partitions.sorting import run_starts
from lakehouse.partitions.state import DataFile
from lakehouse.times import MAX_NS, MIN_NS


def part_of(files: Sequence[DataFile], footers: Mapping[str, Footer]) -> Part:
    """Return a part of some files.

    Args:
        files: in order.
        footers: by path, of the files whose footers are known.

    Raises:
        ValueError: a hash or digest is not one of ours.
    """
    known = [footers.get(file.path) for file in files]
    texts = {text for file in files for text in (file.min_symbol, file.max_symbol) if text is not None}
    texts |= {symbol for footer in known if footer is not None for symbol in footer.symbols}
    texts |= {"" for file in files if file.min_symbol is None}
    symbols = {symbol: code for code, symbol in enumerate(sorted(texts))}
    shapes = _numbered(tuple(name for name, _ in file.partition) for file in files)
    sets = _numbered(file.columns for file in files)
    values = _numbered(value for file in files for _, value in file.partition if value is not None)
    width = max((len(shape) for shape in shapes), default=0)
    arrays = _facts(files, symbols, shapes, sets) | _runs(files, known, symbols) | _pieces(files, known)
    padded = (
        [-1 if value is None else values[value] for _, value in file.partition]
        + [-1] * (width - len(file.partition))
        for file in files
    )
    arrays["values"] = np.fromiter(chain.from_iterable(padded), np.int32, width * len(files))
    arrays |= packed("symbol", list(symbols)) | packed("value", list(values))
    arrays |= packed("path", [file.path for file in files])
    statistics = sorted({name for footer in known if footer is not None for name in footer.statistics})
    for name in statistics:
        arrays |= _statistics(name, files, known)
    notes = {"shapes": list(shapes), "column_sets": list(sets), "width": width}
    return finished(arrays, notes, [name for name in statistics if f"low:{name}" in arrays])


def finished(arrays: dict[str, Array], notes: Mapping[str, Any], statistics: Sequence[str]) -> Part:
    """Add to the facts of files, runs and pieces the orders by which they are found."""
    counts = {
        "files": len(arrays["size"]),
        "symbols": len(arrays["symbol_ends"]) - 1,
        "runs": len(arrays["run_rows"]),
        "pieces": len(arrays["piece_rows"]),
    }
    run_file = np.repeat(np.arange(counts["files"], dtype=np.int32), arrays["file_run_count"])
    pieces_of_file = np.bincount(run_file, arrays["run_piece_count"], counts["files"])
    several = np.flatnonzero(arrays["file_run_count"] == 0)
    order = np.lexsort((arrays["run_first"], arrays["run_symbol"]))
    keys = np.argsort(arrays["key"], kind="stable")
    run_counts = np.bincount(arrays["run_symbol"], minlength=counts["symbols"])
    arrays |= {
        "file_runs": _ends(arrays["file_run_count"]),
        "file_pieces": _ends(pieces_of_file.astype(np.int64)),
        "run_pieces": _ends(arrays["run_piece_count"]),
        "run_file": run_file,
        "loose": several.astype(np.int32),
        "order": order.astype(np.int32),
        "order_first": arrays["run_first"][order],
        "order_last": arrays["run_last"][order],
        "symbol_runs": _ends(run_counts),
        "key_sorted": arrays["key"][keys],
        "by_key": keys.astype(np.int32),
    }
    total = {"rows": int(arrays["rows"].sum()), "size": int(arrays["size"].sum())}
    return Part(Held(arrays), {**notes, **counts, **total, "statistics": list(statistics)})


def packed(name: str, texts: Sequence[str]) -> dict[str, Array]:
    """Return texts as the arrays that `Texts` reads."""
    encoded = [text.encode("utf-8") for text in texts]
    return {
        f"{name}_ends": _ends(np.fromiter(map(len, encoded), np.int64, len(encoded))),
        f"{name}_text": np.frombuffer(b"".join(encoded), np.uint8),
    }


def _ends(counts: Array) -> Integers:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _numbered(values: Any) -> dict[Any, int]:
    return {value: number for number, value in enumerate(dict.fromkeys(values))}


def _facts(
    files: Sequence[DataFile],
    symbols: Mapping[str, int],
    shapes: Mapping[Any, int],
    sets: Mapping[Any, int],
) -> dict[str, Array]:
    def numbers(values: Any, dtype: Any = np.int64) -> Array:
        return np.fromiter(values, dtype, len(files))

    sha256 = bytes.fromhex("".join(file.sha256 for file in files))
    digest = bytes.fromhex("".join(file.digest for file in files))
    if len(sha256) != 32 * len(files) or len(digest) != 16 * len(files):
        raise ValueError("a hash has another length")
    return {
        "key": numbers((path_key(file.path) for file in files), np.uint32),
        "size": numbers(file.size for file in files),
        "rows": numbers(file.rows for file in files),
        "sha256": np.frombuffer(sha256, np.uint8),
        "digest": np.frombuffer(digest, np.uint8),
        "shape": numbers((shapes[tuple(name for name, _ in file.partition)] for file in files), np.int32),
        "column_set": numbers((sets[file.columns] for file in files), np.int32),
        "min_symbol": numbers((_code(symbols, file.min_symbol) for file in files), np.int32),
        "max_symbol": numbers((_code(symbols, file.max_symbol) for file in files), np.int32),
        "timed": numbers((_timed(file) for file in files), np.uint8),
        "min_time": numbers(file.min_time if file.min_time is not None else MIN_NS for file in files),
        "max_time": numbers(file.max_time if file.max_time is not None else MAX_NS for file in files),
    }


def _runs(
    files: Sequence[DataFile], known: Sequence[Footer | None], symbols: Mapping[str, int]
) -> dict[str, Array]:
    """Return the runs of each file: those of its footer, else the one of its one symbol, else none."""
    codes: list[Array] = []
    rows, first, last, pieces = [], [], [], []
    counts: list[int] = []
    digests: list[str] = []
    for file, footer in zip(files, known, strict=True):
        if footer is not None:
            starts = run_starts(footer.code)
            codes.append(np.array([symbols[symbol] for symbol in footer.symbols], np.int32))
            rows.append(footer.counts)
            begin, end = _within(file, footer)
            first.append(np.minimum.reduceat(begin, starts))
            last.append(np.maximum.reduceat(end, starts))
            pieces.append(np.diff(np.append(starts, len(footer.code))))
            digests.extend(footer.digests)
            counts.append(len(footer.symbols))
        elif file.min_symbol == file.max_symbol:
            timed = _timed(file)
            codes.append(np.array([symbols[file.min_symbol or ""]], np.int32))
            rows.append(np.array([file.rows]))
            first.append(np.array([file.min_time if timed else MIN_NS]))
            last.append(np.array([file.max_time if timed else MAX_NS]))
            pieces.append(np.zeros(1, np.int64))
            digests.append(file.digest)
            counts.append(1)
        else:
            counts.append(0)
    return {
        "file_run_count": np.array(counts, np.int64),
        "run_symbol": _joined(codes, np.int32),
        "run_rows": _joined(rows),
        "run_first": _joined(first),
        "run_last": _joined(last),
        "run_piece_count": _joined(pieces),
        "run_digest": np.frombuffer(bytes.fromhex("".join(digests)), np.uint8),
    }


def _pieces(files: Sequence[DataFile], known: Sequence[Footer | None]) -> dict[str, Array]:
    both = [(file, footer) for file, footer in zip(files, known, strict=True) if footer is not None]
    times = [_within(file, footer) for file, footer in both]
    return {
        "piece_rows": _joined([footer.rows for _, footer in both]),
        "piece_first": _joined([first for first, _ in times]),
        "piece_last": _joined([last for _, last in times]),
        "piece_group": _joined([footer.group for _, footer in both], np.int32),
    }


def _within(file: DataFile, footer: Footer) -> tuple[Array, Array]:
    """Return the bounds of the pieces' times: those of the footer, within those that the log has."""
    if file.min_time is None or file.max_time is None:
        return footer.first, footer.last
    return np.maximum(footer.first, file.min_time), np.minimum(footer.last, file.max_time)


def _statistics(name: str, files: Sequence[DataFile], known: Sequence[Footer | None]) -> dict[str, Array]:
    """Return the ranges of one column by run, of one type; what has another type is unknown."""
    kinds = [f.statistics[name].low.dtype for f in known if f is not None and name in f.statistics]
    kind = kinds[-1]
    low, high, missing = [], [], []
    for file, footer in zip(files, known, strict=True):
        count = int(file.min_symbol == file.max_symbol) if footer is None else len(footer.symbols)
        each = footer.statistics.get(name) if footer is not None else None
        if each is None or each.low.dtype != kind:
            low.append(np.zeros(count, kind))
            high.append(np.zeros(count, kind))
            missing.append(np.full(count, -1, np.int64))
        else:
            low.append(each.low)
            high.append(each.high)
            missing.append(each.missing)
    return {
        f"low:{name}": _joined(low, kind),
        f"high:{name}": _joined(high, kind),
        f"missing:{name}": _joined(missing),
    }


def _joined(arrays: Sequence[Array], dtype: Any = np.int64) -> Array:
    return np.concatenate(arrays).astype(dtype, copy=False) if arrays else np.zeros(0, dtype)


def _code(symbols: Mapping[str, int], symbol: str | None) -> int:
    return -1 if symbol is None else symbols[symbol]


def _timed(file: DataFile) -> bool:
    return file.min_time is not None and file.max_time is not None
