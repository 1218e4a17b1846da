"""A bucket that fails in the middle of a write: it is visible once, or it raised and nothing is visible."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import lakehouse
from lakehouse.catalog.pins import list_pins
from lakehouse.catalog.rule import Rule
from lakehouse.errors import LakehouseError, StorageError
from lakehouse.store import open_store, s3_client

if TYPE_CHECKING:
    from tests.conftest import Fault, Proxy, S3Server

NAME = "market_data.bars_1m"
CONTRACT: dict[str, Any] = {
    "key": ("symbol", "time"),
    "layout": "date=month,symbol=row_groups",
    "rules": (Rule("open_positive", "positive", ("open",), {}),),
}

Bars = Callable[..., pl.DataFrame]
Facts = dict[str, Any]
Write = Callable[..., object]

WRITES: dict[str, Write] = {
    "append": lambda lake, bars, folder: lake[NAME].append(mixed(bars), idempotency_key="k"),
    "upsert": lambda lake, bars, folder: lake[NAME].upsert(bars(price=50.0), idempotency_key="k"),
    "update": lambda lake, bars, folder: lake[NAME].update(bars(("IBM",), price=60.0), idempotency_key="k"),
    "delete": lambda lake, bars, folder: lake[NAME].delete("IBM", end="2024-01-03", idempotency_key="k"),
    "restore": lambda lake, bars, folder: lake[NAME].restore(1, idempotency_key="k"),
    "create": lambda lake, bars, folder: lake.create("signals.other", like=bars()),
    "snapshot": lambda lake, bars, folder: lake.snapshot("after"),
    "lock": lambda lake, bars, folder: lake.lock(folder / "after.lock"),
    "backfill": lambda lake, bars, folder: backfill(lake, bars, folder),
}


def mixed(bars: Bars) -> pl.DataFrame:
    """Make good and bad rows."""
    return pl.concat([bars(("X", "Y"), first=19_760), bars(("BAD",), price=-5.0)])


def backfill(lake: lakehouse.Lake, bars: Bars, folder: Path) -> None:
    bars(("C",)).write_csv(folder / "C.csv")
    report = lake.backfill(NAME, folder / "C.csv")
    if not report.ok:
        raise StorageError(report.failures[0].error)


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give a bucket, with the variables of this process for it; retries do not wait."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        patch.setenv("LAKEHOUSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(s3_client, "_FIRST_WAIT", timedelta(milliseconds=1))
        yield s3_server.new_bucket()


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    """Keep the objects of a lake that is made once: moto is slow."""
    return {}


@pytest.fixture(scope="module")
def expected() -> dict[str, Facts]:
    """Keep what each write shows where nothing fails."""
    return {}


@pytest.fixture
def new_lake(bucket: str, made: dict[str, bytes], bars: Bars) -> Callable[[], lakehouse.Lake]:
    """Give a maker of lakes with two versions of a product, seen past all faults."""

    def make() -> lakehouse.Lake:
        store = open_store(f"s3://{bucket}/{uuid.uuid4().hex}")
        if not made:
            product = lakehouse.open(store.url, create=True).create(NAME, like=bars(), **CONTRACT)
            product.append(bars())
            product.append(bars(("AAPL",)))
            made.update({entry.path: store.get(entry.path) for entry in store.list("")})
        else:
            for path, data in made.items():
                store.put_if_absent(path, data)
        return lakehouse.open(store.url)

    return make


@pytest.fixture
def sound(new_lake: Callable[[], lakehouse.Lake]) -> lakehouse.Lake:
    """Give such a lake."""
    return new_lake()


@pytest.fixture
def faulty(
    sound: lakehouse.Lake, s3_proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], lakehouse.Lake]:
    """Give an opener of the same lake through the proxy."""

    def opened() -> lakehouse.Lake:
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", s3_proxy.url)
            return lakehouse.open(sound.url)

    return opened


def visible(lake: lakehouse.Lake) -> list[str]:
    """List what readers go by: log entries, contracts, names of snapshots and pins."""
    paths = [entry.path for entry in lake.store.list("")]
    quiet = ("catalog/leases/", "catalog/intents/")
    return [path for path in paths if path.endswith((".json", ".yaml")) and not path.startswith(quiet)]


def facts_of(lake: lakehouse.Lake) -> Facts:
    """Read all that shows with fresh eyes."""
    fresh = lakehouse.open(lake.url)
    facts: Facts = {
        "snapshots": [each.name for each in fresh.snapshots()],
        "pins": len(list(list_pins(fresh.store))),
    }
    for name in fresh.products():
        product = fresh[name]
        facts[name] = product.version, product.digest, product.read().num_rows, product.contract.version
        facts[f"bad rows of {name}"] = sum(commit.quarantined for commit in product.history())
    assert fresh.verify().ok
    return facts


def every_other(method: str, fault: Fault) -> Callable[[str, int], Fault | None]:
    """Let every other request of a method fail, so that each is made twice; `ANY` stands for all methods."""
    seen: list[str] = []

    def choose(asked: str, _: int) -> Fault | None:
        if method not in ("ANY", asked):
            return None
        seen.append(asked)
        return fault if len(seen) % 2 else None

    return choose


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("ANY", "503"),
        ("PUT", "lost answer"),
        ("PUT", "500 after writing"),
        ("GET", "broken off"),
        ("GET", "dropped"),
        ("ANY", "slow"),
    ],
)
def test_what_a_retry_can_mend_is_visible_once(
    new_lake: Callable[[], lakehouse.Lake],
    expected: dict[str, Facts],
    sound: lakehouse.Lake,
    faulty: Callable[[], lakehouse.Lake],
    s3_proxy: Proxy,
    bars: Bars,
    tmp_path: Path,
    write: str,
    method: str,
    fault: Fault,
) -> None:
    if write not in expected:
        twin = new_lake()
        WRITES[write](twin, bars, tmp_path)
        (tmp_path / "after.lock").unlink(missing_ok=True)
        expected[write] = facts_of(twin)
    s3_proxy.choose = every_other(method, fault)
    WRITES[write](faulty(), bars, tmp_path)
    assert facts_of(sound) == expected[write]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("lasting", [True, False], ids=["for good", "once"])
def test_a_refusal_at_any_request_shows_nothing(
    sound: lakehouse.Lake,
    faulty: Callable[[], lakehouse.Lake],
    s3_proxy: Proxy,
    bars: Bars,
    tmp_path: Path,
    write: str,
    *,
    lasting: bool,
) -> None:
    before, step = visible(sound), 0
    write_once = partial(WRITES[write], bars=bars, folder=tmp_path)
    while error := refusal_of(write_once, faulty(), s3_proxy, step, lasting=lasting):
        assert "403" in str(error)
        assert visible(sound) == before
        assert not (tmp_path / "after.lock").exists()
        step += 1
    assert step >= 2
    assert visible(sound) != before
    assert facts_of(sound)


def refusal_of(
    write: Callable[[lakehouse.Lake], object], lake: lakehouse.Lake, proxy: Proxy, step: int, *, lasting: bool
) -> LakehouseError | None:
    """Refuse the request of a write that comes after `step` others, and maybe all later ones."""
    first = len(proxy.requests) + step
    proxy.choose = lambda _, number: "403" if number == first or (lasting and number > first) else None
    try:
        write(lake)
    except LakehouseError as error:
        return error
    finally:
        proxy.choose = lambda *_: None
    return None


def test_a_commit_whose_answer_never_comes_is_repeated_by_its_key(
    sound: lakehouse.Lake,
    faulty: Callable[[], lakehouse.Lake],
    s3_proxy: Proxy,
    bars: Bars,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server has written the entry and is gone: nobody knows, so the error says so, and the key helps."""
    monkeypatch.setattr(s3_client, "_RETRIES", 1)
    lake, puts = faulty(), []
    lake[NAME].append(bars(("Y",)))  # what a session puts once is there

    def choose(method: str, _: int) -> Fault | None:
        puts.extend([method] if method == "PUT" else [])
        return "dropped" if len(puts) > 2 else "lost answer" if len(puts) == 2 and method == "PUT" else None

    s3_proxy.choose = choose
    with pytest.raises(
        StorageError, match=r"not known whether \S+/00000000000000000004.json was written[\s\S]*Hint: "
    ):
        lake[NAME].append(bars(("Z",)), idempotency_key="k")
    s3_proxy.choose = lambda *_: None
    assert sound[NAME].version == 4
    assert faulty()[NAME].append(bars(("Z",)), idempotency_key="k").repeated
    assert lakehouse.open(sound.url)[NAME].rows == 15
