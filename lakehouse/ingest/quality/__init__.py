"""How good the rows of a product are: its rules over stored and refused rows, in one score."""

from __future__ import annotations

from lakehouse.ingest.quality.measure import measure
from lakehouse.ingest.quality.report import QualityReport, RuleFailures
from lakehouse.ingest.quality.scores import SCORES, scores_key, scores_of

__all__ = ["SCORES", "QualityReport", "RuleFailures", "measure", "scores_key", "scores_of"]
