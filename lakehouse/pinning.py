"""Snapshots and locks of an open lake: from names and versions to manifests that never change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.catalog.authors import author_of
from lakehouse.catalog.session import session_of
from lakehouse.catalog.snapshots import check_free
from lakehouse.errors import AlreadyExistsError, ArgumentError, IntegrityError, LakehouseError
from lakehouse.names import ProductName
from lakehouse.partitions.manifest import encode_manifest
from lakehouse.partitions.replay import table_path
from lakehouse.partitions.tail.folder import tail_folder, writers_in

if TYPE_CHECKING:
    from lakehouse.catalog.locks import Lock
    from lakehouse.catalog.pinned import Snapshot
    from lakehouse.lake import Lake
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.verify import Verification
    from lakehouse.product import Product
    from lakehouse.store import Store
    from lakehouse.upkeep import Upkeep

Products = Sequence[str] | Mapping[str, int] | None


def make_snapshot(
    lake: Upkeep,
    name: str,
    products: Products,
    *,
    check: Callable[[Sequence[TableState]], None] | None,
    author: str,
    message: str,
) -> Snapshot:
    """Publish a snapshot of the present, or the given, versions, unless `check` raises at them."""
    states = states_of(lake, products)
    if check is not None:
        check_free(lake.store, name)
        check(states)
    return snapshot_states(lake.store, name, states, author=author, message=message)


def snapshot_states(
    store: Store, name: str, states: Sequence[TableState], *, author: str, message: str
) -> Snapshot:
    """Publish a snapshot of versions that this session holds; it is taken back if it stood still meanwhile.

    Raises:
        LeaseExpiredError: this session was taken for dead before the snapshot held the versions.
    """
    from lakehouse.catalog.snapshots import publish_snapshot, withdraw_snapshot

    made = publish_snapshot(store, name, _pinnable(states), author=author_of(author), message=message)
    _confirm(store, states, f"snapshot {name}", partial(withdraw_snapshot, store, name))
    return made


def make_lock(
    lake: Lake, path: str | Path, products: Products | str, *, author: str, message: str, overwrite: bool
) -> Lock:
    """Publish a pin, then write the lock file."""
    from lakehouse.catalog.locks import publish_pin, write_lock
    from lakehouse.catalog.pins import list_pins, withdraw_pin

    if isinstance(products, str):
        states = list(lake.checkout(products).states.values())
        _check_files(states)
    else:
        states = states_of(lake, products)
    identity = lake.id  # before the pin is there: what fails now leaves none
    standing = _same_lock(path, states, identity)
    if standing is not None and standing.pin in list_pins(lake.store):
        return standing
    void = standing.pin if standing else ""  # dropped: that lock can not be checked out any more
    pin = publish_pin(lake.store, _pinnable(states), author=author_of(author), message=message)
    withdraw = partial(withdraw_pin, lake.store, pin.id)
    _confirm(lake.store, states, "what is locked", withdraw)
    if isinstance(products, str):
        _confirm_standing(lake, products, withdraw)
    try:
        made = write_lock(path, pin, lake_id=identity, lake_url=lake.url, overwrite=overwrite, void=void)
    except (AlreadyExistsError, ArgumentError):  # refused: the file is untouched
        withdraw()
        raise
    if made.pin != pin.id:
        withdraw()  # another process has just written a lock of the same data
    return made


def _same_lock(path: str | Path, states: Sequence[TableState], lake_id: str) -> Lock | None:
    """Return the lock in a file if it names these versions of this lake; None for any other file, or none."""
    from lakehouse.catalog.locks import read_lock

    try:
        lock = read_lock(path)
    except LakehouseError:
        return None
    wanted = sorted((s.name, s.major, s.version, s.contract_version, s.digest) for s in states)
    named = [(p.name, p.major, p.version, p.contract_version, p.digest) for p in lock.products]
    return lock if (lock.lake_id, named) == (lake_id, wanted) else None


def _confirm(store: Store, states: Sequence[TableState], what: str, withdraw: Callable[[], None]) -> None:
    """Hand out what was published only if the versions were held until then; else withdraw it."""
    try:
        session_of(store).confirm(states, what)
    except LakehouseError:
        withdraw()
        raise


def _confirm_standing(lake: Lake, products: str, withdraw: Callable[[], None]) -> None:
    """Look whether a set stood until the pin that was made from it held the same; else withdraw the pin."""
    try:
        lake.checkout(products)
    except LakehouseError:
        withdraw()
        raise


def _check_files(states: Sequence[TableState]) -> None:
    """Make sure that old versions, which nobody may have held, still have their files.

    Raises:
        IntegrityError: files are gone.
    """
    for state in states:
        folder = table_path(state.name, state.major)
        present = {entry.path for entry in state.store.list(folder)} if state.files else set()
        missing = [file.path for file in state.files if file.path not in present]
        if missing:
            raise IntegrityError(
                f"{len(missing)} files of {state.name} version {state.version} are gone: {missing[0]}",
                hint="Pin a later version: of old ones that nobody held, garbage collection takes the files.",
            )


def verify_products(lake: Lake, products: Sequence[str] | None, *, quick: bool) -> Verification:
    """Verify the newest version of some products, None for all."""
    from lakehouse.partitions.verify import Verification

    total = Verification(0, 0, 0)
    for name in lake.products() if products is None else products:
        total += lake[name].verify(quick=quick)
    return total


def states_of(lake: Upkeep, products: Products) -> list[TableState]:
    """Return the states of products at their newest or given versions.

    Raises:
        ArgumentError: there is nothing to pin.
        NotFoundError: a product or version does not exist.
        IntegrityError: files of an old version are gone.
    """
    if isinstance(products, Mapping):
        states = [lake[name].state(version=version) for name, version in products.items()]
        _check_files(states)
    else:
        names = lake.products() if products is None else products
        states = [_sealed(lake, name).state() for name in names]
    if not states:
        raise ArgumentError("There is no product to pin.", hint="Create a product and write to it first.")
    return states


def _sealed(lake: Upkeep, name: str) -> Product:
    """Return a product whose rows are all in its version, but for those of the streams of other processes."""
    product = lake[name]
    if writers_in(tail_folder(product.table.store, product.table.path)):
        lake.seal(name)
    return product


def _pinnable(states: Sequence[TableState]) -> Mapping[ProductName, tuple[TableState, bytes]]:
    return {state.name: (state, encode_manifest(state)) for state in states}
