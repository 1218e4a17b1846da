"""The demo's command line: `lake demo`, `python -m lakehouse.demo`."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from lakehouse.errors import LakehouseError, MissingExtraError

_DESCRIPTION = """\
Load real daily bars, pin them, run a backtest, let the vendor correct a stock,
and show that the pinned result stays the same, bit for bit.
"""
_EXAMPLES = """\
examples:
  lake demo
  lake demo --data my/bars --out somewhere/else
  lake demo --data my/minutes --time-zone America/New_York
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo, and print a report.

    Args:
        argv: the arguments; None for those of the process.

    Returns:
        0 if every promise was kept; 1 if one was broken, or the input or the folder can not be used.

    Raises:
        SystemExit: with 2 for wrong usage, with 0 after --help.
    """
    options = _parser().parse_args(argv)
    try:
        _check_extra()
        return 0 if _run(options) else 1
    except LakehouseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> bool:
    # What follows loads polars, pandas and rich: `--help` is quick without them.
    from lakehouse.demo.data import own_input, sample_input
    from lakehouse.demo.folder import prepare_folder
    from lakehouse.demo.report import Report
    from lakehouse.demo.story import tell

    given = sample_input() if options.data is None else own_input(options.data, time_zone=options.time_zone)
    return tell(given, prepare_folder(options.out), Report())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lake demo",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="your own CSV or Parquet files of bars")
    parser.add_argument(
        "--time-zone", metavar="ZONE", help="of local times in your files, such as Europe/Zurich"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", default=Path("demo"), help="where to write (default: demo)"
    )
    return parser


def _check_extra() -> None:
    """Say what is missing before the work begins, not at its end.

    Raises:
        MissingExtraError: the extra `demo` is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError.of("matplotlib", "demo")
    if importlib.util.find_spec("pandas") is None:
        raise MissingExtraError.of("pandas", "pandas")
