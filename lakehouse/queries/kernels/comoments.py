"""Covariance and correlation of all pairs, from blocks of columns that come one after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lakehouse.partitions.threads import side_by_side
from lakehouse.queries.kernels.compiled import Floats, Integers

_TILE = 64
"""OpenBLAS does a product of up to 64 ** 3 steps on the thread that asks. In a larger one threads of its own
join in, which wait by spinning: on two busy cores, the product of 500 x 8192 numbers with themselves took
three times the processor time of these tiles."""

_COLUMNS = 2048
"""of a block that are done together: what a tile is a product of then stays in the cache of a core"""

_ROUNDING = 2.0**-52


class CoMoments:
    """Sums over the columns in which both of a pair have a number; O(symbols**2) memory, whatever the length.

    The numbers of a symbol come less a constant of its own (`pivot_block` takes its first one): covariances
    do not change by that, and sums of squares lose no digits to a mean far from zero. Each pair gets the
    moments of its common columns alone (pairwise complete observations, as in pandas and R).

    A block costs one product with itself, by BLAS: O(symbols**2 * columns), and up to three more, with the
    symbols alone that have numbers in a part of its columns.
    """

    def __init__(self, symbols: int) -> None:
        """Begin without a column.

        Args:
            symbols: how many rows a block has.
        """
        self._counts, self._sums, self._squares, self._products = np.zeros((4, symbols, symbols))

    def add(self, block: Floats, sums: Floats, missing: Integers) -> None:
        """Add columns.

        Args:
            block: (symbols, columns) float64; its NaNs are overwritten.
            sums: (symbols,) float64, the sum of the numbers of each row.
            missing: (symbols,) int64, the NaNs of each row.
        """
        columns = block.shape[1]
        whole, part = missing == 0, np.flatnonzero((missing > 0) & (missing < columns))
        there = (~np.isnan(block[part])).astype(np.float64)
        for row in np.flatnonzero(missing).tolist():
            np.nan_to_num(block[row], copy=False, nan=0.0)
        product = _products(block)
        self._products += product
        factor = 1.0 if whole.all() else whole
        self._counts += (columns - missing)[:, None] * factor
        self._sums += sums[:, None] * factor
        self._squares += np.diagonal(product)[:, None] * factor
        if len(part):
            self._add_part(block, part, there, missing < columns)

    def _add_part(self, block: Floats, part: Integers, there: Floats, known: npt.NDArray[np.bool_]) -> None:
        """Add the columns of the symbols that have numbers in a part of them.

        Args:
            block: (symbols, columns), without NaN.
            part: (n,) which symbols.
            there: (n, columns) 1 where they have a number, else 0.
            known: (symbols,) whether a symbol has any number in the block.
        """
        present = np.repeat(known.astype(np.float64)[:, None], block.shape[1], axis=1)
        present[part] = there
        self._counts[:, part] += _products(present, there)
        self._sums[:, part] += _products(block, there)
        self._squares[:, part] += _products(block * block, there)

    def covariance(self) -> Floats:
        """Return the sample covariance of each pair, (symbols, symbols); NaN below two common columns."""
        with np.errstate(all="ignore"):
            result = self._centred() / (self._counts - 1.0)
        result[self._counts < 2] = np.nan
        return result

    def correlation(self) -> Floats:
        """Return Pearson's correlation of each pair, (symbols, symbols).

        NaN where fewer than two columns are common, or where one of a pair does not vary in them.
        """
        with np.errstate(all="ignore"):
            squares = self._squares - self._sums * self._sums / self._counts
            squares[squares <= self._counts * _ROUNDING * self._squares] = 0.0  # nothing but rounding is left
            spread = np.sqrt(squares)
            result = self._centred() / spread / spread.T
        result[~np.isfinite(result) | (self._counts < 2)] = np.nan
        return np.clip(result, -1.0, 1.0, out=result)

    def counts(self) -> Floats:
        """Return the number of common columns of each pair, (symbols, symbols)."""
        return self._counts.copy()

    def _centred(self) -> Floats:
        centred: Floats = self._products - self._sums * self._sums.T / self._counts
        return centred


def _products(left: Floats, right: Floats | None = None) -> Floats:
    """Return `left @ right.T`, or `left @ left.T`, computed in tiles on the threads of the pool."""
    others = left if right is None else right
    result = np.zeros((len(left), len(others)))

    def band(start: int) -> None:
        rows = slice(start, start + _TILE)
        for begin in range(0, left.shape[1], _COLUMNS):
            part = slice(begin, begin + _COLUMNS)
            for other in range(start if right is None else 0, len(others), _TILE):
                columns = slice(other, other + _TILE)
                result[rows, columns] += _tile(left[rows, part], others[columns, part])
        if right is None:
            result[start + _TILE :, rows] = result[rows, start + _TILE :].T

    side_by_side(band, range(0, len(left), _TILE))
    return result


def _tile(left: Floats, right: Floats) -> Floats:
    """Return `left @ right.T` of a few rows, as the sum of products of `_TILE` columns each."""
    parts = left.shape[1] // _TILE
    whole = parts * _TILE
    first, second = (
        rows[:, :whole].reshape(len(rows), parts, _TILE).transpose(1, 0, 2) for rows in (left, right)
    )
    result: Floats = np.matmul(first, second.transpose(0, 2, 1)).sum(axis=0)
    return result + left[:, whole:] @ right[:, whole:].T
