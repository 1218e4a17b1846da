"""Domains: the parts of a desk that own data products."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.catalog.durations import parse_duration
from lakehouse.catalog.yaml_text import dump_yaml, load_yaml
from lakehouse.errors import AlreadyExistsError, ArgumentError, ContractError, NotFoundError
from lakehouse.names import is_plain_name
from lakehouse.store import Store

_FOLDER = "catalog/domains"
_API_VERSION = "lakehouse/v1"
_KEYS = ("apiVersion", "kind", "name", "description", "owners", "retention")


@dataclass(frozen=True)
class Domain:
    """A domain, as declared in `catalog/domains/<name>.yaml`.

    Raises:
        ArgumentError: the name is not plain.
        ContractError: the owners or the retention are not valid.

    Examples:
        >>> domain = Domain("market_data", owners=("market-data-team",), retention="10y")
        >>> Domain.from_yaml(domain.to_yaml()) == domain
        True
    """

    name: str
    """lower case, digits and underscores"""
    owners: tuple[str, ...] = ()
    """who answers for it: user or team names"""
    description: str = ""
    """what it holds"""
    retention: str | None = None
    """how long its products keep their rows unless their contracts say otherwise; None: for ever"""

    def __post_init__(self) -> None:
        """Bring the owners to their one form, and check every part."""
        if not isinstance(self.name, str) or not is_plain_name(self.name):
            raise ArgumentError(
                f"Not a name for a domain: {self.name!r}.",
                hint="Use lower-case letters, digits and underscores.",
            )
        owners = (self.owners,) if isinstance(self.owners, str) else tuple(self.owners)
        object.__setattr__(self, "owners", owners)
        if not all(isinstance(owner, str) and owner for owner in owners):
            raise ContractError(f"Owners must be names; got {list(owners)}.")
        if not isinstance(self.description, str):
            raise ContractError(f"The description must be text; got {self.description!r}.")
        if self.retention is not None:
            parse_duration(self.retention, of="retention")

    @classmethod
    def from_yaml(cls, text: str) -> Domain:
        """Read the document of a domain.

        Raises:
            ContractError: it is broken, with the key and the choices.
            ArgumentError: the name is not plain.
        """
        document = load_yaml(text, kind="domain")
        unknown = [str(key) for key in document if key not in _KEYS]
        if unknown:
            raise ContractError(
                f"The domain has unknown keys: {', '.join(unknown)}.", hint=f"Known: {', '.join(_KEYS)}."
            )
        if (document.get("apiVersion"), document.get("kind")) != (_API_VERSION, "Domain"):
            raise ContractError(
                "Not the document of a domain.", hint=f"Write apiVersion: {_API_VERSION}, kind: Domain."
            )
        owners = document.get("owners") or ()
        if not isinstance(owners, list | tuple):
            raise ContractError(f"owners must be a list of names, got {owners!r}.")
        return cls(
            document.get("name", ""),
            tuple(owners),
            document.get("description") or "",
            document.get("retention"),
        )

    def to_yaml(self) -> str:
        """Return the document; `from_yaml` gives the domain back."""
        facts = {
            "apiVersion": _API_VERSION,
            "kind": "Domain",
            "name": self.name,
            "description": self.description,
            "owners": list(self.owners),
            "retention": self.retention,
        }
        return dump_yaml({key: value for key, value in facts.items() if value})


def publish_domain(store: Store, domain: Domain) -> bool:
    """Write the domain's document; return False if an equal one was there.

    Raises:
        AlreadyExistsError: another domain of this name is there; documents are immutable.
    """
    try:
        store.put_if_absent(_path(domain.name), domain.to_yaml().encode("utf-8"))
    except AlreadyExistsError as error:
        if load_domain(store, domain.name) == domain:
            return False
        raise AlreadyExistsError(
            f"The domain {domain.name!r} exists with other facts.",
            hint="Documents are immutable: use another name.",
        ) from error
    return True


def list_domains(store: Store) -> list[Domain]:
    """Return every declared domain, sorted by name.

    Raises:
        ContractError: a document is broken.
    """
    return [_read(store, name) for name in domain_names(store)]


def domain_names(store: Store) -> tuple[str, ...]:
    """Return the names of the declared domains, sorted."""
    names = (entry.path.removeprefix(f"{_FOLDER}/") for entry in store.list(_FOLDER))
    return tuple(name.removesuffix(".yaml") for name in names if name.endswith(".yaml") and "/" not in name)


def load_domain(store: Store, name: str) -> Domain:
    """Read one domain.

    Raises:
        NotFoundError: there is none of that name.
        ContractError: its document is broken.
    """
    known = domain_names(store)
    if name not in known:
        raise NotFoundError.among("domain", name, known)
    return _read(store, name)


def _read(store: Store, name: str) -> Domain:
    path = _path(name)
    try:
        domain = Domain.from_yaml(store.get(path).decode("utf-8"))
    except (UnicodeDecodeError, ArgumentError, ContractError) as error:
        raise ContractError(f"{path} in {store.url}: {error}") from error
    if domain.name != name:
        raise ContractError(f"{path} in {store.url} holds the domain {domain.name!r}.")
    return domain


def _path(name: str) -> str:
    return f"{_FOLDER}/{name}.yaml"
