"""Tables of many live files, made cheaply: real facts and real commits over hard links to one small file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import lakehouse
from benchmarks.data import DAY_NS, batch_of_bars, symbols
from lakehouse.catalog.contract import Contract
from lakehouse.ingest.plans import sequenced, scope_of
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_files import WrittenFile, write_data_files
from lakehouse.partitions.table import Change
