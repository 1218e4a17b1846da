"""Keys and tokens are in no object, file, text or traceback that a lake in a bucket leaves anywhere."""

from __future__ import annotations

import io
import logging
import os
import pickle
import subprocess
import sys
import traceback
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import LakehouseError
from lakehouse.partitions import replay
from lakehouse.store import s3_client
from lakehouse.store.probe import probe_store

if TYPE_CHECKING:
    from tests.conftest import Proxy, S3Server

NAME = "market_data.bars_1m"
ROOT = Path(__file__).parents[2]
SECRET = "hush-secret-access-key-0123456789"
TOKEN = "session-token-that-nobody-may-see"  # the proxy repeats it in its refusals, as AWS does

Bars = Callable[..., pl.DataFrame]


@pytest.fixture
def variables(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Set keys that can be found again, a home and a cache of the test's own."""
    pytest.importorskip("moto.server", reason="another server would refuse these keys")
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(s3_client, "_FIRST_WAIT", timedelta(milliseconds=1))
    return monkeypatch


@pytest.fixture
def lake(s3_server: S3Server, variables: object) -> lakehouse.Lake:
    return lakehouse.open(f"s3://{s3_server.new_bucket()}/{uuid.uuid4().hex}", create=True)


@pytest.fixture
def product(lake: lakehouse.Lake, bars: Bars) -> lakehouse.Product:
    made = lake.create(NAME, like=bars(), key=("symbol", "time"))
    made.append(bars(), source=lake.url, message="first")
    return made


def assert_plain(*texts: str | bytes) -> None:
    """Find neither the key nor the token in something that was written or shown."""
    for text in texts:
        data = text if isinstance(text, bytes) else text.encode()
        assert SECRET.encode() not in data
        assert TOKEN.encode() not in data


def chain(error: BaseException) -> Iterator[str]:
    """Yield everything that a tool may show of an error: its traceback, and all behind it."""
    yield "".join(traceback.format_exception(error))
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and each not in seen:
            seen.append(each)
            yield f"{each!r} {each.args} {vars(each)}"
            waiting += [each.__cause__, each.__context__]


def command(*words: str) -> tuple[int, str]:
    """Run the command line in a process, and return its exit code with all that it prints."""
    script = "import sys; from lakehouse.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False, env=os.environ
    )
    return done.returncode, done.stdout + done.stderr


def test_no_object_and_no_file_holds_a_secret(
    lake: lakehouse.Lake, product: lakehouse.Product, s3_server: S3Server, bars: Bars, tmp_path: Path
) -> None:
    bars(("C",)).write_csv(tmp_path / "C.csv")
    lake.backfill(NAME, tmp_path / "C.csv")
    lake.snapshot("q3", message="a name")
    lake.lock(tmp_path / "lake.lock", [NAME])
    lake.export(tmp_path / "lake.lock", f"{lake.url}-copy")
    lakehouse.checkout(tmp_path / "lake.lock")[NAME].read()
    lake.sql(f"select count(*) as n from {NAME}").to_polars()
    assert command("shell", "--lake", lake.url, "--write", str(tmp_path / "v.duckdb"))[0] == 0
    client, bucket = s3_server.client(), lake.url.removeprefix("s3://").split("/")[0]
    keys = [found["Key"] for found in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(keys) > 15
    for key in keys:
        answer = client.get_object(Bucket=bucket, Key=key)
        assert_plain(answer["Body"].read(), str(answer["Metadata"]))
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} >= {".lock", ".duckdb", ".sql", ".parquet"}
    assert_plain(*(file.read_bytes() for file in files))


def test_no_object_of_ours_shows_a_secret(lake: lakehouse.Lake, product: lakehouse.Product) -> None:
    probe = probe_store(lake.store, rounds=1, writers=2)
    shown = [lake, lake.store, product, product.table, product.state(), lake.snapshot("q3"), probe]
    shown += [*product.history(), lake.verify(), product.scan(), lake.sql(f"from {NAME}")]
    assert_plain(*(f"{each!r} {each}" for each in shown))
    assert_plain(str(vars(lake.store)), pickle.dumps(lake.store))


