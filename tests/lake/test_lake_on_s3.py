"""The whole path again in a bucket: a real server in a process of its own, moto unless another is given."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import deltalake
import polars as pl
import pytest

import lakehouse
from lakehouse.catalog.rule import Rule
from lakehouse.errors import AlreadyExistsError, KeyConflictError, NotFoundError, QualityError, StorageError
from lakehouse.partitions import replay
from lakehouse.partitions.reading import read_stored
from lakehouse.partitions.selection import select_pieces
from lakehouse.times import Interval

if TYPE_CHECKING:
    from tests.conftest import S3Server

NAME = "market_data.bars_1m"
KEY = ("symbol", "time")
ROOT = Path(__file__).parents[2]

Bars = Callable[..., pl.DataFrame]
NewLake = Callable[[], lakehouse.Lake]

# Appends three days, one a commit, and says the versions; the days of two writers are the same.
WRITER = """
import sys
import polars as pl
import lakehouse
product = lakehouse.open(sys.argv[1])["market_data.bars_1m"]
frame = product.read("IBM").to_polars()
product.table.head()
print("ready", flush=True)
sys.stdin.readline()
for day in range(4):
    rows = frame.with_columns(symbol=pl.lit(sys.argv[2]), time=pl.col("time") + pl.duration(days=40 * day))
    print(product.append(rows).version, flush=True)
"""


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give a new bucket, and set the variables with which this process and its children reach it."""
    variables = s3_server.environment | {
        "LAKEHOUSE_CACHE": str(tmp_path_factory.mktemp("cache")),
        "PYTHONPATH": str(ROOT),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield s3_server.new_bucket()


@pytest.fixture
def lake(bucket: str) -> lakehouse.Lake:
    """Give an empty lake below a prefix of its own."""
    return lakehouse.open(f"s3://{bucket}/lakes/{uuid.uuid4().hex}", create=True)


@pytest.fixture
def product(lake: lakehouse.Lake, bars: Bars) -> lakehouse.Product:
    """Give a product of minute bars with three days of two symbols in version 1."""
    rules = (Rule("open_positive", "positive", ("open",), {}),)
    made = lake.create(NAME, like=bars(), key=KEY, layout="date=month,symbol=row_groups", rules=rules)
    made.append(bars())
    return made


def writers(lake: lakehouse.Lake, *symbols: str, caches: Path | None = None) -> list[list[int]]:
    """Let writers begin at once, each in a process, maybe with its own cache; return their versions."""
    pipe, processes = subprocess.PIPE, []
    for number, symbol in enumerate(symbols):
        own = {} if caches is None else {"LAKEHOUSE_CACHE": str(caches / f"{number}")}
        command = [sys.executable, "-c", WRITER, lake.url, symbol]
        processes.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | own))
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(symbols)
    return [[int(line) for line in text.split()] for text in said]


def test_an_unknown_lake_and_bucket_are_not_found(bucket: str) -> None:
    with pytest.raises(NotFoundError, match="There is no lake at s3://"):
        lakehouse.open(f"s3://{bucket}/nothing")
    with pytest.raises(StorageError, match="There is no bucket s3://no-such-bucket"):
        lakehouse.open("s3://no-such-bucket-of-ours/lake", create=True)


def test_what_was_written_is_read_and_asked_in_sql(product: lakehouse.Product, bars: Bars) -> None:
    lake = lakehouse.open(product.table.store.url)
    assert lake.products() == [NAME]
    assert lake[NAME].read().to_polars().equals(bars().sort("symbol", "time"))
    found = lake.sql(f"select symbol, sum(volume) as volume from {NAME} group by 1 order by 1").to_polars()
    assert found.rows() == [("BRK/B", 12), ("IBM", 3)]
    assert lake[NAME].read("IBM", "2024-01-02", "2024-01-03").num_rows == 1


