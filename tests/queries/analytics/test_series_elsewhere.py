"""Work that is sent elsewhere: all that goes there and comes back is pickled, and the answer is the same."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse import analytics
from lakehouse.queries.computation import Computation
from tests.queries.analytics.conftest import Make, ticks

LARGEST_MESSAGE = 20_000


class Elsewhere(Executor):
    """An executor behind a wire, in this process."""

    def __init__(self) -> None:
        self.messages: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        message = pickle.dumps((fn, args, kwargs))
        self.messages.append(len(message))
        task, arguments, named = pickle.loads(message)
        future: Future[Any] = Future()
        future.set_result(pickle.loads(pickle.dumps(task(*arguments, **named))))
        return future


def books(product: lakehouse.Product, **given: Any) -> Computation:
    changes = product.scan()
    return analytics.order_book(changes, changes, 2, side="venue", **given)


COMPUTATIONS: dict[str, Callable[..., Computation]] = {
    "rolling": lambda rows, **given: analytics.rolling(rows, "price", 5, "beta", other="size", **given),
    "volatility": lambda rows, **given: analytics.volatility(rows, "price", 5, **given),
    "returns": lambda rows, **given: analytics.returns(rows, "price", drop_nan=True, **given),
    "ewma": lambda rows, **given: analytics.ewma(rows, "price", span=5, **given),
    "drawdown": lambda rows, **given: analytics.drawdown(rows, "price", **given),
    "correlation": lambda rows, **given: analytics.correlation(rows, "price", fill=None, **given),
    "order_book": books,
}


@pytest.mark.parametrize("name", list(COMPUTATIONS))
@pytest.mark.usefixtures("small_groups")
def test_the_answer_is_the_same_and_the_messages_are_small(make: Make, name: str) -> None:
    frame = ticks(4000).with_columns(pl.col("venue").replace({"N": "bid", "Q": "ask"}))
    product = make(frame)
    elsewhere = Elsewhere()
    result = COMPUTATIONS[name](product, executor=elsewhere).read()
    assert result.equals(COMPUTATIONS[name](product).read())
    assert result.num_rows > 0
    assert elsewhere.messages
    assert max(elsewhere.messages) < LARGEST_MESSAGE, "rows are read where they are used, not sent"