def fails_with_a_refusal(proxy: Proxy, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ENDPOINT_URL", proxy.url)
    proxy.choose = lambda *_: "403"


def fails_with_silence(_: Proxy, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    patch.setattr(s3_client, "_RETRIES", 1)


def fails_with_a_busy_server(proxy: Proxy, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ENDPOINT_URL", proxy.url)
    proxy.choose = lambda *_: "503"


FAILURES = [fails_with_a_refusal, fails_with_silence, fails_with_a_busy_server]


@pytest.mark.parametrize("fail", FAILURES)
def test_no_error_shows_a_secret(
    lake: lakehouse.Lake,
    product: lakehouse.Product,
    s3_proxy: Proxy,
    variables: pytest.MonkeyPatch,
    bars: Bars,
    fail: Callable[[Proxy, pytest.MonkeyPatch], None],
    tmp_path: Path,
) -> None:
    lake.lock(tmp_path / "lake.lock")
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    fail(s3_proxy, variables)
    store = lakehouse.store.open_store(lake.url)
    broken = lakehouse.Lake(store)
    calls: list[Callable[[], object]] = [
        lambda: lakehouse.open(lake.url),
        lambda: lakehouse.open(f"{lake.url}-new", create=True),
        lambda: broken[NAME],
        lambda: store.put_if_absent("a", b"1"),
        lambda: store.get("a"),
        lambda: store.local_path("a"),
        lambda: list(store.list("")),
        lambda: store.delete("a"),
        lambda: probe_store(store, rounds=1),
        lambda: lakehouse.checkout(tmp_path / "lake.lock"),
    ]
    for call in calls:
        with pytest.raises(LakehouseError) as caught:
            call()
        assert_plain(*chain(caught.value))
    logging.getLogger().removeHandler(handler)
    assert_plain(log.getvalue())


def test_a_checkpoint_that_is_refused_warns_without_a_secret(
    product: lakehouse.Product, s3_proxy: Proxy, variables: pytest.MonkeyPatch, bars: Bars
) -> None:
    variables.setattr(replay, "CHECKPOINT_EVERY", 1)
    refused = {"AWS_ENDPOINT_URL": s3_proxy.url, "AWS_ALLOW_HTTP": "true"}
    variables.setattr(product.table.store, "connection", lambda: refused)
    s3_proxy.choose = lambda *_: "403"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        product.append(bars(("AAPL",)))
    assert any("No checkpoint" in str(each.message) for each in caught)
    assert_plain(*(str(each.message) for each in caught))


def test_a_source_that_is_refused_shows_no_secret(s3_proxy: Proxy, variables: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    fails_with_a_refusal(s3_proxy, variables)
    with pytest.raises(LakehouseError, match="Can not read s3://bucket") as caught:
        lakehouse.FileSource("s3://bucket/*.csv").symbols()
    assert_plain(*chain(caught.value))


@pytest.mark.parametrize("fail", [None, *FAILURES])
def test_the_command_line_prints_no_secret(
    lake: lakehouse.Lake,
    product: lakehouse.Product,
    s3_proxy: Proxy,
    variables: pytest.MonkeyPatch,
    fail: Callable[[Proxy, pytest.MonkeyPatch], None] | None,
) -> None:
    if fail is not None:
        fail(s3_proxy, variables)
    for words in (["show", NAME], ["history", NAME, "--json"], ["init", f"{lake.url}-new"]):
        where = [] if words[0] == "init" else ["--lake", lake.url]
        code, printed = command(*words, *where, "--traceback")
        assert (code == 0) == (fail is None)
        assert ("Traceback" in printed) == (fail is not None)
        assert_plain(printed)


def test_a_wrong_profile_shows_no_secret(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        f"[a]\naws_access_key_id = k\naws_secret_access_key = {SECRET}\n[b\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        variables.delenv(name)
    variables.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    variables.setenv("AWS_PROFILE", "a")
    with pytest.raises(LakehouseError, match="AWS profile 'a'") as caught, suppress(KeyError):
        lakehouse.open("s3://bucket/lake")
    assert_plain(*chain(caught.value))
