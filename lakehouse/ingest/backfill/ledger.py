"""What the catalog keeps of backfills: the plan, and why a chunk failed.

What is done stands in the log of the table, in the very commits that hold the rows. Here lie small immutable
documents, `catalog/backfills/<id>/plan.json` and `failures/<chunk>.<digest>.json` beside it: they explain,
and nothing depends on them. The id is the digest of the plan, so a repeated run finds what is there, and
writes nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.documents import now_iso, read_json, storable, take, to_json
from lakehouse.errors import AlreadyExistsError, IntegrityError, NotFoundError
from lakehouse.ingest.backfill.report import ChunkFailure
from lakehouse.ingest.sources.base import Chunk
from lakehouse.store import Store

FOLDER = "catalog/backfills"

_ID_FORMAT = "plan/1"
_PLAN = re.compile(FOLDER + r"/([0-9a-f]{32})/plan\.json")


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """A plan as the catalog keeps it."""

    id: str
    """32 hex digits"""
    product: str
    """`domain.product`"""
    major: int
    """of the contract: the table"""
    source: str
    """name of the source"""
    opened: str
    """when a run of it first began, ISO 8601 UTC"""
    chunks: tuple[str, ...]
    """their ids, in order"""
    slices: tuple[int, ...]
    """how many chunks each slice has; a slice is claimed and committed as one"""

    @property
    def path(self) -> str:
        """Where the document lies."""
        return f"{FOLDER}/{self.id}/plan.json"


def ledger_key(chunk: str) -> str:
    """Return the name under which the Delta log remembers a chunk."""
    return f"chunk:{chunk}"


def content_key(chunk: Chunk) -> str:
    """Return the name under which it remembers what a chunk was read from, whatever interval and symbols."""
    return f"content:{chunk.content}"


def keys_of(chunks: Sequence[Chunk], contract: Contract) -> tuple[str, ...]:
    """Return all names under which the log remembers chunks that land in one commit."""
    keys = [ledger_key(chunk.id) for chunk in chunks]
    if not contract.schema.key:  # no key would tell doubles
        keys += dict.fromkeys(content_key(chunk) for chunk in chunks if chunk.content)
    return tuple(keys)


def plan_id(product: str, major: int, chunks: Sequence[str], slices: Sequence[int]) -> str:
    """Return the id of a plan: 32 hex digits, the same for all who plan the same."""
    text = json.dumps([_ID_FORMAT, product, major, list(chunks), list(slices)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def publish_plan(store: Store, plan: PlanDocument) -> None:
    """Keep a plan; one that is there stays.

    Raises:
        StorageError: the disk or bucket refused.
    """
    if store.size(plan.path) is None:
        with suppress(AlreadyExistsError):
            document = dataclasses.asdict(plan) | {"source": storable(plan.source)}
            store.put_if_absent(plan.path, to_json(document))


def list_plans(store: Store) -> list[PlanDocument]:
    """Return all plans, oldest first.

    Raises:
        IntegrityError: a document is broken.
    """
    found = [match[1] for entry in store.list(FOLDER) if (match := _PLAN.fullmatch(entry.path))]
    return sorted((load_plan(store, each) for each in found), key=lambda plan: plan.opened)


def load_plan(store: Store, plan: str) -> PlanDocument:
    """Return a plan by its id.

    Raises:
        NotFoundError: there is none.
        IntegrityError: it is broken.
    """
    path = f"{FOLDER}/{plan}/plan.json"
    document = read_json(store, path)
    texts = {name: take(document, name, str, of=path) for name in ("id", "product", "source", "opened")}
    return PlanDocument(
        **texts,
        major=take(document, "major", int, of=path),
        chunks=tuple(take(document, "chunks", list, of=path)),
        slices=tuple(take(document, "slices", list, of=path)),
    )


def keep_failure(store: Store, plan: str, failure: ChunkFailure) -> None:
    """Keep why a chunk failed, once for each reason."""
    error = storable(failure.error)
    digest = hashlib.sha256(error.encode()).hexdigest()[:16]
    path = f"{FOLDER}/{plan}/failures/{failure.chunk}.{digest}.json"
    document = {
        "chunk": failure.chunk,
        "files": [storable(file) for file in failure.files],
        "error": error,
        "time": now_iso(),
    }
    if store.size(path) is None:
        with suppress(AlreadyExistsError):
            store.put_if_absent(path, to_json(document))


def list_failures(store: Store, plan: str) -> dict[str, ChunkFailure]:
    """Return the newest failure of each chunk of a plan that ever failed, by its id.

    Raises:
        IntegrityError: a document is broken.
    """
    documents: list[dict[str, Any]] = []
    for entry in store.list(f"{FOLDER}/{plan}/failures"):
        with suppress(NotFoundError):
            documents.append(read_json(store, entry.path))
    try:
        documents.sort(key=lambda document: document["time"])
        return {
            each["chunk"]: ChunkFailure(each["chunk"], tuple(each["files"]), each["error"])
            for each in documents
        }
    except (KeyError, TypeError) as error:
        raise IntegrityError(
            f"A document below {FOLDER}/{plan}/failures is no failure of a chunk."
        ) from error
