"""From a seed to an interleaving: which process takes which step, and at which moment it dies or stops."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.torture.model import PRODUCTS
from tests.torture.writes import ONCE

Step = dict[str, Any]

SYMBOLS = "ABC"
SLOTS = 24
WORKERS = 3
DAYS = 40
LAYOUTS = tuple(
    f"date={date},symbol={symbol}"
    for date in ("day", "week", "month", "year", "none")
    for symbol in ("row_groups", "bucket(2)")
)
WRITES = ("append", "append", "append", "upsert", "update", "delete")


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of one process."""

    worker: int
    """which of them"""
    step: Step
    """what it does"""
    die_at: int = 0
    """the number of the fault point at which it is killed; 0 for none"""
    stop_at: int = 0
    """the number of the fault point at which it is stopped; 0 for none"""
    turns_stopped: int = 0
    """how many turns of others pass until it goes on"""
    again: bool = False
    """whether a new process repeats the step, under the same idempotency key, after the death of this one"""


def plan(seed: int, turns: int = 20) -> list[Turn]:
    """Return the turns of a seed; the first one makes the products."""
    chance = random.Random(seed)
    draw = _Draw(chance)
    first = Turn(0, {"id": f"{seed}-create", "do": "create"})
    return [first, *(_turn(chance, draw.step(f"{seed}-{number}")) for number in range(turns))]


def _turn(chance: random.Random, step: Step) -> Turn:
    worker, fate, moment = chance.randrange(WORKERS), chance.random(), chance.randint(1, 14)
    if fate < 0.15:
        again = chance.random() < 0.5 and step["do"] in (*ONCE, "transaction")
        return Turn(worker, step, die_at=moment, again=again)
    if fate < 0.22:
        return Turn(worker, step, stop_at=moment, turns_stopped=chance.randint(1, 4))
    return Turn(worker, step)


class _Draw:
    """Draws steps, and knows the names of the snapshots so far."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._size = 0
        self._snapshots: list[str] = []
        self._locks: list[str] = []
        kinds: list[tuple[int, Callable[[], Step]]] = [
            (46, self._write),
            (8, self._maintain),
            (3, self._layout),
            (14, lambda: {"do": "gc"}),
            (8, lambda: {"do": "clean_log", "product": self._product()}),
            (8, lambda: {"do": "read", "product": self._product()}),
            (4, lambda: {"do": chance.choice(["read_old", "restore"]), **self._old()}),
            (7, self._snapshot),
            (3, self._lock),
            (5, self._of_a_snapshot),
            (6, self._transaction),
            (3, self._diff),
            (3, self._doctor),
            (4, lambda: {"do": "hold"}),
            (7, lambda: {"do": "use"}),
            (2, lambda: {"do": "release"}),
            (2, lambda: {"do": "verify"}),
            (5, lambda: {"do": "jump", "days": chance.randint(-DAYS, DAYS)}),
        ]
        self._weights, self._kinds = zip(*kinds, strict=True)

    def step(self, identity: str) -> Step:
        """Return the next step."""
        [draw] = self._chance.choices(self._kinds, self._weights)
        step = {"id": identity, **draw()}
        if step["do"] in ("snapshot", "lock", "transaction"):
            step["name"] = f"{step['do']}-{identity}"
            (self._locks if step["do"] == "lock" else self._snapshots).append(step["name"])
        return step

    def _product(self) -> str:
        return self._chance.choices(PRODUCTS, (2, 1))[0]

    def _old(self) -> Step:
        return {"product": self._product(), "share": round(self._chance.random(), 3)}

    def _write(self) -> Step:
        do, product = self._chance.choice(WRITES), self._product()
        if do == "delete":
            low = self._chance.randrange(SLOTS)
            symbols = self._chance.sample(SYMBOLS, 2)
            return {"do": do, "product": product, "symbols": symbols, "slots": [low, low + 6]}
        return {"do": do, "product": product, "rows": self._rows()}

    def _rows(self) -> list[list[Any]]:
        places = self._chance.sample([(each, slot) for each in SYMBOLS for slot in range(SLOTS)], 4)
        rows = []
        for symbol, slot in places[: self._chance.randint(1, 4)]:
            self._size += 1
            rows.append([symbol, slot, round(self._chance.uniform(1, 99), 2), self._size])
        return rows

    def _transaction(self) -> Step:
        """Write both products, in one order or the other."""
        verbs = ("append", "upsert", "update")
        parts = [
            {"do": self._chance.choice(verbs), "product": product, "rows": self._rows()}
            for product in self._chance.sample(PRODUCTS, len(PRODUCTS))
        ]
        return {"do": "transaction", "parts": parts}

    def _doctor(self) -> Step:
        return {"do": "doctor", "quick": self._chance.random() < 0.5, "repair": self._chance.random() < 0.4}

    def _maintain(self) -> Step:
        if self._chance.random() < 0.75:
            return {"do": "compact", "product": self._product()}
        return {"do": "retain", "product": self._product(), "before": self._chance.randrange(SLOTS // 3)}

    def _layout(self) -> Step:
        return {"do": "layout", "product": self._product(), "layout": self._chance.choice(LAYOUTS)}

    def _snapshot(self) -> Step:
        return {"do": "snapshot"}

    def _lock(self) -> Step:
        if self._locks and self._chance.random() < 0.5:
            return {"do": "unpin", "name": self._chance.choice(self._locks)}
        return {"do": "lock"}

    def _diff(self) -> Step:
        if not self._snapshots:
            return {"do": "snapshot"}
        return {"do": "diff", "names": self._chance.choices(self._snapshots, k=2)}

    def _of_a_snapshot(self) -> Step:
        if not self._snapshots:
            return {"do": "snapshot"}
        name = self._chance.choice(self._snapshots)
        return {"do": self._chance.choice(["drop", "hold", "hold"]), "name": name}
