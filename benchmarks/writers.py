"""One of several writers that commit to one table at once: run as a script by the case of concurrency.

It takes the peer, the place, its own number and how many commits to make. It makes one that does not count,
which loads the libraries, says "ready", waits for a line, and answers with a JSON list of the seconds that
each commit took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial

import deltalake
import pyarrow as pa

import lakehouse
from benchmarks.data import batch_of_bars
from benchmarks.timing import once

ROWS = 10
PRODUCT = "market_data.bars_1m"

Write = Callable[[pa.Table, int], object]


def frame_of(me: int, number: int) -> pa.Table:
    """Return a batch of bars of a symbol of its own, later than all before."""
    return batch_of_bars(ROWS, [f"S{me:03}"], number)


def through_the_lake(place: str) -> Write:
    """Append with an idempotency key, under the rules of the contract."""
    product = lakehouse.open(place)[PRODUCT]
    return lambda frame, number: product.append(frame, idempotency_key=f"{frame['symbol'][0]}-{number}")


def through_deltalake(place: str) -> Write:
    """Append; a writer that lost every one of deltalake's own attempts tries again."""

    def write(frame: pa.Table, number: int) -> None:
        while True:
            try:
                return deltalake.write_deltalake(place, frame, mode="append")
            except deltalake.exceptions.CommitFailedError:
                time.sleep(0.01)

    return write


PEERS = {"lake": through_the_lake, "deltalake": through_deltalake}


def main() -> None:
    """Commit as told, and say how long it took."""
    peer, place, me, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    write = PEERS[peer](place)
    first, *frames = [frame_of(me, number) for number in range(count + 1)]
    write(first, 0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    seconds = [once(partial(write, frame, number)) for number, frame in enumerate(frames, 1)]
    sys.stdout.write(json.dumps(seconds) + "\n")


if __name__ == "__main__":
    main()
