"""JSON documents of the catalog: written once, read with every surprise translated into an error of ours."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, TypeVar

from lakehouse.errors import IntegrityError, LakehouseError
from lakehouse.store import Store
from lakehouse.times import to_iso

FORMAT = 1
"""format version of the documents this code writes; it reads every version up to it"""

T = TypeVar("T")


def now_iso() -> str:
    """Return the present in UTC, to the microsecond."""
    return to_iso(time.time_ns() // 1000 * 1000)


def storable(text: str) -> str:
    """Return `text` with every half surrogate pair (from names that are not UTF-8) replaced by '?'."""
    return text.encode("utf-8", "replace").decode("utf-8")


def to_json(document: Mapping[str, Any]) -> bytes:
    """Return a document as indented UTF-8 JSON, its keys in their own order."""
    return (json.dumps({"format": FORMAT, **document}, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def read_json(store: Store, path: str) -> dict[str, Any]:
    """Read the document at `path`.

    Raises:
        NotFoundError: there is none.
        IntegrityError: it is truncated, or not one of our documents.
        LakehouseError: a newer version of the lakehouse wrote it.
    """
    try:
        document = json.loads(store.get(path))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} in {store.url} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise IntegrityError(f"{path} in {store.url} is not a document of a lake.")
    check_format(document.get("format"), of=path)
    return document


def check_format(number: object, *, of: str) -> None:
    """Raise unless this code can read documents of that format.

    Raises:
        IntegrityError: the number is missing or no positive int.
        LakehouseError: it is newer than `FORMAT`.
    """
    if type(number) is not int or number < 1:
        raise IntegrityError(f"{of} names no format: {number!r}.")
    if number > FORMAT:
        raise LakehouseError(
            f"{of} has format {number}, and this version of lakehouse reads formats up to {FORMAT}.",
            hint="Install a newer version: pip install --upgrade quant-lakehouse",
        )


def take(document: Mapping[str, Any], key: str, kind: type[T], *, of: str) -> T:
    """Return the value of `key`, which must be of exactly this type.

    Raises:
        IntegrityError: it is missing or of another type.
    """
    value = document.get(key)
    if type(value) is not kind:
        raise IntegrityError(f"{of}: {key!r} must be {kind.__name__}, got {value!r:.80}.")
    return value
