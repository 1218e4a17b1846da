"""The lake beside what a user would pick instead, on the same data and with equal answers.

`python -m benchmarks.compare --scale small` runs all in one go; see `benchmarks/compare/__main__.py`.
"""
