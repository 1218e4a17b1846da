"""The maintenance of an open lake: each call explains first, and acts where it is told to."""

from __future__ import annotations

from lakehouse.view import LakeView


class Upkeep(LakeView):
    """Maintenance: what it would do is said by default, `dry_run=False` does it.

    No call takes away what a snapshot, a lock, an open reader or a writer in flight holds.
    """
