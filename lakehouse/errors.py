"""Every error the lake raises on purpose, in one tree.

    LakehouseError
    ├── NotFoundError          LookupError       an unknown lake, product, symbol, version, snapshot, …
    ├── AlreadyExistsError     FileExistsError   a name that is taken: documents are immutable
    ├── ArgumentError          ValueError        an argument that can not mean anything
    ├── ContractError          ValueError        a contract that is not valid, or a change it forbids
    ├── SchemaError            TypeError         a frame that does not fit its contract
    ├── KeyConflictError       ValueError        an append of keys that are stored with other values
    ├── ConflictError          RuntimeError      other writers won every attempt; nothing was written
    ├── LeaseExpiredError      RuntimeError      a reader that stood still while its files were collected
    ├── TransactionError       RuntimeError      several products of which some were not written
    ├── QualityError           ValueError        rows that are not as good as was asked for
    ├── QueryError             ValueError        SQL that is refused by the sandbox, or that fails
    ├── SourceError            ValueError        a source that can not be read
    ├── IntegrityError         OSError           stored bytes that are missing or not what was recorded
    ├── StorageError           OSError           the disk or bucket refused: full, read-only, unreachable
    └── MissingExtraError      ImportError       an optional library that is not installed

A message says what happened, with what, and the choices; `hint` says what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable


class LakehouseError(Exception):
    """The root: catch this to catch everything the lake raises on purpose."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message if hint is None else f"{message}\nHint: {hint}")

    def __str__(self) -> str:
        """Return the text itself: `KeyError` and its kin would quote it."""
        return str(self.args[0])


class NotFoundError(LakehouseError, LookupError):
    """A lake, domain, product, symbol, version, snapshot or named query that does not exist."""

    @classmethod
    def among(cls, kind: str, name: str, choices: Iterable[str]) -> NotFoundError:
        """Build the error for a `name` that is not one of `choices`, with the nearest ones as a hint."""
        import difflib

        known = sorted(choices)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        shown = ", ".join(known[:12]) + (f", … ({len(known)} in all)" if len(known) > 12 else "")
        hint = f"Did you mean {' or '.join(near)}?" if near else None
        return cls(f"Unknown {kind} {name!r}. Known: {shown or 'none'}.", hint=hint)


class AlreadyExistsError(LakehouseError, FileExistsError):
    """A name that is taken; documents are immutable, so it can not be written again."""


class ArgumentError(LakehouseError, ValueError):
    """An argument that can not mean anything, such as a start after the end."""


class ContractError(LakehouseError, ValueError):
    """A contract that is not valid, or a change that its version number forbids."""


class SchemaError(LakehouseError, TypeError):
    """A frame that does not fit its contract: missing or extra columns, types, time zones."""


class KeyConflictError(LakehouseError, ValueError):
    """An append of keys that are stored already with other values."""


class ConflictError(LakehouseError, RuntimeError):
    """Other writers won every attempt; nothing was written."""


class LeaseExpiredError(LakehouseError, RuntimeError):
    """A reader that stood still for so long that it was taken for dead, and its files were collected."""

    @classmethod
    def of(cls, what: str) -> LeaseExpiredError:
        """Build the error for what can not be read or pinned any more."""
        return cls(
            f"The lease on {what} expired: this process stood still, and was taken for dead.",
            hint="Read again from the lake; a snapshot or a lock holds data without a process.",
        )


class TransactionError(LakehouseError, RuntimeError):
    """A transaction that failed: it published no name, and says what landed and what was reverted."""


class QualityError(LakehouseError, ValueError):
    """A product whose quality score is below what was asked for; nothing was published."""


class QueryError(LakehouseError, ValueError):
    """SQL that the sandbox refuses, or that fails."""


class SourceError(LakehouseError, ValueError):
    """A source that can not be read; `temporary` where another attempt may succeed, as after a timeout."""

    def __init__(self, message: str, *, hint: str | None = None, temporary: bool = False) -> None:
        self.temporary = temporary
        super().__init__(message, hint=hint)


class IntegrityError(LakehouseError, OSError):
    """Stored bytes that are missing, truncated, or not what was recorded."""


class StorageError(LakehouseError, OSError):
    """The disk or the bucket refused: full, read-only, unreachable."""


class MissingExtraError(LakehouseError, ImportError):
    """An optional library that is not installed."""

    @classmethod
    def of(cls, library: str, extra: str) -> MissingExtraError:
        """Build the error that names the extra which brings `library`."""
        return cls(
            f"This needs the library {library!r}, which is not installed.",
            hint=f"pip install 'quant-lakehouse[{extra}]'",
        )
