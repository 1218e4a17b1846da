"""Ways in: the write gate, quality rules, quarantine, sources, backfill."""
