# Needs Python 3.11 or newer, git and make; everything else is installed into .venv.
#   make demo                     the main job, on daily bars of five US stocks
#   make demo DATA=folder         the same on your own CSV or Parquet files
#   make test ARGS="-k snapshot"  with arguments for pytest
#   make test PYTHON=python3.12   with another Python
# Without make, on Windows too: py tools/run.py demo

PYTHON ?= python3
DATA ?=
ARGS ?=

help:
	@$(PYTHON) tools/run.py --help

demo:
	@$(PYTHON) tools/run.py demo $(if $(DATA),--data "$(DATA)") $(ARGS)

test test-services torture bench check format setup clean:
	@$(PYTHON) tools/run.py $@ $(ARGS)

.PHONY: help demo test test-services torture bench check format setup clean
