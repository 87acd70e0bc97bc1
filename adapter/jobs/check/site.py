"""In: a site's settings and address. Out: what works of the connection, and what to ask the server's administrator for.

From near to far: the way to the server, its CapabilityStatement and clock, the token and what it allows, one resource of each
type that the trial needs. A step that fails ends those that hang on it, and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime

from adapter.client import Capability, Clock, ForeignHost, NotFound, Refused, RetryPolicy, SiteAddress, UnusableAnswer
from adapter.client.capability import parse_capability
from adapter.client.discovery import discover
from adapter.client.scopes import grants
from adapter.client.transport import Transport
from adapter.config import SiteSettings, SmartBackendSettings
from adapter.errors import RemoteError, TransientError
from adapter.jobs.check.access import Answer, Scoped, check_configuration, check_token, failed, sample_types
from adapter.jobs.check.findings import Finding, Group, Status, TypeLine, exit_code_of
from adapter.jobs.check.server import (
    PUSHED,
    check_export,
    check_push,
    check_statement,
    check_types,
    formats_of,
    lacking_of,
)

__all__ = ["SiteCheck", "SiteToCheck", "check_site"]

#: A person waits for the answer: what does not come soon is told as such.
POLICY = RetryPolicy(attempts=2, budget=90.0, longest_wait=5.0, longest_asked=10.0)
#: SMART: an assertion holds five minutes at most; beyond a minute servers refuse the first ones.
_MOST_SKEW = 60
_REFUSED = 4
_CLOSED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class SiteToCheck:
    """A site to be checked.

    Attributes:
        settings: of the site.
        address: where its server is, with credentials.
        types: resource types that are needed of it.
    """

    settings: SiteSettings
    address: SiteAddress
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SiteCheck:
    """What was found.

    Attributes:
        findings: in the order in which they were looked at.
        types: one line a needed type.
    """

    findings: tuple[Finding, ...]
    types: tuple[TypeLine, ...] = ()

    @property
    def exit_code(self) -> int:
        """The worst of the findings'."""
        return exit_code_of(self.findings)

    @property
    def readable(self) -> tuple[str, ...]:
        """Types of which a search gave a resource."""
        return tuple(line.type for line in self.types if line.sample == "answered")


@dataclass(slots=True)
class _Seen:
    """What has been found so far."""

    findings: list[Finding] = field(default_factory=list)
    capability: Capability | None = None
    scopes: frozenset[str] | None = None
    samples: dict[str, str] = field(default_factory=dict)

    @property
    def is_stopped(self) -> bool:
        return any(found.status is Status.FAILED for found in self.findings)

    def skip(self, *groups: Group) -> None:
        self.findings += [Finding(group, "not-reached", Status.SKIPPED) for group in groups]


def check_site(
    subject: SiteToCheck,
    *,
    way: Iterable[Finding] = (),
    clock: Clock | None = None,
    connect: Callable[[SiteAddress], Transport] | None = None,
) -> SiteCheck:
    """Check the connection to a site; it only reads, and keeps nothing of what it reads.

    Args:
        subject: the site.
        way: findings about the way to the server (`check_reach`), looked at before anything is asked.
        clock: time and sleep.
        connect: opens a connection, where it is not over the network.
    """
    seen = _Seen(list(way))
    if seen.is_stopped:
        seen.skip(Group.SERVER, Group.ACCESS, Group.TYPES)
        return SiteCheck(tuple(seen.findings))
    clock = clock or Clock()
    opened = connect or (lambda address: Transport(address, policy=POLICY, clock=clock))
    # What is open to everybody is asked for without credentials: a token that is refused must not hide it.
    open_address = replace(subject.address, auth=None)
    with opened(open_address) as bare, opened(subject.address) as full:
        is_there = _statement(seen, subject, bare, full, clock)
        if not is_there:
            seen.skip(Group.ACCESS, Group.TYPES)
            return SiteCheck(tuple(seen.findings))
        may_go_on = _access(seen, subject, bare)
        if may_go_on:
            _samples(seen, subject, full)
        else:
            seen.skip(Group.TYPES)
        if seen.capability is not None:
            _stated(seen, subject, seen.capability)
            if may_go_on:
                seen.findings += _group(subject.settings, full)
    return SiteCheck(tuple(sorted(seen.findings, key=_place)), tuple(_lines(seen, subject)))


def _place(found: Finding) -> int:
    return list(Group).index(found.group)


