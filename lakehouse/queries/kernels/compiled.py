"""Run a loop as it is, or compiled by numba, whichever is sooner done.

numba takes most of a second to import, so a short command must never pay for it; a plain loop takes a
microsecond or so a row, so a long one must. The answers are the same: fast-math is off, and a division by
zero gives an infinity or NaN in both.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from threading import RLock
from types import FunctionType
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from lakehouse.errors import MissingExtraError

Loop = TypeVar("Loop", bound=Callable[..., Any])
Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

WORTH_COMPILING = 200_000
"""elements from which importing numba is sooner done than the plain loop"""

_lock = RLock()


class Kernel:
    """A loop over arrays, which compiles itself when that pays."""

    def __init__(self, loop: Callable[..., Any]) -> None:
        self.plain = loop
        self._compiled: Callable[..., Any] | None = None
        functools.update_wrapper(self, loop)

    def __call__(self, *arguments: Any) -> Any:
        """Run the loop, compiled if numba is there already or the arrays are large."""
        if self._compiled is None and not is_worth_it(_elements(arguments)):
            with np.errstate(all="ignore"):  # as compiled code does
                return self.plain(*arguments)
        return self.compiled(*arguments)

    @property
    def compiled(self) -> Callable[..., Any]:
        """The compiled loop; the machine code is kept beside the source, or in the user's cache.

        Raises:
            MissingExtraError: numba is not installed.
        """
        if self._compiled is None:
            with _lock:
                self._compiled = self._compiled or _compile(self.plain)
        return self._compiled


def kernel(loop: Callable[..., Any]) -> Kernel:
    """Make a loop a kernel: it takes arrays and numbers by position, and lets go of the GIL when compiled.

    It must be legal Python and legal numba alike: small integers are summed as `np.int64(x[i])`, since they
    would overflow in plain Python, and a kernel calls another loop only if that is `inline`, in the same file
    (numba's cache looks at one file).
    """
    return Kernel(loop)


def inline(loop: Loop) -> Loop:
    """Let kernels call a small loop, plain from plain code and compiled from compiled code."""
    return cast("Loop", _Inline(loop))


def is_worth_it(elements: int) -> bool:
    """Say whether work on so many elements is sooner done compiled."""
    return elements >= WORTH_COMPILING or is_loaded()


def is_loaded() -> bool:
    """Say whether this process has numba already, so that compiled code costs nothing more."""
    return sys.modules.get("numba") is not None


def prepare(elements: int) -> None:
    """Load numba before many small pieces of work that are large together.

    Raises:
        MissingExtraError: it is not installed.
    """
    if elements >= WORTH_COMPILING:
        _numba()


class _Inline:
    """A loop that numba compiles into its callers."""

    def __init__(self, loop: Callable[..., Any]) -> None:
        self.plain = loop
        functools.update_wrapper(self, loop)

    def __call__(self, *arguments: Any) -> Any:
        return self.plain(*arguments)


def _elements(arguments: tuple[Any, ...]) -> int:
    return max((value.size for value in arguments if isinstance(value, np.ndarray)), default=0)


def _numba() -> Any:
    with _lock:
        try:
            import numba
        except ImportError as error:
            raise MissingExtraError.of("numba", "kernels") from error
    return numba


def _compile(loop: Callable[..., Any]) -> Callable[..., Any]:
    numba = _numba()
    inner = {name: each for name, each in loop.__globals__.items() if isinstance(each, _Inline)}
    if called := [name for name in inner if name in loop.__code__.co_names]:
        known = loop.__globals__ | {name: _compile(inner[name].plain) for name in called}
        copy = FunctionType(loop.__code__, known, loop.__name__, loop.__defaults__)
        loop = functools.update_wrapper(copy, loop)
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return cast("Callable[..., Any]", numba.njit(cache=True, **options)(loop))
    except RuntimeError:  # no folder may be written: it is compiled anew in each process
        return cast("Callable[..., Any]", numba.njit(**options)(loop))
