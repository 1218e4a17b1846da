"""Which symbols a version has, and what is said of one that it does not have; no data page is read."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lakehouse.errors import NotFoundError
from lakehouse.partitions.arrays import distinct
from lakehouse.partitions.index.pinned import live_of
from lakehouse.partitions.selection import Selection, answer_runs
from lakehouse.partitions.state import TableState
from lakehouse.times import Interval


def check_symbols(
    state: TableState,
    symbols: Sequence[str] | None,
    chosen: Sequence[Selection],
    *,
    found: Collection[str] = (),
) -> None:
    """Raise if a symbol that was asked for has no row in the version; costs nothing where all were found.

    Args:
        state: the version.
        symbols: that were asked for; None for all.
        chosen: the pieces that were found.
        found: symbols that were found otherwise.

    Raises:
        NotFoundError: naming the symbol and its nearest neighbours.
    """
    if not symbols:
        return
    seen = {*found, *(symbol for selection in chosen for symbol in selection.symbols)}
    missing = [symbol for symbol in symbols if symbol not in seen]
    if missing:
        files = live_of(state.files)
        missing = [symbol for symbol in missing if not files.holds(symbol)]
    if not missing or not (state.files or state.tail):
        return
    known = known_symbols(state)
    for symbol in missing:
        if symbol not in known:
            raise NotFoundError.among(f"symbol of {state.name}", symbol, known)


def known_symbols(state: TableState) -> set[str]:
    """Return every symbol that has a row; '' in a table without symbols."""
    runs, rest = answer_runs(state, None, Interval(), {})
    known = {each.names[code] for each in runs for code in distinct(each.codes).tolist()}
    return known.union(*(selection.footer.symbols for selection in rest))
