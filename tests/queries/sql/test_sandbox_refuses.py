"""SQL that reads outside the lake or writes anything is refused, and leaves every folder as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import LakehouseError, NotFoundError, QueryError

T = "market_data.trades"

STATEMENTS = [
    "COPY (SELECT 1) TO '{out}'",
    "COPY market_data.trades TO '{lake}/stolen.csv'",
    "COPY (SELECT 1) TO '{data}' (FORMAT parquet, USE_TMP_FILE false)",
    "COPY market_data.trades FROM '{canary}'",
    "EXPORT DATABASE '{folder}/dump'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/other.duckdb'",
    "ATTACH '{lake}/other.duckdb' AS other (TYPE duckdb)",
    "DETACH memory",
    "USE main",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL spatial",
    "SET enable_external_access = true",
    "SET GLOBAL temp_directory = '{folder}'",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "PRAGMA add_parquet_key('key', '0123456789abcdef')",
    "PRAGMA database_list",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "CALL duckdb_settings()",
    "CALL pragma_version()",
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS FROM '{canary}'",
    "CREATE MACRO f(x) AS x + 1",
    "CREATE MACRO g() AS TABLE FROM read_text('{canary}')",
    "CREATE TYPE mood AS ENUM ('a')",
    "CREATE SEQUENCE s",
    "CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')",
    "INSERT INTO market_data.trades VALUES (1)",
    "UPDATE market_data.trades SET price = 0",
    "DELETE FROM market_data.trades",
    "TRUNCATE market_data.trades",
    "MERGE INTO market_data.trades USING (SELECT 1) AS s ON (true) WHEN MATCHED THEN DELETE",
    "DROP VIEW market_data.trades",
    "ALTER VIEW market_data.trades RENAME TO x",
    "COMMENT ON VIEW market_data.trades IS 'x'",
    "VACUUM",
    "ANALYZE",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "BEGIN TRANSACTION",
    "SELECT 1 INTO x",
    "SET VARIABLE x = 1",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SHOW DATABASES",
    "PIVOT market_data.trades ON symbol USING sum(price)",
    "WITH x AS (COPY (SELECT 1) TO '{out}') SELECT 1",
    "WITH x AS (COPY (SELECT 1) TO '{lake}/x.csv') FROM x",
    "WITH x AS (INSERT INTO market_data.trades VALUES (1) RETURNING *) FROM x",
    "WITH x AS (DELETE FROM market_data.trades RETURNING *) FROM x",
    "WITH x AS (UPDATE market_data.trades SET price = 1 RETURNING *) FROM x",
    "SELECT * FROM (WITH x AS (COPY (SELECT 1) TO '{out}') SELECT 1)",
    "SELECT (WITH x AS (COPY (SELECT 1) TO '{out}') SELECT 1)",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 1) TO '{out}'",
    "SELECT 1; /* */ DROP SCHEMA market_data CASCADE",
    "SELECT 1 \0 ; COPY (SELECT 1) TO '{out}'",
    "",
    " -- nothing",
    ";",
]

TABLES = [
    "FROM '{canary}'",
    "FROM '{data}'",
    'FROM "{canary}"',
    "FROM file.csv",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "market_data.trades"',
    "FROM '{folder}/*.csv'",
    "FROM 's3://bucket/file.parquet'",
    "FROM memory.market_data.trades",
    "FROM system.main.duckdb_settings",
    "FROM duckdb_settings",
    "FROM information_schema.tables",
    "FROM pg_catalog.pg_settings",
    "FROM main.sqlite_master",
    "FROM temp.x",
    "FROM frame",
    "FROM (DESCRIBE '{canary}')",
    "SUMMARIZE '{canary}'",
    "DESCRIBE TABLE '{canary}'",
    "SELECT * FROM market_data.trades AT (VERSION => 1)",
    "SELECT * FROM market_data.trades AS t JOIN '{canary}' AS c ON true",
    "SELECT (SELECT content FROM '{canary}')",
    "WITH x AS (FROM '{canary}') FROM x",
    "SELECT EXISTS (FROM '{canary}')",
    "PIVOT '{canary}' ON a IN ('x') USING count(*)",
    "TABLE '{canary}'",
]

FUNCTIONS = [
    "FROM read_text('{canary}')",
    "FROM read_blob('{canary}')",
    "FROM read_csv('{canary}')",
    "FROM read_csv_auto('{canary}')",
    "FROM sniff_csv('{canary}')",
    "FROM read_json('{canary}')",
    "FROM read_json_objects('{canary}')",
    "FROM read_ndjson_auto('{canary}')",
    "FROM read_parquet('{data}')",
    "FROM READ_PARQUET(['{data}'])",
    "FROM \"read_parquet\"('{data}')",
    "FROM parquet_scan('{data}')",
    "FROM parquet_metadata('{data}')",
    "FROM parquet_schema('{data}')",
    "FROM parquet_kv_metadata('{data}')",
    "FROM parquet_file_metadata('{data}')",
    "FROM parquet_bloom_probe('{data}', 'symbol', 'A')",
    "FROM read_duckdb('{folder}/x.duckdb')",
    "FROM glob('{folder}/*')",
    "FROM query('SELECT 1')",
    "FROM query_table('market_data.trades')",
    "FROM json_execute_serialized_sql('x')",
    "FROM arrow_scan(1, 2, 3)",
    "FROM pandas_scan(1)",
    "FROM python_map_function(1)",
    "FROM duckdb_settings()",
    "FROM duckdb_secrets()",
    "FROM duckdb_extensions()",
    "FROM duckdb_temporary_files()",
    "FROM pragma_version()",
    "FROM pragma_table_info('x')",
    "FROM which_secret('s3://x', 's3')",
    "FROM checkpoint()",
    "FROM enable_logging()",
    "FROM enable_profiling()",
    "FROM histogram('market_data.trades', price)",
    "FROM summary((FROM market_data.trades))",
    "FROM test_all_types()",
    "FROM repeat_row(1, num_rows = 5)",
    "FROM main.read_text('{canary}')",
    "FROM system.main.read_text('{canary}')",
    "FROM abs(1)",
    "SELECT getenv('HOME')",
    "SELECT current_setting('memory_limit')",
    "SELECT getvariable('x')",
    "SELECT nextval('s')",
    "SELECT currval('s')",
    "SELECT sleep_ms(10)",
    "SELECT pg_sleep(1)",
    "SELECT write_log('x')",
    "SELECT current_query()",
    "SELECT current_schemas(true)",
    "SELECT in_search_path('a', 'b')",
    "SELECT json_serialize_sql('SELECT 1')",
    "SELECT json_deserialize_sql('x')",
    "SELECT finalize(price) FROM market_data.trades",
    "SELECT create_sort_key(1, 'ASC')",
    "SELECT read_text('{canary}')",
    "SELECT '{canary}'.read_text()",
    "SELECT main.upper('a')",
    "SELECT system.main.upper('a')",
    "SELECT list_transform(['{canary}'], lambda path: read_text(path))",
    "SELECT list_transform(['{canary}'], path -> read_text(path))",
    "SELECT [read_text(path) FOR path IN ['{canary}']]",
    "SELECT count(*) FILTER (getenv('HOME') = 'x') FROM market_data.trades",
    "SELECT sum(price) OVER (PARTITION BY getenv('HOME')) FROM market_data.trades",
    "SELECT getenv('HOME') OVER () FROM market_data.trades",
    "SELECT 1 ORDER BY getenv('HOME')",
    "SELECT 1 LIMIT getenv('HOME')::INT",
    "SELECT 1 WHERE getenv('HOME') = 'x'",
    "SELECT 1 GROUP BY ALL HAVING getenv('HOME') = 'x'",
    "SELECT * REPLACE (getenv('HOME') AS symbol) FROM market_data.trades",
    "SELECT COLUMNS(c -> getenv('HOME') = c) FROM market_data.trades",
    "SELECT CASE WHEN true THEN getenv('HOME') END",
    "SELECT TRY(getenv('HOME'))",
    "SELECT getenv('HOME')::VARCHAR COLLATE nocase",
    "VALUES (getenv('HOME'))",
    "FROM range(getenv('HOME')::INT)",
    "FROM market_data.trades, LATERAL (SELECT getenv('HOME'))",
    "SELECT * FROM market_data.trades AS a JOIN market_data.trades AS b ON getenv('HOME') = a.symbol",
    "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + getenv('HOME')::INT FROM r) FROM r",
    "PIVOT market_data.trades ON symbol IN ('A') USING max(getenv('HOME'))",
    "SELECT no_such_function(1)",
    "SELECT 1::market_data.type",
]


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder, the current one, with a file that must stay unread."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canary.csv").write_text("hidden,words\n1,2\n")
    return tmp_path


def listing(*folders: Path) -> dict[str, tuple[int, int]]:
    files = (path for folder in folders for path in folder.rglob("*"))
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("text", [*STATEMENTS, *TABLES, *FUNCTIONS])
def test_it_is_refused_and_changes_nothing(desk: Any, canary: Path, text: str) -> None:
    data = desk.root / desk.states["market_data.trades"].files[0].path
    places = {
        "canary": canary / "canary.csv",
        "folder": canary,
        "out": canary / "out.csv",
        "lake": desk.root,
        "data": data,
    }
    for name, place in places.items():
        text = text.replace(f"{{{name}}}", place.as_posix())
    before = listing(canary, desk.root)
    with pytest.raises(LakehouseError, match=r"\w") as caught:
        desk.table(text)
    assert isinstance(caught.value, QueryError | NotFoundError)
    assert "hidden" not in str(caught.value)
    assert listing(canary, desk.root) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("COPY (SELECT 1) TO 'x'", "SQL here only reads: COPY is refused"),
        ("WITH x AS (COPY (SELECT 1) TO 'x') SELECT 1", "SQL here only reads: COPY is refused"),
        ("SELECT 1; SELECT 2", "exactly one SQL statement; got 2"),
        ("", "exactly one SQL statement; got none"),
        ("SELECT getenv('HOME')", "may not call 'getenv'"),
        ("SELECT uper('a')", "Did you mean upper"),
        ("FROM read_text('x')", "may not call 'read_text' in FROM"),
        ("FROM 'x.csv'", "'x.csv' is not a data product"),
        ("FROM trades", "Did you mean market_data.trades"),
        ("FROM market_data.trade", "Did you mean market_data.trades"),
        ("FROM information_schema.tables", "belongs to DuckDB"),
        ("SELECT main.upper('a')", "must not be qualified"),
        ("SHOW TABLES", "may not use SHOW"),
        ("SELECT * FROM market_data.trades AT (VERSION => 1)", "may not use 'at clause'"),
        ("SELEC 1", r"can not be parsed: syntax error .*line 1, character 1"),
        ("PIVOT market_data.trades ON symbol USING sum(price)", r"PIVOT … ON … IN"),
    ],
)
def test_the_message_says_what_is_refused_and_what_is_allowed(desk: Any, text: str, message: str) -> None:
    with pytest.raises(LakehouseError, match=message):
        desk.table(text)


def test_a_domain_that_bears_a_name_of_duckdb_is_refused_with_a_reason(desk: Any) -> None:
    with pytest.raises(QueryError, match="The domain 'temp' can not be read in SQL"):
        desk.table("FROM temp.trades")


def test_text_that_is_no_text_is_refused(desk: Any) -> None:
    with pytest.raises(QueryError, match="must be a str; got int"):
        desk.table(5)
    with pytest.raises(QueryError, match="valid Unicode"):
        desk.table("SELECT '\ud800'")


@pytest.mark.parametrize(
    "text", ["SELECT " + "(" * 5000 + "1" + ")" * 5000, "FROM " + "(FROM " * 2000 + T + ")" * 2000]
)
def test_text_that_is_nested_without_end_is_refused_and_does_not_crash(desk: Any, text: str) -> None:
    with pytest.raises(QueryError, match=r"too deeply|depth limit"):
        desk.table(text)
