"""SQL over the products of a lake: a sandbox, views over the pruned files, results as Arrow.

Traps of DuckDB 2.0 that a query should know:

- `date_trunc`, `time_bucket`, `::DATE` and `::TIMESTAMP` round nanoseconds up: 09:30:59.9999996 lands in
  09:31. Cut spans with `epoch_ns(time)`; before 1970 `//` rounds towards zero, so take
  `ns - (ns % width + width) % width`.
- A zone in a literal is ignored: '2024-01-01 00:00+02' is midnight UTC. Give a `datetime` with a zone as a
  parameter instead.
- `now()` has a zone and the columns have none: compare with `now()::TIMESTAMP`.
- The sum of BIGINT is a HUGEINT, which comes out as a decimal: write `sum(size)::BIGINT`.
- Among rows of equal time an as-of join takes any where DuckDB does it; where we do, the last that arrived
  when it looks back, and the first when it looks ahead. `explain` says whose it is.
- NaN is above all numbers: `max(price)` is NaN where there is one, `price > 100` holds for it, and a sum of
  it is NaN: add `WHERE NOT isnan(price)`. `Scan.aggregate` leaves NaN out, as it does null.
- `1 // 0` and `1 % 0` are errors, `1 / 0` is infinity: write `nullif(…, 0)`.
"""

from __future__ import annotations

from lakehouse.queries.sql.bind import Parameters
from lakehouse.queries.sql.engine import SqlResult
from lakehouse.queries.sql.plan import QueryPlan, ScanPlan
from lakehouse.queries.sql.run import explain_sql, run_sql

__all__ = ["Parameters", "QueryPlan", "ScanPlan", "SqlResult", "explain_sql", "run_sql"]
