"""Files behind a URL read as the same files on the disk do, and no message shows a secret of the URL."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import deltalake
import polars as pl
import pytest

from lakehouse.errors import ArgumentError, LakehouseError, SourceError
from lakehouse.ingest import sources
from lakehouse.ingest.sources import FileSource
from lakehouse.ingest.sources.remote import shown
from lakehouse.schema import TableSchema
from lakehouse.times import Interval

if TYPE_CHECKING:
    from tests.conftest import S3Server

Read = Callable[..., pl.DataFrame]
Put = Callable[[dict[str, bytes]], str]

SECRET = "hush-hush"
FILES = {
    "us/IBM.csv.gz": gzip.compress(b"date,open,high,low,close,volume\n2024-01-02,1,2,0.5,1.5,10\n", mtime=0),
    "us/AAPL.csv": b"date,open,high,low,close,volume\n2024-01-02,3,4,2.5,3.5,30\n2024-01-03,3,4,2.5,3.6,31\n",
    "us/.hidden.csv": b"nonsense",
    "notes.md": b"no data",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the files on the disk: the oracle."""
    for name, data in FILES.items():
        (tmp_path / "disk" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "disk" / name).write_bytes(data)
    return tmp_path / "disk"


def put_in_memory(files: dict[str, bytes]) -> str:
    import fsspec

    root = f"memory://{uuid.uuid4().hex}/data"
    for name, data in files.items():
        with fsspec.open(f"{root}/{name}", "wb") as handle:
            handle.write(data)
    return root


