"""Another process at a lake, for tests: run as a script with the lake's root, never imported.

It reads Python source from its standard input, one JSON text a line, runs it, and answers with one JSON line:
the value of the last expression, or the error of ours that was raised.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

import lakehouse
from lakehouse.times import NS_PER_DAY

NAME = "market_data.ticks"


def frame(price: float, symbols: str = "AB", days: int = 2) -> pl.DataFrame:
    """Make ticks of some symbols, one a month."""
    times = [31 * day * NS_PER_DAY for day in range(days)] * len(symbols)
    return pl.DataFrame(
        {
            "symbol": [symbol for symbol in symbols for _ in range(days)],
            "time": pl.Series(times, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
            "price": [price] * len(times),
        }
    )


def stop() -> None:
    """Stand still, as a process does whose machine sleeps, until somebody lets it go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_before(owner: Any, name: str, *, at: int = 1) -> None:
    """Stand still before one of the calls of a function."""
    _before(owner, name, at, stop)


def die_before(owner: Any, name: str, *, at: int = 1) -> None:
    """Be killed before one of the calls of a function."""
    _before(owner, name, at, lambda: os.kill(os.getpid(), signal.SIGKILL))


def _before(owner: Any, name: str, at: int, act: Any) -> None:
    function, calls = getattr(owner, name), []

    def wrapped(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == at:
            act()
        return function(*arguments, **options)

    setattr(owner, name, wrapped)


def prices(view: Any, **which: Any) -> list[float]:
    """Return the distinct prices that a product of a lake or checkout has."""
    table = pl.DataFrame(view[NAME].read(**which))
    return sorted(set(table["price"].to_list()))


def jump(days: int) -> None:
    """Set the wall clock of this process."""
    shift, real = days * NS_PER_DAY, time.time_ns
    time.time_ns = lambda: real() + shift


def run(source: str, names: dict[str, Any]) -> Any:
    """Run statements, and return the value of the last one if it is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<test>", "exec"), names)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "<test>", "eval"), names)
    return None


def answer(source: str, names: dict[str, Any]) -> dict[str, Any]:
    """Say what came of some statements."""
    try:
        return {"value": run(source, names)}
    except lakehouse.LakehouseError as error:
        return {"error": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    url = Path(sys.argv[1])
    known = {**globals(), "lake": lakehouse.open(url, create=True)}
    print(json.dumps({"value": os.getpid()}), file=answers)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), known), default=str), file=answers)
