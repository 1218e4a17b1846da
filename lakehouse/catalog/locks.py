"""Lock files: the exact data of a backtest, in a small file that people read and keep in version control.

The file is a copy of a pin in the lake. It is TOML; comments may be added to it, but a checksum over the
facts shows that one of them was changed or is missing.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lakehouse.catalog.documents import check_format, storable, take
from lakehouse.catalog.pinned import PinnedProduct, Snapshot, products_from
from lakehouse.catalog.pins import list_pins, load_pin, publish_pin
from lakehouse.errors import AlreadyExistsError, ArgumentError, IntegrityError, NotFoundError, StorageError
from lakehouse.names import fresh_id
from lakehouse.store import durable
from lakehouse.store.disk_errors import translated

__all__ = ["Lock", "list_pins", "load_pin", "publish_pin", "read_lock", "write_lock"]

_FORMAT = 1
_PIN_KEYS = ("id", "created", "author", "message")
_TITLE = "# A lakehouse lock: the exact versions of the data of a backtest."
_HEADER = f"""{_TITLE}
# Read it with lakehouse.checkout("<this file>"). Do not edit it: the checksum covers every fact.
"""


@dataclass(frozen=True, slots=True)
class Lock:
    """A pin, and the lake in which it is."""

    lake_id: str
    """the UUID of the lake, which survives a move"""
    lake_url: str
    """where the lake was when the lock was written"""
    pin: str
    """id of the pin in `catalog/pins` of the lake"""
    created: str
    """when, ISO 8601 UTC"""
    author: str
    """who made it"""
    message: str
    """why"""
    products: tuple[PinnedProduct, ...]
    """the versions, with their manifests, sorted by name"""

    def same_data(self, other: Lock) -> bool:
        """Say whether both name the same versions, contracts and rows of the same lake."""
        return (self.lake_id, _data(self)) == (other.lake_id, _data(other))


def write_lock(
    path: Path | str,
    pin: Snapshot,
    *,
    lake_id: str,
    lake_url: str,
    overwrite: bool = False,
    void: str = "",
) -> Lock:
    """Write the lock file of a published pin, whole or not at all.

    A lock that names the same data already is left as it is, so that a script may lock again in each run;
    unless its pin is `void`, dropped from the lake.

    Returns:
        The lock that stands in the file.

    Raises:
        AlreadyExistsError: the file is a broken lock or one of other data, and `overwrite` is False; it is
            untouched.
        ArgumentError: the file is no lock at all; it is untouched, `overwrite` or not.
        StorageError: the disk refused.
    """
    target = Path(path).absolute()
    lock = Lock(lake_id, storable(lake_url), pin.id, pin.created, pin.author, pin.message, pin.products)
    data = _to_text(lock).encode("utf-8")
    try:
        _publish(target, data, overwrite=False)
    except AlreadyExistsError:
        standing = _standing(target)
        same = standing is not None and standing.same_data(lock)
        if standing is not None and same and standing.pin != void:
            return standing
        if not (overwrite or same):
            raise AlreadyExistsError(
                f"{path} exists already, and {'is broken' if standing is None else 'locks other data'}.",
                hint="Give another path, or overwrite=True to lose the old lock.",
            ) from None
        _publish(target, data, overwrite=True)
    return lock


def read_lock(path: Path | str) -> Lock:
    """Read a lock file.

    Raises:
        NotFoundError: there is no such file.
        ArgumentError: the file is no lock.
        IntegrityError: the lock was truncated or edited.
        LakehouseError: a newer version of the lakehouse wrote it.
    """
    text = _read_text(Path(path), path)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(text, path) from error
    if "lakehouse_lock" not in document:
        raise _unreadable(text, path)
    of = str(path)
    check_format(document["lakehouse_lock"], of=of)
    if document.get("checksum") != _checksum(document):
        raise _changed(path)
    lake, pin = take(document, "lake", dict, of=of), take(document, "pin", dict, of=of)
    lake_id, lake_url = (take(lake, key, str, of=of) for key in ("id", "url"))
    identity, created, author, message = (take(pin, key, str, of=of) for key in _PIN_KEYS)
    rows = [{"name": name, **facts} for name, facts in take(document, "products", dict, of=of).items()]
    return Lock(lake_id, lake_url, identity, created, author, message, products_from(rows, of=of))


def _data(lock: Lock) -> list[PinnedProduct]:
    return [replace(product, manifest="", manifest_sha256="") for product in lock.products]


def _to_text(lock: Lock) -> str:
    document = _to_document(lock)
    tables = {"lake": document["lake"], "pin": document["pin"]}
    tables |= {f"products.{_toml(name)}": facts for name, facts in document["products"].items()}
    lines = [_HEADER, f"lakehouse_lock = {_FORMAT}", f"checksum = {_toml(_checksum(document))}"]
    for title, table in tables.items():
        lines += ["", f"[{title}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _to_document(lock: Lock) -> dict[str, Any]:
    pin = dict(zip(_PIN_KEYS, (lock.pin, lock.created, lock.author, lock.message), strict=True))
    products = {
        str(product.name): {key: value for key, value in asdict(product).items() if key != "name"}
        for product in lock.products
    }
    lake = {"id": lock.lake_id, "url": lock.lake_url}
    return {"lakehouse_lock": _FORMAT, "lake": lake, "pin": pin, "products": products}


def _toml(value: str | int) -> str:
    """Write a TOML integer or basic string; JSON escapes the same, but for the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _checksum(document: Mapping[str, Any]) -> str:
    facts = {key: value for key, value in document.items() if key != "checksum"}
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(canonical.encode('utf-8')).hexdigest()}"


def _standing(target: Path) -> Lock | None:
    """Return the lock in the file, or None if it is a broken one."""
    try:
        return read_lock(target)
    except IntegrityError:
        return None


def _publish(target: Path, data: bytes, *, overwrite: bool) -> None:
    """Write a file whole, and give it its name only then; the file is the user's own, and in no lake."""
    temporary = target.parent / f".tmp-{fresh_id()}"
    with translated(str(target)):
        durable.make_folder(target.parent)
        try:
            temporary.write_bytes(data)
            durable.sync(temporary)
            if overwrite:
                temporary.replace(target)
            else:
                durable.link(temporary, target)
            durable.sync_folder(target.parent)
        except FileExistsError as error:
            raise AlreadyExistsError(f"{target} exists already.") from error
        finally:
            temporary.unlink(missing_ok=True)


def _read_text(file: Path, shown: Path | str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no lock file {shown}.") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"The file {shown} is no lock of a lakehouse.") from error
    except OSError as error:
        raise StorageError(f"Can not read the lock file {shown}: {error.strerror}.") from error


def _unreadable(text: str, path: Path | str) -> ArgumentError | IntegrityError:
    if _TITLE.startswith(text[: len(_TITLE)]):  # an empty file too: what a crash leaves behind
        return _changed(path)
    return ArgumentError(
        f"The file {path} is no lock of a lakehouse.", hint="Locks are written by lake.lock()."
    )


def _changed(path: Path | str) -> IntegrityError:
    return IntegrityError(
        f"The lock file {path} is truncated or was edited: its checksum does not fit.",
        hint="Take it from version control again, or make a new one with lake.lock().",
    )
