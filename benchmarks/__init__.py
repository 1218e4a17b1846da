"""Measured numbers of the lake: `python benchmarks/run.py` prints them as one table."""
