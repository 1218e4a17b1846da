"""demo: the main job, on real data."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply


def add_commands(commands: Commands) -> None:
    """Add `demo`, which has a grammar of its own."""
    parser = commands.add(
        "demo",
        demo,
        "backfill, backtest, correct and prove, on real bars (extra `demo`)",
        group="start",
        add_help=False,
    )
    parser.set_defaults(passing="unknown options too")


def demo(options: argparse.Namespace) -> Reply:
    """Run the demo."""
    from lakehouse.cli.reply import Reply
    from lakehouse.demo.main import main

    return Reply(exit_code=main(options.passed), printed=True)
