"""The one door to obstore: connections, and its errors as ours without a secret."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lakehouse.errors import AlreadyExistsError, MissingExtraError, NotFoundError, StorageError
from lakehouse.store.s3_settings import S3Settings

if TYPE_CHECKING:
    from obstore.store import S3Store as Client

_RETRY_SECONDS = 30
_RETRIES = 5
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
            "backoff": {"max_backoff": timedelta(seconds=5)},
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


def _ours(url: str, path: str, error: Exception) -> AlreadyExistsError | NotFoundError | StorageError:
    from obstore import exceptions

    match error:
        case exceptions.AlreadyExistsError():
            return AlreadyExistsError(f"{path} exists already.")
        case FileNotFoundError():
            return NotFoundError(f"There is no object {path} in {url}.")
        case exceptions.PermissionDeniedError() | exceptions.UnauthenticatedError():
            hint = "Check the AWS variables or profile, and that they may list, get, put and delete there."
        case _:
            hint = "Check the bucket's name, AWS_ENDPOINT_URL and the network, then try again."
    return StorageError(f"{url} refused {path}: {_reason(error)}.", hint=hint)


def _without_answer(error: Exception) -> Exception:
    """Copy an error without the server's answer: AWS repeats a session token that has expired in it."""
    return type(error)(_reason(error))


def _reason(error: Exception) -> str:
    first_line = str(error).partition("\n")[0]
    return _STATUS.sub(r"\1", first_line).strip().rstrip(".")
