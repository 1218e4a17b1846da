"""A lake in an S3 bucket, published by `If-None-Match: *`: the server lets one writer of a name win."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import AlreadyExistsError, NotFoundError, StorageError
from lakehouse.store import file_lock, s3_client
from lakehouse.store.base import Entry, Store, check_path
from lakehouse.store.cache import Cache, Content
from lakehouse.store.cache_folder import cache_folder
from lakehouse.store.disk_errors import translated_block
from lakehouse.store.s3_settings import read_settings

if TYPE_CHECKING:
    from obstore import GetResult, ObjectMeta

_REQUEST_SECONDS = 30
_TRANSFER_SECONDS = 900  # a data file on a slow line
_PUT_ATTEMPTS = 3
_OWNER = "lakehouse-put"
_KEPT_CONTENTS = 65_536


class S3Store(Store):
    """Objects are those of a bucket below a prefix; reads of files go through this machine's cache."""

    def __init__(self, url: str) -> None:
        """Read the AWS variables; nothing is sent yet.

        Raises:
            ArgumentError: the URL, the profile or the endpoint can not be used.
            MissingExtraError: the extra `s3` is not installed.
        """
        settings = read_settings(url)
        self.url = settings.url
        self._settings = settings
        self._client = s3_client.connect(settings, timeout_seconds=_REQUEST_SECONDS)
        self._transfers = s3_client.connect(settings, timeout_seconds=_TRANSFER_SECONDS)
        self._cache = Cache(cache_folder(), f"{settings.endpoint or 'aws'} {self.url}")
        self._contents: dict[str, Content] = {}

    def __repr__(self) -> str:
        """Name the root."""
        return f"S3Store({self.url!r})"

    def __reduce__(self) -> tuple[type[S3Store], tuple[str]]:
        """Travel to another process as a URL: keys are read from the variables there."""
        return type(self), (self.url,)

    def connection(self) -> dict[str, str]:
        """See `Store.connection`: what a profile says too, which other libraries may not read."""
        endpoint = self._settings.endpoint
        known = {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": self._settings.region}
        if endpoint is not None and endpoint.startswith("http://"):
            known["AWS_ALLOW_HTTP"] = "true"  # as the variables said when the store was opened
        if self._settings.credentials is not None:
            keys = self._settings.credentials()
            known |= {
                "AWS_ACCESS_KEY_ID": keys["access_key_id"],
                "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
                "AWS_SESSION_TOKEN": keys.get("token"),
            }
        return {name: value for name, value in known.items() if value}

    def put_if_absent(self, path: str, data: bytes) -> None:
        """See `Store.put_if_absent`."""
        self._create(check_path(path), data)

    @contextmanager
    def stage(self, path: str, *, durable: bool = True) -> Iterator[Path]:
        """See `Store.stage`; the private file lies in the cache, and is uploaded at the end."""
        if self.size(path) is not None:
            raise AlreadyExistsError(f"{path} exists already.")
        with self._cache.private_file(path) as temporary:
            with translated_block(path, temporary):
                yield temporary
            if not temporary.is_file():
                hint = "Write the file that the block was given."
                raise StorageError(f"Nothing was written for {path}.", hint=hint)
            self._create(path, temporary)

    def get(self, path: str) -> bytes:
        """See `Store.get`."""
        import obstore

        def read() -> bytes:
            with s3_client.translated(self.url, path):
                return bytes(obstore.get(self._transfers, path).bytes())

        check_path(path)
        return s3_client.again(read)

    def size(self, path: str) -> int | None:
        """See `Store.size`."""
        try:
            return self._look(path).size
        except NotFoundError:
            return None

    def local_path(self, path: str, *, sha256: str | None = None) -> Path:
        """See `Store.local_path`: a copy in the cache, downloaded once; each process checks its ETag once."""
        with self._holding(path, sha256) as (content, held):
            return self._cache.offer(content, held)

    @contextmanager
    def held(self, path: str, *, sha256: str | None = None) -> Iterator[Path]:
        """See `Store.held`."""
        with self._holding(path, sha256) as (_, held):
            yield held

    @contextmanager
    def _holding(self, path: str, sha256: str | None) -> Iterator[tuple[Content, Path]]:
        content = replace(self._contents.get(path) or self._look(path), sha256=sha256)
        held = self._cache.hold(content)
        if held is None:
            content, held = self._download(path, sha256)
        try:
            yield content, held
        finally:
            self._cache.release(content)

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `Store.list`."""
        import obstore

        def read() -> list[Entry]:
            with s3_client.translated(self.url, prefix or "its list"):
                chunks = obstore.list(self._client, prefix=prefix or None)
                return [Entry(meta["path"], meta["size"]) for chunk in chunks for meta in chunk]

        if prefix:
            check_path(prefix)
        found = filter(self._is_object, s3_client.again(read))
        return iter(sorted(found, key=lambda entry: entry.path))

    def delete(self, path: str) -> None:
        """See `Store.delete`."""
        import obstore

        with suppress(NotFoundError), s3_client.translated(self.url, check_path(path)):
            obstore.delete(self._client, path)
        self._contents.pop(path, None)

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """See `Store.lock`: an operating system lock in the cache, for the writers of this machine."""
        with file_lock.hold(self._cache.lock_file(check_path(path)), path=path):
            yield

    def _create(self, path: str, content: bytes | Path) -> None:
        """Put an object that is marked as ours, and when the answer is in doubt look whose it is.

        An answer can be lost after the server has written: the retry then finds the name taken by ourselves.
        """
        import obstore

        owner = uuid.uuid4().hex
        for _ in range(_PUT_ATTEMPTS):
            try:
                with s3_client.translated(self.url, path):
                    obstore.put(self._transfers, path, content, mode="create", attributes={_OWNER: owner})
            except NotFoundError as error:
                raise StorageError(f"There is no bucket {self.url}.", hint="Create it first.") from error
            except (AlreadyExistsError, StorageError) as error:
                found = self._owner_after(path, error)
                if found == owner:
                    return
                if found is not None:
                    raise AlreadyExistsError(f"{path} exists already.") from error
                if isinstance(error, StorageError):
                    raise
                continue  # it was there and is gone: another writer's put failed, or a delete came between
            return
        raise StorageError(f"{self.url} says that {path} exists, and that it does not.")

    def _owner_after(self, path: str, error: AlreadyExistsError | StorageError) -> str | None:
        """Look whose an object is after a put that did not succeed; where that fails too, nobody knows."""
        try:
            return self._owner(path)
        except StorageError as silence:
            if s3_client.is_refusal(error):
                raise error from error.__cause__
            raise StorageError(
                f"{silence.message} It is not known whether {path} was written.",
                hint=f"{silence.hint} A write that is repeated with its idempotency key is made once.",
            ) from silence

    def _owner(self, path: str) -> str | None:
        """Return the mark of whoever put an object, '' for a foreign one, None if there is none."""
        import obstore

        try:
            with s3_client.translated(self.url, path):
                found: GetResult = obstore.get(self._client, path, options={"head": True})
        except NotFoundError:
            return None
        return str(found.attributes.get(_OWNER, ""))

    def _look(self, path: str) -> Content:
        import obstore

        with s3_client.translated(self.url, check_path(path)):
            return self._remember(_content(path, obstore.head(self._client, path)))

    def _remember(self, content: Content) -> Content:
        if len(self._contents) >= _KEPT_CONTENTS:
            self._contents.clear()
        self._contents[content.path] = content
        return content

    def _download(self, path: str, sha256: str | None) -> tuple[Content, Path]:
        """Copy an object into the cache and hold it; again where it breaks off, or the cache is deleted."""
        import obstore

        def read() -> tuple[Content, Path]:
            with s3_client.translated(self.url, path):
                found = obstore.get(self._transfers, path)
            content = replace(self._remember(_content(path, found.meta)), sha256=sha256)
            return content, self._cache.keep(content, self._chunks(path, found))

        return s3_client.again(read)

    def _chunks(self, path: str, found: GetResult) -> Iterator[bytes]:
        with s3_client.translated(self.url, path):
            yield from map(bytes, found.stream())

    def _is_object(self, entry: Entry) -> bool:
        """Tell objects from what consoles leave in buckets: hidden names, and empty marks of folders."""
        return "/." not in f"/{entry.path}" and (entry.size > 0 or self.size(entry.path) is not None)


def _content(path: str, meta: ObjectMeta) -> Content:
    """Name an object's bytes: by their ETag, where a server gives one."""
    tag = meta["e_tag"] or f"{meta['last_modified'].isoformat()} {meta['size']}"
    return Content(path, tag, meta["size"])