def test_every_kind_of_write_makes_a_version(product: lakehouse.Product, bars: Bars) -> None:
    product.upsert(bars(("IBM",), days=1, price=50.0))
    product.update(bars(("BRK/B",), price=60.0), start="2024-01-01", end="2024-02-01")
    product.delete("IBM", start="2024-01-03")
    product.restore(1)
    commits = product.history()
    assert [commit.operation for commit in commits] == [
        "restore",
        "delete",
        "update",
        "upsert",
        "append",
        "create",
    ]
    assert [commit.rows for commit in commits] == [6, 4, 6, 6, 6, 0]
    assert product.read(version=3).to_polars()["open"].to_list() == [60.0] * 3 + [50.0, 100.0, 100.0]
    assert product.digest == commits[4].digest
    assert product.verify().ok


def test_a_product_is_compacted_cut_and_restored(product: lakehouse.Product, bars: Bars) -> None:
    lake, digest = lakehouse.open(product.table.store.url), product.digest
    lake.snapshot("before")
    product.append(bars(("AAPL",)))
    product.append(bars(("MSFT",), first=19_725))
    whole = product.digest
    report = lake.compact(NAME, dry_run=False)
    assert (report.files_before, report.files_after, report.commits) == (3, 1, (4,))
    assert (product.digest, product.rows) == (whole, 12)
    cut = lake.retain(NAME, before="2024-01-03T12:00", dry_run=False)
    assert (cut.rows, product.rows, [held.holder.name for held in cut.held]) == (3, 9, [])
    assert lake.restore(NAME, "before", dry_run=False).commit == 6
    assert product.digest == digest
    assert product.verify().ok


def test_a_refused_write_leaves_the_bucket_as_it_was(product: lakehouse.Product, bars: Bars) -> None:
    objects = [entry.path for entry in product.table.store.list("")]
    with pytest.raises(KeyConflictError, match="stored"):
        product.append(bars(price=7.0))
    assert [entry.path for entry in product.table.store.list("")] == objects


def test_bad_rows_go_to_quarantine_and_come_back(product: lakehouse.Product, bars: Bars) -> None:
    commit = product.append(pl.concat([bars(("AAPL",)), bars(("BAD",), price=-5.0)]))
    assert (commit.accepted, commit.quarantined) == (3, 3)
    assert product.quarantine.read(commit.version).num_rows == 3
    assert product.quarantine.replay(commit.version, bars(("BAD",), price=5.0)).accepted == 3
    assert product.quarantine.replay(commit.version, bars(("BAD",), price=5.0)).repeated
    assert product.rows == 12


def test_scores_are_measured_recorded_and_demanded(product: lakehouse.Product, bars: Bars) -> None:
    commit = product.append(bars(("BAD",), price=-5.0))
    lake = lakehouse.open(product.table.store.url)
    assert [lake.quality(NAME).score for _ in range(2)] == [6 / 9, 6 / 9]
    assert lake["quality.scores"].read().to_polars().filter(scope="product").height == 1
    with pytest.raises(QualityError, match="open_positive: 3"):
        lake.snapshot("good", [NAME], minimum_quality=1.0)
    product.quarantine.correct(commit.version, lambda _: bars(("BAD",), price=5.0).with_row_index("_row"))
    assert lake.snapshot("good", [NAME], minimum_quality=1.0).name == "good"


def test_a_snapshot_and_a_lock_keep_their_rows(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars, tmp_path: Path
) -> None:
    lake.snapshot("q3")
    with pytest.raises(AlreadyExistsError, match="q3"):
        lake.snapshot("q3")
    lock = lake.lock(tmp_path / "lake.lock", [NAME])
    product.upsert(bars(price=50.0))
    for past in (lake.checkout("q3"), lakehouse.checkout(tmp_path / "lake.lock")):
        assert past[NAME].read().to_polars()["open"].to_list() == [100.0] * 6
        assert past.digests == {NAME: lock.products[0].digest}
        assert past.verify().ok


