"""The starter catalog: contracts, domains and named queries of a quant desk, for a new lake to begin with.

There is one source, the folders `catalog/` and `queries/` at the root of the repository. A checkout reads
them in place; the wheel carries a copy that the build makes in `lakehouse/_starter`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lakehouse.errors import NotFoundError

_PACKAGE = Path(__file__).parents[1]
_PATTERNS = ("catalog/domains/*.yaml", "catalog/products/*/*/*.yaml", "queries/*.sql")


def starter_files() -> Iterator[tuple[str, bytes]]:
    """Yield the path in a lake and the bytes of each starter document, domains first, each group sorted.

    The lake's own identity, its snapshots and its pins are not among them.

    Raises:
        NotFoundError: the installation carries none.
    """
    root = _starter_root(_PACKAGE)
    for pattern in _PATTERNS:
        for file in sorted(root.glob(pattern)):
            yield file.relative_to(root).as_posix(), file.read_bytes()


def _starter_root(package: Path) -> Path:
    for root in (package / "_starter", package.parent):
        if (root / "catalog" / "domains").is_dir() and (root / "catalog" / "products").is_dir():
            return root
    raise NotFoundError(
        "This installation carries no starter catalog.",
        hint="Reinstall it: pip install --force-reinstall quant-lakehouse",
    )
