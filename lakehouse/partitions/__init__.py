"""The bytes: layout, Parquet files, the Delta log, digests, reading."""
