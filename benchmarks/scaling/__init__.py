"""How the cost grows with files, rows, symbols and processes: `python -m benchmarks.scaling`."""
