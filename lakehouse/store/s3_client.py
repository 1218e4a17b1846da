"""The one door to obstore: connections, and its errors as ours without a secret."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from lakehouse.errors import AlreadyExistsError, MissingExtraError, NotFoundError, StorageError
from lakehouse.store.s3_settings import S3Settings

if TYPE_CHECKING:
    from obstore.store import S3Store as Client

T = TypeVar("T")

_RETRY_SECONDS = 30
_RETRIES = 5
_FORBIDDEN = "status code: 403 "
_READS = 3
_QUICK_SECONDS = 10.0
_FIRST_WAIT = timedelta(milliseconds=100)
_STATUS = re.compile(r"(status code: \d+[^:<\n]*).*")

# obstore's threads belong to one process: a forked child would wait for them for ever.
_users_process: int | None = None


def connect(settings: S3Settings, *, timeout_seconds: int) -> Client:
    """Return a client for the objects below the prefix; it retries what the server can not serve, in bounds.

    Args:
        settings: the bucket and who asks.
        timeout_seconds: for one request, its bytes included.

    Raises:
        MissingExtraError: obstore is not installed.
        StorageError: this process is a fork of one that used a bucket.
    """
    try:
        from obstore.store import S3Store as Client
    except ImportError as error:
        raise MissingExtraError.of("obstore", "s3") from error
    check_process()
    config: dict[str, Any] = {
        # As configuration these join the options of the environment; `client_options` would replace them.
        "timeout": f"{timeout_seconds}s",
        "connect_timeout": "5s",
        # DeleteObjects needs a checksum that not every server takes; DELETE works everywhere.
        "disable_bulk_delete": True,
    }
    config |= {"endpoint": settings.endpoint} if settings.endpoint else {}
    config |= {"region": settings.region} if settings.region else {}
    return Client(
        settings.bucket,
        prefix=settings.prefix or None,
        config=config,  # type: ignore[arg-type]  # its type omits the client options that it takes
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
            "backoff": {"init_backoff": _FIRST_WAIT, "max_backoff": timedelta(seconds=5)},
        },
        credential_provider=settings.credentials,
    )


def check_process() -> None:
    """Refuse to work in a fork of a process that used a bucket: it would hang.

    Raises:
        StorageError: this process is such a fork.
    """
    global _users_process
    if _users_process is None:
        _users_process = os.getpid()
    elif _users_process != os.getpid():
        raise StorageError(
            "A process forked from one that had a bucket open can not use buckets.",
            hint='Start workers with multiprocessing.get_context("spawn") or "forkserver".',
        )


@contextmanager
def translated(url: str, path: str) -> Iterator[None]:
    """Turn obstore's errors into ours.

    Raises:
        AlreadyExistsError: the object exists.
        NotFoundError: the object, or the whole bucket, does not exist.
        StorageError: anything else.
    """
    from obstore import exceptions

    check_process()
    try:
        yield
    except (exceptions.BaseError, FileNotFoundError) as error:
        raise _ours(url, path, error) from _without_answer(error)


def again(read: Callable[[], T]) -> T:
    """Read, and read again where an answer breaks off: the client itself repeats only what has no answer yet.

    What took long or was refused is not repeated, nor what the disk of the cache does not take.
    """
    begun = time.monotonic()
    for attempt in range(1, _READS + 1):
        try:
            return read()
        except StorageError as error:
            cause = error.__cause__
            disk = isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)
            slow = time.monotonic() - begun > _QUICK_SECONDS
            if attempt == _READS or disk or slow or is_refusal(error):
                raise
    raise AssertionError("the last attempt returns or raises")


def is_refusal(error: BaseException) -> bool:
    """Say whether the server refused a request for want of a right, so that it did nothing."""
    return error.__cause__ is not None and _forbidden(error.__cause__)


def _forbidden(error: BaseException) -> bool:
    from obstore import exceptions

    kinds = exceptions.PermissionDeniedError | exceptions.UnauthenticatedError
    return isinstance(error, kinds) or _FORBIDDEN in str(error)  # obstore gives a list no kind of its own


def _ours(url: str, path: str, error: Exception) -> AlreadyExistsError | NotFoundError | StorageError:
    from obstore import exceptions

    match error:
        case exceptions.AlreadyExistsError():
            return AlreadyExistsError(f"{path} exists already.")
        case FileNotFoundError():
            return NotFoundError(f"There is no object {path} in {url}.")
        case _ if _forbidden(error):
            hint = "Check the AWS variables or profile, and that they may list, get, put and delete there."
        case _:
            hint = "Check the bucket's name, AWS_ENDPOINT_URL and the network, then try again."
    return StorageError(f"{url} refused {path}: {_reason(error)}.", hint=hint)


def _without_answer(error: Exception) -> Exception:
    """Take the server's answer out of an error itself, which tools may show as the context of ours.

    AWS repeats in it a session token that has expired.
    """
    error.args = (_reason(error),)
    return error


def _reason(error: Exception) -> str:
    first_line = str(error).partition("\n")[0]
    return _STATUS.sub(r"\1", first_line).strip().rstrip(".")