def test_an_export_goes_from_a_bucket_to_a_disk_and_back(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars, tmp_path: Path
) -> None:
    lock = lake.lock(tmp_path / "lake.lock", [NAME])
    product.append(bars(("AAPL",)))
    small = lake.export(tmp_path / "lake.lock", tmp_path / "small")
    back = small.export(tmp_path / "lake.lock", f"{lake.url}-copy")
    for copy in (small, back):
        assert copy[NAME].digest == lock.products[0].digest
        assert copy.verify().ok
        assert lakehouse.checkout(tmp_path / "lake.lock", root=copy.url).verify().ok


def test_a_backfill_is_resumed_in_a_bucket(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars, tmp_path: Path
) -> None:
    for symbol in ("C", "D"):
        bars((symbol,)).write_csv(tmp_path / f"{symbol}.csv")
    first = lake.backfill(NAME, tmp_path / "*.csv", symbols=["C"])
    again = lakehouse.open(lake.url).backfill(NAME, tmp_path / "*.csv", symbols=["C"])
    assert (first.accepted, again.accepted, again.skipped) == (3, 0, 2)


def test_processes_stage_the_rows_of_a_backfill_in_a_bucket(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars, tmp_path: Path
) -> None:
    for symbol in ("C", "D"):
        bars((symbol,)).write_parquet(tmp_path / f"{symbol}.parquet")
    report = lake.backfill(NAME, tmp_path / "*.parquet", executor="processes", workers=1)
    assert (report.committed, report.accepted, report.failures) == (2, 6, ())
    assert product.verify().ok
    assert [entry for entry in lake.store.list("") if "/_staging/" in entry.path] == []


def test_checkpoints_are_written_and_read(
    product: lakehouse.Product, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 5)
    for number in range(2, 13):
        product.append(bars(("IBM",), first=19_724 + 10 * number), idempotency_key=f"feed-{number}")
    log = [entry.path for entry in product.table.store.list(f"{product.table.path}/_delta_log")]
    assert sum(path.endswith(".checkpoint.parquet") for path in log) == 2
    fresh = lakehouse.open(product.table.store.url)[NAME]
    assert (fresh.version, fresh.rows, fresh.digest) == (12, 39, product.digest)
    assert fresh.append(bars(("IBM",)), idempotency_key="feed-7").repeated
    assert fresh.read(version=10).num_rows == 33


