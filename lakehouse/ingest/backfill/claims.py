"""Who works on which slice of a plan, so that several coordinators share it and do nothing twice.

A claim is `catalog/backfills/<id>/claims/<slice>.<n>.json`; it names the session that works, and holds for as
long as that session lives (`catalog.claims`): its lease is its proof of life, so a claim needs no beat of its
own. Where the session is dead, whoever sees it puts n + 1, which only one can. Claims only save work: what
makes each chunk land exactly once is the commit, which is refused where the log has the chunk already.
"""

from __future__ import annotations

import dataclasses
import re
import time
from contextlib import suppress

from lakehouse.catalog.claims import lease_path, load_lease, newest_renewals
from lakehouse.catalog.documents import read_json, take, to_json
from lakehouse.catalog.process import Process, this_process
from lakehouse.catalog.session import session_of
from lakehouse.errors import AlreadyExistsError, IntegrityError, NotFoundError
from lakehouse.ingest.backfill.ledger import FOLDER
from lakehouse.store import Store

_CLAIM = re.compile(r".+/claims/(\d+)\.(\d+)\.json")
_held: set[tuple[str, str]] = set()
"""root and path of the claims of this process that are being worked on"""


class Claims:
    """The claims on the slices of one plan, as one coordinator sees them."""

    def __init__(self, store: Store, plan: str, table: str) -> None:
        """Take the lake, the id of the plan and the path of its table."""
        self._store, self._folder, self._table = store, f"{FOLDER}/{plan}/claims", table
        self._mine: dict[int, str] = {}
        self._seen: dict[str, tuple[int, float]] = {}
        """the renewals of sessions on other machines, and when each was first seen"""

    def take(self, part: int) -> bool:
        """Claim a slice; False where somebody who lives works on it."""
        session = session_of(self._store).intend(self._table)  # its lease comes before the claim
        last = self._newest().get(part, 0)
        if last and self._is_held(self._path(part, last)):
            return False
        path = self._path(part, last + 1)
        document = {"session": session, "process": dataclasses.asdict(this_process())}
        _held.add((self._store.url, path))
        try:
            self._store.put_if_absent(path, to_json(document))
        except AlreadyExistsError:  # another one was faster
            _held.discard((self._store.url, path))
            return False
        except BaseException:
            _held.discard((self._store.url, path))
            raise
        self._mine[part] = path
        return True

    def give_back(self, part: int) -> None:
        """End the claim on a slice, and take away those of the dead before it."""
        path = self._mine.pop(part)
        _held.discard((self._store.url, path))
        self._delete(part, int(path.split(".")[-2]))

    def held(self) -> set[int]:
        """Return the slices on which somebody who lives works."""
        return {part for part, last in self._newest().items() if self._is_held(self._path(part, last))}

    def sweep(self) -> None:
        """Take away the claims of the dead on a plan that has ended."""
        for part, last in self._newest().items():
            if not self._is_held(self._path(part, last)):
                self._delete(part, last)

    def _path(self, part: int, number: int) -> str:
        return f"{self._folder}/{part}.{number}.json"

    def _delete(self, part: int, last: int) -> None:
        for number in range(1, last + 1):
            self._store.delete(self._path(part, number))

    def _newest(self) -> dict[int, int]:
        """Return the number of each slice's newest claim."""
        newest: dict[int, int] = {}
        for entry in self._store.list(self._folder):
            if match := _CLAIM.fullmatch(entry.path):
                part, number = int(match[1]), int(match[2])
                newest[part] = max(number, newest.get(part, 0))
        return newest

    def _is_held(self, path: str) -> bool:
        """Say whether the session of a claim lives, as far as can be known here."""
        try:
            document = read_json(self._store, path)
            session = take(document, "session", str, of=path)
            process = Process(**take(document, "process", dict, of=path))
        except NotFoundError:  # given back just now
            return False
        except TypeError as error:
            raise IntegrityError(f"{path} is no claim.") from error
        if process == this_process():
            return (self._store.url, path) in _held
        return not process.is_gone and self._is_renewed(session)

    def _is_renewed(self, session: str) -> bool:
        """Say whether a session renewed its lease within its time to live, on the clock of this process."""
        number = newest_renewals(self._store).get(session)
        if number is None:
            return False
        seen, since = self._seen.get(session, (0, 0.0))
        if seen != number:
            self._seen[session] = number, time.monotonic()
            return True
        with suppress(NotFoundError):
            lease = load_lease(self._store, lease_path(session, number))
            return time.monotonic() - since < lease.time_to_live_s
        return True
