"""Quality rules: which rows of a frame break which rule of the contract.

`check_rules` proves a contract's rules once, when the contract is created; `evaluate_rules` judges frames.
`JUDGES` is the table of kinds; each family has a file of its own: `values`, `bars`, `sequence`, `changes`,
`spike`, `others`, `sql`.

A null breaks no rule but `not_null`. NaN breaks `positive`, `non_negative`, `range`, `one_of`, `ohlc` and
`volume`.
"""

from __future__ import annotations

from lakehouse.ingest.rules.check import check_rules
from lakehouse.ingest.rules.evaluate import evaluate_rules
from lakehouse.ingest.rules.judges import JUDGES, ROW_KINDS
from lakehouse.ingest.rules.others import Others

__all__ = ["JUDGES", "ROW_KINDS", "Others", "check_rules", "evaluate_rules"]