def test_a_checkpoint_goes_where_the_profile_says(
    s3_server: S3Server, bucket: str, bars: Bars, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Deltalake reads no endpoint from the files of AWS: it asked amazonaws.com, for minutes."""
    given = os.environ
    lines = [
        "[quant]",
        *(f"{name.lower()}={given[name]}" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
    ]
    (tmp_path / "credentials").write_text("\n".join(lines))
    region = given["AWS_REGION"]
    (tmp_path / "config").write_text(f"[profile quant]\nregion={region}\nendpoint_url={s3_server.endpoint}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "quant")
    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 1)
    lake = lakehouse.open(f"s3://{bucket}/lakes/{uuid.uuid4().hex}", create=True)
    product = lake.create(NAME, like=bars(), key=KEY)
    product.append(bars())
    assert lake.store.size(f"{product.table.path}/_delta_log/_last_checkpoint") is not None


def test_a_checkpoint_that_can_not_be_written_only_warns(
    product: lakehouse.Product, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 1)
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true"}
    monkeypatch.setattr(product.table.store, "connection", lambda: nowhere)
    with pytest.warns(UserWarning, match="No checkpoint of market_data.bars_1m was written: Kernel error"):
        assert product.append(bars(("AAPL",))).version == 2
    assert lakehouse.open(product.table.store.url)[NAME].rows == 9


def test_deltalake_reads_the_same(product: lakehouse.Product, bars: Bars) -> None:
    product.upsert(bars(("IBM",), days=1, price=50.0))
    table = deltalake.DeltaTable(f"{product.table.store.url}/{product.table.path}")
    read = pl.from_arrow(table.to_pyarrow_table())
    assert isinstance(read, pl.DataFrame)
    ours = product.read(columns=["symbol", "open", "volume"]).to_polars()
    assert read.sort("symbol", "time").select(ours.columns).equals(ours)


def test_another_process_sees_what_was_committed(product: lakehouse.Product) -> None:
    assert writers(lakehouse.open(product.table.store.url), "X") == [[2, 3, 4, 5]]
    assert product.version == 5
    assert product.rows == 6 + 12


def test_two_processes_race_for_versions_and_lose_nothing(product: lakehouse.Product) -> None:
    versions = writers(lakehouse.open(product.table.store.url), "X", "Y", "Z")
    assert sorted(version for each in versions for version in each) == list(range(2, 14))
    assert product.rows == 6 + 3 * 12
    assert {row["symbol"]: row["rows"] for row in product.symbols().to_arrow().to_pylist()} == {
        "BRK/B": 3,
        "IBM": 3,
        "X": 12,
        "Y": 12,
        "Z": 12,
    }
    assert product.verify().ok


def test_machines_that_append_at_the_same_instants_lose_nothing(
    lake: lakehouse.Lake, bars: Bars, tmp_path: Path
) -> None:
    """With caches of their own writers do not queue: put-if-absent decides, and each looks at ties anew."""
    product = lake.create(NAME, like=bars(), key=(), layout="date=month,symbol=row_groups")
    product.append(bars())
    versions = writers(lake, "IBM", "IBM", caches=tmp_path)
    assert sorted(version for each in versions for version in each) == list(range(2, 10))
    stored = read_stored(product.state(), select_pieces(product.state(), ["IBM"], Interval()))
    places = list(zip(stored["time"].to_pylist(), stored["_sequence"].to_pylist(), strict=True))
    assert len(places) == len(set(places)) == 3 + 2 * 12
    assert max(rank for _, rank in places) == 2
    assert product.verify().ok


def test_a_hundred_commits_make_a_checkpoint(product: lakehouse.Product, bars: Bars) -> None:
    for number in range(2, 104):
        product.append(bars(("IBM",), days=1, first=19_800 + number))
    assert lakehouse.open(product.table.store.url)[NAME].rows == 6 + 102
    assert product.table.store.size(f"{product.table.path}/_delta_log/_last_checkpoint") is not None


def test_the_doctor_puts_a_lost_object_back_from_the_cache(
    lake: lakehouse.Lake, product: lakehouse.Product
) -> None:
    path = product.state().files[0].path
    good = lake.store.get(path)
    assert lake.doctor().findings == ()  # and so every file is in the cache
    lake.store.delete(path)
    lake.store.put_if_absent(path, bytes(len(good)))
    [found] = lakehouse.open(lake.url).doctor().findings
    assert (found.kind, found.path) == ("altered-file", path)
    assert lake.doctor(repair=True).ok
    assert lake.store.get(path) == good
    lake.store.delete(path)
    assert [each.kind for each in lake.doctor(quick=True).findings] == ["missing-file"]
    assert lake.doctor(repair=True).ok


def test_the_doctor_tells_an_altered_copy_in_the_cache_from_an_altered_object(
    lake: lakehouse.Lake, product: lakehouse.Product
) -> None:
    path = product.state().files[0].path
    copy = lake.store.local_path(path)
    data = copy.read_bytes()
    copy.chmod(0o600)
    copy.write_bytes(bytes(len(data)))
    [found] = lake.doctor().findings
    assert (found.kind, found.repair) == ("altered-cache", None)
    copy.unlink()
    assert lake.doctor().ok


def test_the_tail_of_a_lake_in_a_bucket_is_seen_on_this_machine(
    product: lakehouse.Product, lake: lakehouse.Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_TAILS", str(tmp_path / "tails"))
    row = product.tail(1, symbols="IBM").to_polars().with_columns(pl.col("time").dt.offset_by("1d"))
    with lake.stream(NAME) as stream:
        stream.write(row)
        assert product.rows == 6
        assert len(product.read("IBM")) == 4
        assert lake.sql(f"select count(*) as n from {NAME}").to_polars()["n"].to_list() == [7]
        assert product.latest("IBM").to_polars().equals(row)
    assert product.rows == 7
