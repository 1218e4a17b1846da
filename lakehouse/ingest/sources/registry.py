"""Sources by name: `lean:/data/lean` asks the source called `lean` for what follows.

A distribution adds one by an entry point of the group `lakehouse.sources`:

    [project.entry-points."lakehouse.sources"]
    vendor = "vendor_for_lakehouse:VendorSource"

The object is called with the location, and with the keyword options that the caller gave. Nothing is imported
before it is asked for. A name that two distributions claim belongs to neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from lakehouse.errors import ArgumentError, LakehouseError, NotFoundError
from lakehouse.ingest.sources.base import Source
from lakehouse.ingest.sources.files import FileSource

GROUP = "lakehouse.sources"
OWN = "quant-lakehouse"

BUILT_IN = {
    "arctic": "lakehouse.ingest.sources.formats.arctic:ArcticSource",
    "databento": "lakehouse.ingest.sources.formats.databento:DatabentoSource",
    "delta": "lakehouse.ingest.sources.formats.delta:DeltaSource",
    "duckdb": "lakehouse.ingest.sources.databases:duckdb",
    "exchange": "lakehouse.ingest.sources.exchanges:open_exchange",
    "files": "lakehouse.ingest.sources.files:FileSource",
    "freqtrade": "lakehouse.ingest.sources.formats.freqtrade:FreqtradeSource",
    "hive": "lakehouse.ingest.sources.formats.hive:HiveSource",
    "influx": "lakehouse.ingest.sources.formats.influx:InfluxSource",
    "lean": "lakehouse.ingest.sources.formats.lean:LeanSource",
    "postgresql": "lakehouse.ingest.sources.databases:postgresql",
    "pysystemtrade": "lakehouse.ingest.sources.formats.pysystemtrade:PysystemtradeSource",
    "sqlite": "lakehouse.ingest.sources.databases:sqlite",
}
"""Name → object, as in our own entry points: a checkout that is not installed has them too."""

_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_+.-]+):(.*)", re.DOTALL)  # one letter alone is a drive of Windows


@dataclass(frozen=True, slots=True)
class InstalledSource:
    """A source that can be opened by its name."""

    name: str
    """what stands before the colon"""
    target: str
    """`module:object`"""
    distribution: str
    """which brings it"""

    def load(self) -> Any:
        """Import the class or function.

        Raises:
            ArgumentError: it can not be imported, or is not called `module:object`.
        """
        try:
            return metadata.EntryPoint(self.name, self.target, GROUP).load()
        except LakehouseError:
            raise
        except Exception as error:  # the code of another distribution, which may fail in any way
            raise ArgumentError(
                f"The source {self.name!r} of {self.distribution} can not be loaded from {self.target}: "
                f"{type(error).__name__}: {error}."
            ) from error


def installed_sources() -> list[InstalledSource]:
    """Return the sources that can be opened by name, sorted; a name that is claimed twice stands there twice.

    Examples:
        >>> "files" in [source.name for source in installed_sources()]
        True
    """
    found = {InstalledSource(name, target, OWN) for name, target in BUILT_IN.items()}
    for point in metadata.entry_points(group=GROUP):
        distribution = point.dist.name if point.dist else "an unknown distribution"
        if distribution != OWN:  # ours are those of this code, whatever an older installation says
            found.add(InstalledSource(point.name, point.value, distribution))
    return sorted(found, key=lambda source: (source.name, source.distribution, source.target))


def open_source(location: str | Path, /, **options: Any) -> Source:
    r"""Open what is named: `name:location` by that source, anything else as files.

    Args:
        location: as `lean:/data/lean/equity/usa/minute`, `delta:s3://bucket/table`, or the path or URL of
            files. A file whose own path begins like a name is written as `./name:file.csv`.
        options: of that source, such as `recipe=`; see its class.

    Raises:
        NotFoundError: no installed source has the name; the choices are listed.
        ArgumentError: two distributions claim the name, or it does not know an option.
        SourceError: there is nothing at the location.
        MissingExtraError: the source needs a library that is not installed.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "IBM.csv").write_text("date,close\n2024-01-02,161.14\n")
        ...     open_source(f"files:{folder}").symbols()
        ('IBM',)
    """
    named = _NAMED.fullmatch(location) if isinstance(location, str) else None
    if named is None:
        return FileSource(location, **options)
    claims = [source for source in installed_sources() if source.name == named[1].lower()]
    if not claims:
        if named[2].startswith("//") or Path(location).exists():
            return FileSource(location, **options)
        raise NotFoundError.among("source", named[1], {source.name for source in installed_sources()})
    if len(claims) > 1:
        shown = " and ".join(f"{claim.distribution} ({claim.target})" for claim in claims)
        raise ArgumentError(
            f"Several sources are called {named[1]!r}: {shown}.",
            hint="Uninstall one, or give an object of its class instead of a name.",
        )
    return _opened(claims[0], named[2], options)


def is_named(location: str) -> bool:
    """Say whether a text begins with the name of an installed source, as `lean:/data` does.

    Examples:
        >>> is_named("lean:/data/lean"), is_named("bars/IBM.csv")
        (True, False)
    """
    named = _NAMED.fullmatch(location)
    return named is not None and named[1].lower() in {source.name for source in installed_sources()}


def as_source(source: Source | str | Path, recipe: Any = None) -> Source:
    """Return a source as it is, and open a location; see `open_source`.

    Raises:
        ArgumentError: a recipe came with a source that is open already.
    """
    if not isinstance(source, Source):
        return open_source(source, **({} if recipe is None else {"recipe": recipe}))
    if recipe is not None:
        raise ArgumentError(
            f"The source {source.name} is open already.", hint="Give the recipe where it is opened."
        )
    return source


def _opened(claim: InstalledSource, location: str, options: dict[str, Any]) -> Source:
    opener = claim.load()
    try:
        opened = opener(location, **options)
    except TypeError as error:
        if not options or not any(name in str(error) for name in options):
            raise
        raise ArgumentError(f"The source {claim.name!r} does not know an option: {error}.") from error
    if not isinstance(opened, Source):
        raise ArgumentError(
            f"The source {claim.name!r} of {claim.distribution} gave no Source but {opened!r}."
        )
    return opened
