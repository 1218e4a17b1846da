"""SQL over the products of a lake: a sandbox, views over the pruned files, results as Arrow."""

from __future__ import annotations

from lakehouse.queries.sql.bind import Parameters
from lakehouse.queries.sql.engine import SqlResult
from lakehouse.queries.sql.run import ScanPlan, explain_sql, run_sql

__all__ = ["Parameters", "ScanPlan", "SqlResult", "explain_sql", "run_sql"]
