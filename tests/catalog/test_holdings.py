"""What a session holds, beside a model: every version in use is covered, by a floor or one by one."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lakehouse.catalog.claims import Held
from lakehouse.catalog.holdings import Holdings


@dataclass(frozen=True)
class File:
    path: str


@dataclass(frozen=True)
class State:
    version: int
    files: tuple[File, ...] = (File("x"),)


class Reading(RuleBasedStateMachine):
    """One table that moves on, readers of its heads and old versions, and beats of the heart."""

    def __init__(self) -> None:
        super().__init__()
        self.holdings = Holdings()
        self.head = 0
        self.used: list[State] = []
        self.looking: list[tuple[Any, int]] = []
        self.seen = False

    @rule()
    def commit(self) -> None:
        self.head += 1

    @rule()
    def read_the_head(self) -> None:
        state = State(self.head)
        with self.holdings.looking("t"):
            self.holdings.add_head("t", state)
        self.used.append(state)
        self.seen = True

    @precondition(lambda self: self.seen)
    @rule()
    def begin_to_look(self) -> None:
        """Another thread has found a head, and has not noted it yet."""
        look = self.holdings.looking("t")
        look.__enter__()
        self.looking.append((look, self.head))

    @precondition(lambda self: self.looking)
    @rule()
    def end_the_look(self) -> None:
        look, version = self.looking.pop(0)
        state = State(version)
        self.holdings.add_head("t", state)
        look.__exit__(None, None, None)
        self.used.append(state)

    @rule(back=st.integers(0, 3))
    def read_an_old_version(self, back: int) -> None:
        state = State(max(0, self.head - back))
        self.holdings.add_version("t", state)
        self.used.append(state)

    @precondition(lambda self: self.used)
    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        del self.used[data.draw(st.integers(0, len(self.used) - 1))]

    @precondition(lambda self: self.seen)
    @rule()
    def beat(self) -> None:
        state = State(self.head)
        self.holdings.add_head("t", state)
        self.holdings.prune()

    @precondition(lambda self: self.seen)
    @rule()
    def beat_alone(self) -> None:
        """With nothing in use, an idle session holds the head alone."""
        self.holdings.add_head("t", State(self.head))
        gc.collect(0)
        self.holdings.prune()
        if not self.used and not self.looking:
            assert self.holdings.tables()["t"] == Held(self.head, ())

    @invariant()
    def everything_in_use_is_held(self) -> None:
        held = self.holdings.tables().get("t", Held())
        for version in [state.version for state in self.used] + [version for _, version in self.looking]:
            assert version in held.versions or (held.since is not None and version >= held.since)
        assert all(self.holdings.knows(state) for state in self.used)


TestHoldings = Reading.TestCase
TestHoldings.settings = settings(stateful_step_count=40)


def test_an_empty_version_holds_nothing() -> None:
    holdings = Holdings()
    state = State(3, ())
    holdings.add_version("t", state)
    assert holdings.tables() == {"t": Held(None, ())}


def test_what_is_forgotten_is_not_known() -> None:
    holdings = Holdings()
    kept, gone = State(1), State(2)
    for state in (kept, gone):
        holdings.add_version("t", state)
    holdings.forget([gone])
    assert (holdings.knows(kept), holdings.knows(gone)) == (True, False)
