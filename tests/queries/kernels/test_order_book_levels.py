"""The order book kernel against a dictionary of prices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.queries.kernels.order_book import ASK, BID, NO_TIME, apply_levels

Row = tuple[int, int, float, float, int]  # time, side, price, size, reset
Book = tuple[int, list[tuple[float, float]], list[tuple[float, float]]]


def run(
    rows: list[Row],
    *,
    depth: int = 3,
    keep: int = 0,
    cuts: tuple[int, ...] = (),
    capacity: int = 100,
    form: str | None = None,
) -> list[Book]:
    """Apply rows in batches, with a last one of a later time that makes the kernel write what is pending."""
    rows = [*rows, (10**6, BID, float("nan"), 1.0, 0)]
    book, counts = np.zeros((2, 2, capacity)), np.zeros(2, np.int64)
    pending, found = np.array([NO_TIME, 0, 0, 0]), []
    kernel = apply_levels if form is None else getattr(apply_levels, form)
    for start, end in zip((0, *cuts), (*cuts, len(rows)), strict=True):
        part = rows[start:end]
        times, sides, resets = (np.array([row[i] for row in part], np.int64) for i in (0, 1, 4))
        prices, sizes = (np.array([row[i] for row in part], np.float64) for i in (2, 3))
        out_times, out = np.empty(len(part) + 1, np.int64), np.empty((len(part) + 1, 4, depth))
        done = 0
        while done < len(part):
            done, written = kernel(
                done,
                times,
                times,
                sides,
                prices,
                sizes,
                resets,
                keep,
                depth,
                book,
                counts,
                pending,
                out_times,
                out,
            )
            found += [_levels(int(out_times[i]), out[i]) for i in range(written)]
            book = np.concatenate([book, np.zeros_like(book)], axis=2) if done < len(part) else book
    return found


def _levels(time: int, levels: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Book:
    bids, asks = (
        [(float(p), float(s)) for p, s in zip(*half, strict=True) if p == p]
        for half in (levels[:2], levels[2:])
    )
    return time, bids, asks


def slow(rows: list[Row], *, depth: int = 3, keep: int = 0) -> list[Book]:
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    found: dict[int, Book] = {}
    for time, side, price, size, reset in rows:
        if reset:
            sides = ({}, {})
        if price == price and size == size:
            sides[side].pop(price, None) if size == 0 else sides[side].update({price: size})
        if keep and len(sides[side]) > keep:
            del sides[side][min(sides[BID]) if side == BID else max(sides[ASK])]
        bids = sorted(sides[BID].items(), reverse=True)[:depth]
        found[time] = time, bids, sorted(sides[ASK].items())[:depth]
    return list(found.values())


def test_a_change_sets_a_size_and_zero_removes_it() -> None:
    rows: list[Row] = [
        (1, BID, 10.0, 5.0, 0), (1, ASK, 11.0, 4.0, 0), (2, BID, 10.5, 1.0, 0),
        (3, BID, 10.0, 7.0, 0), (4, BID, 10.5, 0.0, 0),
    ]  # fmt: skip
    assert run(rows) == [
        (1, [(10.0, 5.0)], [(11.0, 4.0)]),
        (2, [(10.5, 1.0), (10.0, 5.0)], [(11.0, 4.0)]),
        (3, [(10.5, 1.0), (10.0, 7.0)], [(11.0, 4.0)]),
        (4, [(10.0, 7.0)], [(11.0, 4.0)]),
    ]


def test_a_snapshot_replaces_the_book() -> None:
    rows: list[Row] = [
        (1, BID, 10.0, 5.0, 0),
        (2, BID, 9.0, 1.0, 1),
        (2, ASK, 12.0, 1.0, 0),
        (3, ASK, np.nan, 0.0, 1),
    ]
    assert run(rows) == [(1, [(10.0, 5.0)], []), (2, [(9.0, 1.0)], [(12.0, 1.0)]), (3, [], [])]


prices = st.integers(1, 8).map(float)
row = st.tuples(
    st.integers(0, 2),
    st.sampled_from([BID, ASK]),
    prices,
    st.sampled_from([0.0, 1.0, 2.0, np.nan]),
    st.just(0) | st.integers(0, 1),
)


@pytest.mark.parametrize("keep", [0, 3])
@given(steps=st.lists(row, max_size=40), data=st.data())
def test_any_changes_in_any_batches_with_any_room(keep: int, steps: list[Row], data: st.DataObject) -> None:
    times = np.cumsum([step[0] for step in steps], dtype=np.int64)
    rows: list[Row] = [(int(time), *step[1:]) for time, step in zip(times, steps, strict=True)]
    cuts = tuple(sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3))))
    capacity = data.draw(st.integers(1, 9))
    assert run(rows, keep=keep, cuts=cuts, capacity=capacity) == slow(rows, keep=keep)


def test_crossed_books_are_counted() -> None:
    pending = np.array([NO_TIME, 0, 0, 0])
    rows = np.array([1, 2, 3])
    apply_levels(
        0, rows, rows, np.array([ASK, BID, BID]), np.array([10.0, 10.0, 9.0]), np.ones(3),
        np.zeros(3, np.int64), 0, 1,
        np.zeros((2, 2, 9)), np.zeros(2, np.int64), pending, np.empty(4, np.int64), np.empty((4, 4, 1)),
    )  # fmt: skip
    assert pending.tolist() == [3, 3, 1, 2]


def test_compiled_or_not_the_answer_is_the_same() -> None:
    random = np.random.default_rng(6)
    rows: list[Row] = [
        (time, side, float(price), float(size), 0)
        for time, side, price, size in zip(
            range(300),
            random.integers(0, 2, 300),
            random.integers(1, 20, 300),
            random.integers(0, 3, 300),
            strict=True,
        )
    ]
    assert run(rows, form="compiled") == run(rows, form="plain") == slow(rows)
