"""Commits as rows: for history, show, and what a write answers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse.partitions.commit_record import Commit


def commit_row(commit: Commit) -> dict[str, Any]:
    """Return what a commit says of itself, as plain values; the ledger's chunks are counted."""
    row = {each.name: getattr(commit, each.name) for each in dataclasses.fields(commit)}
    quarantine = row.pop("quarantine")
    row["rules"] = dict(quarantine.rules) if quarantine is not None else {}
    row["warnings"] = dict(commit.warnings)
    row["chunks"] = len(commit.chunks)
    return row
