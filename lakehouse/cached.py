"""`functools.cached_property` without a lock, which is how Python has it from 3.12 on.

That of 3.11 holds one lock a property, for all instances, while it computes: threads wait for each other's
footers, and a forked child waits for ever where another thread of its parent held the lock.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property as cached_property  # noqa: TID251 - the one place, for all others
else:

    class cached_property:  # noqa: N801 - the name of the original
        """Computes a value, and keeps it in the instance; threads that come at once may compute it twice."""

        def __init__(self, compute: Any) -> None:
            self._compute = compute
            self.__doc__ = compute.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            """Take the name under which the value is kept."""
            self._name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            """Compute the value; the next time it is found in the instance."""
            if instance is None:
                return self
            found = instance.__dict__[self._name] = self._compute(instance)
            return found
