"""In: a site's address with its credentials. Out: findings: a token, what it allows, and what a search for one resource of each type gives.

The answers to the searches are looked at for their kind and the addresses in them only; nothing else is kept or shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from adapter.client import NotFound, Refused
from adapter.client.scopes import grants
from adapter.client.search import parse_searchset
from adapter.client.transport import Transport
from adapter.config import SmartBackendSettings
from adapter.errors import RemoteError, TransientError
from adapter.fhir import ResourceProblem, summarise
from adapter.jobs.check.findings import Finding, Group, Status
from adapter.sync.addresses import Addresses, shown_base

__all__ = ["Answer", "Configured", "Scoped", "check_configuration", "check_token", "failed", "sample_types"]

_REFUSED, _LATER = 4, 75
_NO_CREDENTIALS, _FORBIDDEN = 401, 403
_ASSERTION = "private_key_jwt"
_ODD = "no searchset Bundle"


class Answer(Protocol):
    """What of an HTTP answer is looked at."""

    @property
    def content(self) -> bytes:
        """The body."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, whatever the case."""


@runtime_checkable
class Scoped(Protocol):
    """Credentials whose token says what it allows."""

    def granted_scopes(self) -> frozenset[str]:
        """Scopes of the current token.

        Raises:
            RemoteError: no token is to be had.
        """


class Configured(Protocol):
    """What of a SMART configuration is looked at."""

    @property
    def auth_methods(self) -> tuple[str, ...]:
        """How clients may show who they are; none where unstated."""

    @property
    def algorithms(self) -> tuple[str, ...]:
        """That an assertion may be signed by; none where unstated."""

    @property
    def source(self) -> str:
        """The document that says so."""


def check_configuration(found: Configured, auth: SmartBackendSettings) -> Iterator[Finding]:
    """Whether a server takes assertions as we make them.

    Args:
        found: its SMART configuration.
        auth: the site's settings.
    """
    yield Finding(Group.ACCESS, "smart", Status.OK, {"source": found.source})
    if found.auth_methods and _ASSERTION not in found.auth_methods:
        yield Finding(Group.ACCESS, "smart-method", Status.ASK, {"methods": found.auth_methods})
    ours = (auth.algorithm,) if auth.algorithm is not None else ("ES384", "RS384")
    if found.algorithms and not set(ours) & set(found.algorithms):
        yield Finding(Group.ACCESS, "smart-algorithm", Status.ASK, {"ours": ours, "stated": found.algorithms})


def check_token(auth: Scoped, types: Iterable[str]) -> tuple[list[Finding], frozenset[str] | None]:
    """Ask for a token, and compare what it allows with what is needed.

    Returns:
        findings, and the granted scopes: None where there is no token, or none are told.
    """
    try:
        scopes = auth.granted_scopes()
    except RemoteError as error:
        return [failed(Group.ACCESS, "token", error)], None
    found = [Finding(Group.ACCESS, "token", Status.OK)]
    if not scopes:
        return [*found, Finding(Group.ACCESS, "scopes-untold", Status.NOTE)], None
    lacking = tuple(name for name in types if not grants(scopes, name))
    if lacking:
        asked = tuple(f"system/{name}.rs" for name in lacking)
        found.append(Finding(Group.ACCESS, "scopes-missing", Status.ASK, {"types": lacking, "scopes": asked}))
    else:
        found.append(Finding(Group.ACCESS, "scopes", Status.OK))
    return found, scopes


