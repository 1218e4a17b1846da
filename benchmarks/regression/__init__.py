"""Whether the lake does more work than it did: counts against the last accepted table, never seconds.

`python -m benchmarks.regression` compares, `--accept` makes the present counts the accepted ones.
"""