@pytest.fixture
def variables(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Set what a user sets for the server, with an empty home."""
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.fixture
def put_in_bucket(s3_server: S3Server, variables: object) -> Put:
    """Give a function that puts files below a new prefix of a bucket, and returns its URL."""
    bucket = s3_server.new_bucket()

    def put(files: dict[str, bytes]) -> str:
        prefix = uuid.uuid4().hex
        for name, data in files.items():
            s3_server.client().put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=data)
        return f"s3://{bucket}/{prefix}"

    return put


@pytest.fixture(params=["memory", "s3", "file"])
def put(request: pytest.FixtureRequest, tmp_path: Path) -> Put:
    """Give a function that puts files somewhere and returns the URL of their folder, for each scheme."""
    if request.param == "s3":
        made: Put = request.getfixturevalue("put_in_bucket")
        return made
    if request.param == "memory":
        pytest.importorskip("fsspec", reason="the extra s3 is not installed")
        return put_in_memory

    def put_on_disk(files: dict[str, bytes]) -> str:
        root = tmp_path / "with blank"
        for name, data in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        return root.as_uri()

    return put_on_disk


@pytest.mark.parametrize(
    "below", ["", "/us/", "/us/*.csv*", "/us/{symbol}.csv.gz", "/**/*.csv", "/us/AAPL.csv"]
)
def test_a_url_gives_what_the_same_path_gives(
    put: Put, folder: Path, daily: TableSchema, read: Read, below: str
) -> None:
    """Chunks have equal ids too, so that a ledger knows a file wherever it has moved."""
    url = put(FILES)
    here, there = FileSource(f"{folder}{below}"), FileSource(f"{url}{below}")
    assert there.symbols() == here.symbols()
    assert there.chunks(daily, None, Interval()) == here.chunks(daily, None, Interval())
    assert read(f"{url}{below}", daily).equals(read(f"{folder}{below}", daily))


def test_a_recipe_chooses_files_behind_a_url(put: Put, daily: TableSchema, read: Read) -> None:
    url = put({"a/IBM.csv": FILES["us/AAPL.csv"], "b/C.csv": FILES["us/AAPL.csv"]})
    frame = read(url, daily, {"files": "a/{symbol}.csv"})
    assert frame["symbol"].unique().to_list() == ["IBM"]
    assert read(f"{url}/b/C.csv", daily, {"files": "b/{symbol}.csv"})["symbol"].unique().to_list() == ["C"]


def test_a_file_that_comes_later_is_seen(put: Put, daily: TableSchema) -> None:
    """No listing is kept: a backfill is repeated to find what has come."""
    url = put({"IBM.csv": FILES["us/AAPL.csv"]})
    source = FileSource(url)
    assert source.symbols() == ("IBM",)
    if url.startswith("s3://"):
        import boto3

        bucket, prefix = url.removeprefix("s3://").split("/")
        boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/C.csv", Body=FILES["us/AAPL.csv"])
        assert source.symbols() == ("C", "IBM")


@pytest.mark.parametrize("below", ["/nothing", "/nothing.csv", "/nothing/*.csv", "/us/*.parquet"])
def test_a_url_with_nothing_there_says_so(put: Put, daily: TableSchema, below: str) -> None:
    url = put(FILES)
    with pytest.raises(SourceError, match=r"There (is no file, folder or template|are no files like)"):
        FileSource(f"{url}{below}").chunks(daily, None, Interval())


def test_a_file_that_changes_after_the_plan_is_refused(put_in_bucket: Put, daily: TableSchema) -> None:
    import boto3

    url = put_in_bucket({"IBM.csv": FILES["us/AAPL.csv"]})
    source = FileSource(url)
    chunk = source.chunks(daily, None, Interval())[0]
    bucket, prefix = url.removeprefix("s3://").split("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/IBM.csv", Body=b"date,close\n2024-01-02,1\n")
    with pytest.raises(SourceError, match="has changed since it was planned"):
        source.read(chunk, daily)


def test_a_profile_is_used(
    put_in_bucket: Put, variables: pytest.MonkeyPatch, s3_server: S3Server, tmp_path: Path
) -> None:
    url = put_in_bucket(FILES)
    keys = ("access_key_id", "secret_access_key")
    lines = [f"aws_{name} = {s3_server.environment[f'AWS_{name.upper()}']}" for name in keys]
    lines += [f"region = {s3_server.environment['AWS_REGION']}", f"endpoint_url = {s3_server.endpoint}"]
    (tmp_path / "credentials").write_text("\n".join(["[research]", *lines]))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"):
        variables.delenv(name)
    variables.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    variables.setenv("AWS_PROFILE", "research")
    assert FileSource(f"{url}/us").symbols() == ("AAPL", "IBM")


def test_a_bucket_that_is_not_there_or_not_reachable_is_a_source_error(variables: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"s3://no-such-bucket-of-ours"):
        FileSource("s3://no-such-bucket-of-ours/*.csv").symbols()
    variables.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match=r"Can not read s3://bucket: \w+"):
        FileSource("s3://bucket/*.csv").symbols()


def test_an_endpoint_without_encryption_is_refused_as_for_a_lake(variables: pytest.MonkeyPatch) -> None:
    variables.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(ArgumentError, match="is not encrypted"):
        FileSource("s3://bucket/*.csv")


@pytest.fixture
def web() -> Iterator[str]:
    """Give the address of a web server that wants a key in the query."""
    pytest.importorskip("aiohttp", reason="the extra s3 is not installed")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place, _, query = self.path.partition("?")
            body = FILES.get(place.lstrip("/"))
            status = 403 if query != f"key={SECRET}" else 404 if body is None else 200
            self.send_response(status)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if self.command == "GET" and status == 200:
                self.wfile.write(body or b"")

        do_HEAD = do_GET  # noqa: N815  # a name that http.server asks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", ["us/AAPL.csv", "us/IBM.csv.gz"])
def test_a_file_of_a_web_server_is_read(
    web: str, folder: Path, daily: TableSchema, read: Read, name: str
) -> None:
    url = f"{web}/{name}?key={SECRET}"
    assert read(url, daily).equals(read(folder / name, daily))
    assert FileSource(url).name == f"{web}/{name}"


@pytest.mark.parametrize("query", ["?key=wrong-hush-hush", f"?key={SECRET}&x=1"])
def test_a_refusal_of_a_web_server_shows_no_key(web: str, daily: TableSchema, query: str) -> None:
    source = FileSource(f"{web}/us/AAPL.csv{query}")
    chunk = source.chunks(daily, None, Interval())[0]
    with pytest.raises(SourceError, match=r"Can not read http://127.0.0.1:\d+/us/AAPL.csv: ") as caught:
        source.read(chunk, daily)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(source.__dict__["_place"])


def test_a_login_and_a_query_are_not_shown() -> None:
    assert shown(f"https://me:{SECRET}@host/a.csv?sig={SECRET}#x") == "https://host/a.csv"
    assert shown("s3://bucket/a?.csv") == "s3://bucket/a?.csv"


def test_a_login_in_the_url_of_a_bucket_is_refused_and_not_repeated(variables: object) -> None:
    with pytest.raises(LakehouseError, match="Not the URL of a bucket") as caught:
        FileSource(f"s3://AKIA:{SECRET}@bucket/*.csv")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_an_unknown_scheme_is_refused() -> None:
    pytest.importorskip("fsspec", reason="the extra s3 is not installed")
    with pytest.raises(ArgumentError, match=r"Can not open nonsense:// files[\s\S]*Hint: Use a local path"):
        FileSource("nonsense://a/b.csv")


@pytest.mark.parametrize(
    ("url", "library"),
    [("memory://a/*.csv", "fsspec"), ("s3://bucket/*.csv", "s3fs"), ("https://host/a.csv", "aiohttp")],
)
def test_a_missing_library_names_the_extra(url: str, library: str, tmp_path: Path) -> None:
    if library != "fsspec":
        pytest.importorskip("fsspec", reason="the extra s3 is not installed")
    script = f"import sys; sys.modules[{library!r}] = None; import lakehouse; lakehouse.FileSource({url!r})"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert f"MissingExtraError: This needs the library '{library}'" in done.stderr
    assert "Hint: pip install 'quant-lakehouse[s3]'" in done.stderr


def test_a_url_in_a_path_is_no_url(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no file, folder or template"):
        FileSource(Path("s3://bucket/a.csv"))


@pytest.mark.parametrize("name", ["hive", "delta"])
def test_partitioned_tables_in_a_bucket_read_as_on_the_disk(
    put_in_bucket: Put, tmp_path: Path, ticks: TableSchema, name: str
) -> None:
    instant = datetime(2024, 1, 2, tzinfo=UTC)
    rows = pl.DataFrame({"symbol": ["IBM", "BRK/B"], "time": [instant] * 2, "price": [1.5, 2.5]})
    deltalake.write_deltalake(str(tmp_path / "table"), rows.to_arrow(), partition_by=["symbol"])
    files = [path for path in (tmp_path / "table").rglob("*") if path.is_file()]
    url = put_in_bucket(
        {path.relative_to(tmp_path / "table").as_posix(): path.read_bytes() for path in files}
    )
    if name == "hive":  # the log is no data
        url = f"{url}/symbol*/*.parquet"
    source = sources.open(f"{name}:{url}")
    frames = [pl.DataFrame(source.read(chunk, ticks)) for chunk in source.chunks(ticks, None, Interval())]
    assert source.symbols() == ("BRK/B", "IBM")
    assert pl.concat(frames).sort("symbol")["price"].to_list() == [2.5, 1.5]


def test_a_delta_table_that_is_not_in_the_bucket_is_a_source_error(put_in_bucket: Put) -> None:
    with pytest.raises(SourceError, match=r"Can not read the Delta table s3://"):
        sources.open(f"delta:{put_in_bucket({'a/b.parquet': b''})}")