def sample_types(
    transport: Transport, types: Iterable[str], *, own_addresses: Collection[str]
) -> tuple[list[Finding], dict[str, str]]:
    """Ask for one resource of each type.

    Args:
        transport: to the server.
        types: to ask for.
        own_addresses: base URLs under which the site's own resources are named.

    Returns:
        findings, and by type what the search gave (see `TypeLine`); it ends where the server does not answer.
    """
    seen: dict[str, str] = {}
    failures: dict[str, tuple[str, ...]] = {}
    ended: list[Finding] = []
    statuses: set[int] = set()
    addresses = Addresses(own_addresses)
    foreign: dict[str, None] = {}
    for type_ in types:
        try:
            seen[type_], named = _sample(transport, type_, addresses)
            foreign |= dict.fromkeys(named)
            if seen[type_] == "failed":
                failures[_ODD] = (*failures.get(_ODD, ()), type_)
        except Refused as error:
            statuses.add(error.status)
            seen[type_] = _kind_of(error)
            if seen[type_] == "failed":
                failures[str(error.status)] = (*failures.get(str(error.status), ()), type_)
        except TransientError as error:
            seen[type_] = "failed"
            ended.append(failed(Group.ACCESS, "sample", error))
            break
        except RemoteError as error:
            seen[type_] = "failed"
            problem = str(error).rpartition(": ")[2]
            failures[problem] = (*failures.get(problem, ()), type_)
    if foreign:
        bases = tuple(map(shown_base, foreign))
        # What a pull would put aside, all of it perhaps.
        ended.append(Finding(Group.HERE, "addresses-foreign", Status.ASK, {"addresses": bases}))
    return [*_told(seen, failures, statuses), *ended], seen


def _sample(transport: Transport, type_: str, addresses: Addresses) -> tuple[str, list[str]]:
    """What a search gave, and addresses of others than the site under which it names whom a resource is about."""

    def read(answer: Answer) -> tuple[str, list[str]]:
        try:
            found = parse_searchset(answer.content, resource_type=type_)
        except ValueError:
            return "failed", []
        return ("answered" if found.entries else "empty"), [
            base for entry in found.entries for base in _foreign(entry.raw, addresses)
        ]

    return transport.get(f"{transport.address.root}/{type_}?_count=1", read)


def _foreign(raw: bytes, addresses: Addresses) -> list[str]:
    try:
        return addresses.foreign(summarise(raw))
    except ResourceProblem:
        return []


def _kind_of(error: Refused) -> str:
    if error.status in (_NO_CREDENTIALS, _FORBIDDEN):
        return "refused"
    return "missing" if isinstance(error, NotFound) else "failed"


def _told(seen: dict[str, str], failures: dict[str, tuple[str, ...]], statuses: set[int]) -> Iterator[Finding]:
    by_kind = {kind: tuple(name for name, found in seen.items() if found == kind) for kind in set(seen.values())}
    answered = len(by_kind.get("answered", ())) + len(by_kind.get("empty", ()))
    if answered == len(seen) and seen:
        yield Finding(Group.ACCESS, "sample", Status.OK, {"count": answered})
    if refused := by_kind.get("refused"):
        if answered:
            yield Finding(Group.ACCESS, "sample-forbidden", Status.ASK, {"types": refused})
        else:
            code = "credentials-refused" if _NO_CREDENTIALS in statuses else "sample-forbidden"
            yield Finding(Group.ACCESS, code, Status.FAILED, {"types": refused}, _REFUSED)
    if missing := by_kind.get("missing"):
        yield Finding(Group.ACCESS, "sample-missing", Status.ASK, {"types": missing})
    if empty := by_kind.get("empty"):
        # A hospital may have no ResearchStudy; one without patients hides them from us.
        status = Status.ASK if "Patient" in empty else Status.NOTE
        yield Finding(Group.ACCESS, "sample-empty", status, {"types": empty})
    for problem, types in failures.items():
        yield Finding(Group.ACCESS, "sample-odd", Status.FAILED, {"types": types, "problem": problem}, _REFUSED)


def failed(group: Group, what: str, error: RemoteError) -> Finding:
    """The finding that something could not be had: ``<what>-refused``, or ``-unavailable`` where later may be better."""
    kind, code = ("unavailable", _LATER) if isinstance(error, TransientError) else ("refused", _REFUSED)
    return Finding(group, f"{what}-{kind}", Status.FAILED, {"problem": str(error)}, code)
