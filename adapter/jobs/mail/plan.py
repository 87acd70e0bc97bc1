"""In: ``[mail]`` of the settings, accounts, a moment. Out: the digests that are due, each with who gets it and what they may hear."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from adapter.accounts import Permission, Role
from adapter.config import DigestSettings, MailSettings, Settings
from adapter.errors import ConfigurationError, UsageError
from adapter.fhir import PARIS
from adapter.jobs.mail.addresses import plain_address, recipient_hash, sender_address
from adapter.jobs.mail.delivery import check_server
from adapter.jobs.mail.letter import Letterhead
from adapter.jobs.mail.news import granted, tells
from adapter.jobs.mail.schedule import due
from adapter.observe import logger
from adapter.store import Store
from adapter.store.digests import DigestKey

__all__ = ["DueDigest", "Reader", "check_mail", "due_digests", "letterhead", "readers"]

#: What a mailbox without an account is for, where a digest names no roles: the people who care for patients.
_CARE: Final = (Role.INVESTIGATOR, Role.NURSE)


@dataclass(frozen=True, slots=True)
class DueDigest:
    """One digest of the settings, of one day.

    Attributes:
        slot: its time of day; one that a person asked for has a slot of its own.
    """

    settings: DigestSettings
    day: date
    slot: str

    @property
    def site(self) -> str:
        """Whose."""
        return self.settings.site

    def key(self, reader: Reader) -> DigestKey:
        """This digest for one reader, as the store knows it."""
        return DigestKey(
            site=self.site, recipient=reader.hash, language=self.settings.language, slot=self.slot, day=self.day
        )


@dataclass(frozen=True, slots=True)
class Reader:
    """Who gets a digest, and what they are granted at its site."""

    address: str
    permissions: frozenset[Permission]

    @property
    def hash(self) -> str:
        """What stands for them in the store."""
        return recipient_hash(self.address)


def check_mail(settings: Settings) -> MailSettings:
    """The settings by which mail goes, all digests looked at; nothing is sent.

    Raises:
        ConfigurationError: there are none, or something in them is wrong.
    """
    mail = settings.mail
    if mail is None:
        raise ConfigurationError("mail", "is not in the settings: which server takes our mail?")
    check_server(mail)
    letterhead(settings, mail)
    for number, digest in enumerate(mail.digests):
        _check(digest, f"mail.digests.{number}")
    return mail


def letterhead(settings: Settings, mail: MailSettings) -> Letterhead:
    """What all mails have in common.

    Raises:
        ConfigurationError: nothing says where the links lead.
    """
    if settings.service.public_url is None:
        raise ConfigurationError("service.public_url", "is missing: the links of a digest begin with it")
    return Letterhead(str(settings.service.public_url).rstrip("/"), sender_address(mail.sender))


def due_digests(
    mail: MailSettings, *, now: datetime, site: str | None = None, regardless: bool = False
) -> list[DueDigest]:
    """The digests whose time has come today, whether they were sent already or not.

    Args:
        mail: the settings, checked.
        now: aware time.
        site: of this site only.
        regardless: all of them, whatever the schedule says.

    Raises:
        UsageError: the site asked for has no digest.
    """
    wanted = [digest for digest in mail.digests if site in (None, digest.site)]
    if site is not None and not wanted:
        raise UsageError(f"--site {site}: no [[mail.digests]] of the settings is for it")
    here = now.astimezone(PARIS)
    if regardless:
        return [DueDigest(digest, here.date(), f"now {here:%H:%M:%S}") for digest in wanted]
    found = [(digest, due(digest.at, digest.days, now)) for digest in wanted]
    return [DueDigest(digest, day, f"{digest.at:%H:%M:%S}") for digest, day in found if day is not None]


def readers(store: Store, digest: DigestSettings) -> list[Reader]:
    """Who gets a digest, each address once, with all that their roles at the site grant.

    An address of the settings hears what each of the digest's roles may hear. Who may hear nothing of it gets none.
    """
    found: dict[str, tuple[str, frozenset[Permission]]] = {}

    def add(addresses: Collection[str], permissions: frozenset[Permission]) -> None:
        for address in addresses:
            known = found.get(recipient_hash(address))
            found[recipient_hash(address)] = (
                (address, permissions) if known is None else (known[0], known[1] | permissions)
            )

    add(digest.to, _of_unknown(digest))
    for role in _roles(digest):
        usable = list(_usable(store.accounts.addresses(site=digest.site, roles=[role]), digest.site))
        add(usable, granted([role]))
    return [Reader(address, permissions) for address, permissions in found.values() if tells(permissions)]


def _of_unknown(digest: DigestSettings) -> frozenset[Permission]:
    roles = _roles(digest) or _CARE
    return frozenset(Permission).intersection(*(granted([role]) for role in roles))


def _roles(digest: DigestSettings) -> tuple[Role, ...]:
    return tuple(dict.fromkeys(Role(role) for role in digest.roles))


def _usable(addresses: Collection[str], site: str) -> Iterator[str]:
    for address in addresses:
        try:
            yield plain_address(address)
        except ValueError:
            # Not told which: whose account it is the list of accounts tells.
            logger("jobs").warning("mail address of an account left out", site=site)


def _check(digest: DigestSettings, key: str) -> None:
    for address in digest.to:
        try:
            plain_address(address)
        except ValueError as error:
            raise ConfigurationError(f"{key}.to", str(error)) from None
    if digest.at.tzinfo is not None:
        raise ConfigurationError(f"{key}.at", "is a time of day in France, without a zone: 07:30")
    if digest.roles and not any(tells(granted([role])) for role in _roles(digest)):
        raise ConfigurationError(f"{key}.roles", "none of them may hear what a digest tells")
    if digest.to and not tells(_of_unknown(digest)):
        raise ConfigurationError(f"{key}.to", "these hear what each of the roles may hear, and that is nothing")
    if not digest.to and not digest.roles:
        raise ConfigurationError(f"{key}.to", "neither an address nor a role: nobody would get it")
