"""Covariance and correlation of all pairs, from blocks of columns that come one after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lakehouse.partitions.threads import side_by_side

Floats = npt.NDArray[np.float64]

_TILE = 64
"""OpenBLAS does a product of up to 64 ** 3 steps on the thread that asks. In a larger one threads of its own
join in, which wait by spinning: on two busy cores, the product of 500 x 8192 numbers with themselves took
three times the processor time of these tiles."""


class CoMoments:
    """Sums over the columns in which both of a pair have a number; O(symbols**2) memory, whatever the length.

    The numbers of a symbol come less a constant of its own (`pivot_block` takes its first one): covariances
    do not change by that, and sums of squares lose no digits to a mean far from zero. A block without NaN
    costs one product with itself, by BLAS: O(symbols**2 * columns). One with NaN costs four, and each pair
    gets the moments of its common columns alone (pairwise complete observations, as in pandas and R).
    """

    def __init__(self, symbols: int) -> None:
        """Begin without a column.

        Args:
            symbols: how many rows a block has.
        """
        self._columns = 0
        self._sums = np.zeros(symbols)
        self._squares = np.zeros(symbols)
        self._products = np.zeros((symbols, symbols))
        self._pairs: tuple[Floats, Floats, Floats] | None = None

    def add(self, block: Floats, sums: Floats, *, missing: bool) -> None:
        """Add columns.

        Args:
            block: (symbols, columns) float64; overwritten where it has NaN.
            sums: (symbols,) float64, the sums of the rows; not used where the block has NaN.
            missing: whether the block has NaN.
        """
        if missing:
            self._add_pairs(block)
            return
        product = _products(block, block, symmetric=True)
        self._columns += block.shape[1]
        self._sums += sums
        self._squares += np.diagonal(product)
        self._products += product

    def covariance(self) -> Floats:
        """Return the sample covariance of each pair, (symbols, symbols); NaN below two common columns."""
        counts, sums, _ = self._totals()
        with np.errstate(all="ignore"):
            result: Floats = (self._products - sums * sums.T / counts) / (counts - 1.0)
        result[counts < 2] = np.nan
        return result

    def correlation(self) -> Floats:
        """Return Pearson's correlation of each pair, (symbols, symbols).

        NaN where fewer than two columns are common, or where one of a pair does not vary in them.
        """
        counts, sums, squares = self._totals()
        with np.errstate(all="ignore"):
            spread = np.sqrt(np.maximum(squares - sums * sums / counts, 0.0))
            result: Floats = (self._products - sums * sums.T / counts) / spread / spread.T
        result[~np.isfinite(result) | (counts < 2)] = np.nan
        return np.clip(result, -1.0, 1.0, out=result)

    def counts(self) -> Floats:
        """Return the number of common columns of each pair, (symbols, symbols)."""
        return self._totals()[0]

    def _add_pairs(self, block: Floats) -> None:
        there = (~np.isnan(block)).astype(np.float64)
        np.nan_to_num(block, copy=False, nan=0.0)
        shape = self._products.shape
        counts, sums, squares = self._pairs or (np.zeros(shape), np.zeros(shape), np.zeros(shape))
        counts += _products(there, there, symmetric=True)
        sums += _products(block, there)
        squares += _products(block * block, there)
        self._products += _products(block, block, symmetric=True)
        self._pairs = counts, sums, squares

    def _totals(self) -> tuple[Floats, Floats, Floats]:
        """Return counts, and sums and squares of the first of each pair, over the common columns."""
        shape = self._products.shape
        counts, sums, squares = self._pairs or (np.zeros(shape), np.zeros(shape), np.zeros(shape))
        return counts + self._columns, sums + self._sums[:, None], squares + self._squares[:, None]


def _products(left: Floats, right: Floats, *, symmetric: bool = False) -> Floats:
    """Return `left @ right.T`, computed in tiles on the threads of the pool."""
    count = len(left)
    result = np.empty((count, count))

    def band(start: int) -> None:
        rows = slice(start, start + _TILE)
        for other in range(start if symmetric else 0, count, _TILE):
            columns = slice(other, other + _TILE)
            tile = _tile(left[rows], right[columns])
            result[rows, columns] = tile
            if symmetric:
                result[columns, rows] = tile.T

    side_by_side(band, range(0, count, _TILE))
    return result


def _tile(left: Floats, right: Floats) -> Floats:
    """Return `left @ right.T` of a few rows, as the sum of products of `_TILE` columns each."""
    parts = left.shape[1] // _TILE
    whole = parts * _TILE
    stacked = (rows[:, :whole].reshape(len(rows), parts, _TILE).transpose(1, 0, 2) for rows in (left, right))
    first, second = stacked
    result: Floats = np.matmul(first, second.transpose(0, 2, 1)).sum(axis=0)
    return result + left[:, whole:] @ right[:, whole:].T