def _statement(seen: _Seen, subject: SiteToCheck, bare: Transport, full: Transport, clock: Clock) -> bool:
    """The CapabilityStatement and the server's clock; whether the server answers at all."""

    def read(answer: Answer) -> tuple[bytes, Finding]:
        return answer.content, _clock_finding(answer.headers.get("Date"), began, clock.now())

    url = f"{subject.address.root}/metadata"
    began = clock.now()
    try:
        try:
            body, told = bare.get(url, read)
        except Refused as refusal:
            if refusal.status not in _CLOSED or subject.address.auth is None:
                raise
            began = clock.now()
            body, told = full.get(url, read)
    except RemoteError as error:
        seen.findings.append(failed(Group.SERVER, "statement", error))
        # A server that hides its statement may answer all the same.
        return isinstance(error, Refused) and not isinstance(error, TransientError)
    seen.findings.append(told)
    try:
        seen.capability = parse_capability(body)
    except ValueError:
        seen.findings.append(Finding(Group.SERVER, "statement-odd", Status.FAILED, failure=_REFUSED))
        return True
    seen.findings += check_statement(seen.capability, formats_of(body), fhir_version=subject.settings.fhir_version)
    return True


def _clock_finding(date: str | None, began: datetime, ended: datetime) -> Finding:
    """The server's clock against ours, at the middle of the request; the header tells whole seconds."""
    try:
        stated = parsedate_to_datetime(date or "")
        seconds = round((stated - (began + (ended - began) / 2)).total_seconds() + 0.5)
    except (ValueError, TypeError):
        return Finding(Group.REACH, "clock-untold", Status.NOTE)
    values = {"seconds": abs(seconds)}
    if abs(seconds) <= _MOST_SKEW:
        return Finding(Group.REACH, "clock", Status.OK, values)
    return Finding(Group.REACH, "clock-ahead" if seconds > 0 else "clock-behind", Status.ASK, values)


def _access(seen: _Seen, subject: SiteToCheck, bare: Transport) -> bool:
    """SMART configuration and token; whether requests with credentials can be made."""
    auth = subject.settings.auth
    if isinstance(auth, SmartBackendSettings):
        try:
            seen.findings += check_configuration(discover(bare), auth)
        except ForeignHost as error:
            seen.findings.append(
                Finding(Group.ACCESS, "smart-foreign", Status.FAILED, {"origin": error.origin}, _REFUSED)
            )
        except (Refused, UnusableAnswer):
            if auth.token_url is None:
                seen.findings.append(Finding(Group.ACCESS, "smart-missing", Status.ASK))
        except RemoteError as error:
            seen.findings.append(failed(Group.ACCESS, "smart", error))
    if isinstance(subject.address.auth, Scoped):
        told, seen.scopes = check_token(subject.address.auth, subject.types)
        seen.findings += told
        return not any(found.status is Status.FAILED for found in told)
    return True


def _samples(seen: _Seen, subject: SiteToCheck, full: Transport) -> None:
    capability = seen.capability
    wanted = subject.types
    if subject.settings.mode == "bulk":
        # A server that only exports need not search.
        wanted = tuple(
            name for name in wanted if capability is not None and "search-type" in capability.of(name).interactions
        )
    elif capability is not None:
        wanted = tuple(name for name in wanted if name in capability.types)
    own = (subject.address.root, *subject.settings.addresses)
    told, seen.samples = sample_types(full, wanted, own_addresses=own)
    seen.findings += told


def _stated(seen: _Seen, subject: SiteToCheck, capability: Capability) -> None:
    settings = subject.settings
    seen.findings += check_types(capability, subject.types, settings)
    seen.findings += check_export(capability, settings)
    seen.findings += check_push(capability, settings)
    if settings.push_candidates and seen.scopes:
        lacking = tuple(name for name in PUSHED if not grants(seen.scopes, name, letters="cu"))
        if lacking:
            scopes = tuple(f"system/{name}.cruds" for name in lacking)
            seen.findings.append(Finding(Group.PUSH, "push-scopes", Status.ASK, {"types": lacking, "scopes": scopes}))


def _group(settings: SiteSettings, full: Transport) -> list[Finding]:
    """Whether the Group of the settings is there."""
    if settings.group is None:
        return []
    values = {"group": settings.group.removeprefix("Group/")}
    try:
        full.get(f"{full.address.root}/Group/{values['group']}", lambda _: None)
    except NotFound:
        return [Finding(Group.TYPES, "group-missing", Status.ASK, values)]
    except RemoteError:
        # Some servers export Groups that nobody may read.
        return [Finding(Group.TYPES, "group-unread", Status.NOTE, values)]
    return [Finding(Group.TYPES, "group", Status.OK, values)]


def _lines(seen: _Seen, subject: SiteToCheck) -> Iterable[TypeLine]:
    for name in subject.types:
        yield TypeLine(
            name,
            served=None if seen.capability is None else name in seen.capability.types,
            lacking=() if seen.capability is None else lacking_of(seen.capability, name, subject.settings),
            scope=None if seen.scopes is None else grants(seen.scopes, name),
            sample=seen.samples.get(name),
        )
