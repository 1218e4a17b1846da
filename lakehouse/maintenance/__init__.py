"""Compaction, retention, garbage collection and repair: everything that takes something away."""
