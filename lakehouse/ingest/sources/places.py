"""What the user named as a source: one file, a folder, or a template of files, on a disk or behind a URL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.request import url2pathname

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.opener import LocalOpener, Opener
from lakehouse.ingest.sources.remote import RemoteOpener, scheme_of, shown, split_query
from lakehouse.ingest.sources.template import PathTemplate, has_placeholder, split_template


@dataclass(frozen=True, slots=True)
class Place:
    """Where files lie, and which of them are meant."""

    name: str
    """as the user named it, without secrets"""
    opener: Opener
    """the folder"""
    folder: str
    """the same for messages, and to match whole paths"""
    template: PathTemplate | None
    """of the files below; None for all data files"""
    only: str | None
    """the file, if it is one"""

    def full_path(self, name: str) -> str:
        """Return the path of a file from the root of its disk or bucket."""
        return (
            f"{self.folder}/{name}"
            if scheme_of(self.folder)
            else (Path(self.folder) / name).absolute().as_posix()
        )


def find_place(path: str | Path, files: str | None, opener: Opener | None) -> Place:
    """Look at what is there.

    Args:
        path: of a file, a folder, or a template; or a URL of these.
        files: the recipe's template of the files in a folder.
        opener: where the files lie instead; `path` is then a template inside it.

    Raises:
        ArgumentError: the template can not mean anything, or nobody knows the URL's scheme.
        MissingExtraError: a library for the URL is not installed.
        SourceError: there is nothing at `path`.
    """
    if not str(path):  # an unset variable of a shell is not meant for the folder one is in
        raise ArgumentError("The path of a source is empty.", hint="'.' is the present folder.")
    template = PathTemplate.parse(files) if files else None
    scheme = scheme_of(path) if opener is None else None
    if scheme is None or scheme == "file":
        text = str(path)
        return _find_here(url2pathname(text[len("file://") :]) if scheme else text, template, opener)
    return _find_remote(str(path), template)


def _find_here(text: str, template: PathTemplate | None, opener: Opener | None) -> Place:
    place = Path(text).expanduser()
    path = place.as_posix()
    if opener is None and place.is_file():
        folder = place.parent.as_posix()
        return Place(text, LocalOpener(folder), folder, template, place.name)
    if opener is None and place.is_dir():
        return Place(text, LocalOpener(path), path, template, None)
    if has_placeholder(path):
        folder, below = split_template(path)
        if opener is not None or Path(folder).is_dir():
            return Place(text, opener or LocalOpener(folder), folder, PathTemplate.parse(below), None)
    raise _nothing(path)


def _find_remote(url: str, template: PathTemplate | None) -> Place:
    address, query = split_query(url)
    name = shown(url)
    if has_placeholder(address):
        folder, below = split_template(address)
        if "://" not in folder:
            folder, below = address[: address.index("://") + 3], address.partition("://")[2]
        return Place(name, RemoteOpener(folder, query=query), shown(folder), PathTemplate.parse(below), None)
    folder, _, last = address.rstrip("/").rpartition("/")
    if "://" not in folder:  # a whole bucket
        return Place(name, RemoteOpener(address), name, template, None)
    opener = RemoteOpener(folder, query=query)
    kind = "file" if query else opener.kind(last)
    if kind is None:
        raise _nothing(name)
    if kind == "file":
        return Place(name, opener, shown(folder), template, last)
    return Place(name, opener.below(last), name, template, None)


def _nothing(path: str) -> SourceError:
    return SourceError(f"There is no file, folder or template of files at {path!r}.")
