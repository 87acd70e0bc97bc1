"""In: settings, the store, a moment. Out: the digests that are due, sent to each of their readers once, or a preview of them."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, Final

from adapter.config import Settings
from adapter.documents import load_trial
from adapter.errors import ConfigurationError, ReluthError, worst_exit_code
from adapter.jobs.mail.delivery import Delivered, Outgoing
from adapter.jobs.mail.letter import compose
from adapter.jobs.mail.news import Gathered, News, gather
from adapter.jobs.mail.plan import DueDigest, Reader, check_mail, due_digests, letterhead, readers
from adapter.jobs.stopping import stop_if_asked
from adapter.observe import logger
from adapter.store import Store
from adapter.store.digests import DigestKey, DigestState

__all__ = ["ACTOR", "DigestSummary", "MailSummary", "Mailing"]

#: Who sends, in the audit trail.
ACTOR: Final = "reluth"
_REFUSED = 4
_IN_PART = 5
_LATER = 75


@dataclass(frozen=True, slots=True)
class DigestSummary:
    """What became of one digest.

    Attributes:
        sent: recipients who have it now; ``empty`` had nothing to be told, ``already`` had it before, ``refused`` the server
            does not take, ``later`` are tried again.
        problem: why it stopped on the way.
    """

    site: str
    language: str
    day: str
    slot: str
    sent: int = 0
    empty: int = 0
    already: int = 0
    refused: int = 0
    later: int = 0
    problem: str | None = None
    problem_code: int = 0

    @property
    def exit_code(self) -> int:
        """Of the contract: 5 where some have it and the server refused others."""
        codes = {self.problem_code}
        if self.refused:
            codes.add(_IN_PART if self.sent else _REFUSED)
        if self.later:
            codes.add(_LATER)
        return worst_exit_code(codes)

    def as_object(self) -> dict[str, Any]:
        """Of JSON's own types; nobody's address."""
        found: dict[str, Any] = {
            "site": self.site,
            "language": self.language,
            "day": self.day,
            "slot": self.slot,
            "sent": self.sent,
            "empty": self.empty,
            "already": self.already,
            "refused": self.refused,
            "later": self.later,
        }
        return found if self.problem is None else {**found, "problem": self.problem}


@dataclass(frozen=True, slots=True)
class MailSummary:
    """What became of all digests that were due."""

    digests: tuple[DigestSummary, ...]

    @property
    def exit_code(self) -> int:
        """The worst of the digests."""
        return worst_exit_code({one.exit_code for one in self.digests})

    def as_object(self) -> dict[str, Any]:
        """The closing object of ``reluth digest --json``."""
        return {"digests": [one.as_object() for one in self.digests]}


class Mailing:
    """The digests that are due at a moment.

    Args:
        store: open.
        settings: all of them.
        clock: aware time; what it says first is the moment that counts.
        site: of this site only.
        regardless: all of them, whatever the schedule says.

    Raises:
        ConfigurationError: ``[mail]`` is missing or wrong.
        UsageError: the site asked for has no digest.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        site: str | None = None,
        regardless: bool = False,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._now = clock()
        self._mail = check_mail(settings)
        self._head = letterhead(settings, self._mail)
        self.due = due_digests(self._mail, now=self._now, site=site, regardless=regardless)
        for digest in self.due:
            if digest.site not in settings.sites and digest.site not in store.lake.sites():
                raise ConfigurationError("mail.digests.site", f"{digest.site} is no site of the settings or the store")
        self._gathered: dict[str, Gathered] = {}
        #: No other process has it, and none had.
        self._by = f"{os.getpid()}-{secrets.token_hex(8)}"

    def preview(self) -> Iterator[tuple[DueDigest, EmailMessage]]:
        """The messages that would go now; nothing is sent and nothing noted."""
        for digest in self.due:
            for reader, news in self._news(digest, self._outstanding(digest)):
                if digest.settings.when_empty or not news.is_empty:
                    yield digest, self._letter(digest, reader, news)

    def send(self) -> MailSummary:
        """Send them; one recipient who is refused does not stop the others, nor one site another."""
        with Outgoing(self._mail) as outgoing:
            return MailSummary(tuple(self._one(digest, outgoing) for digest in self.due))

    def _one(self, digest: DueDigest, outgoing: Outgoing) -> DigestSummary:
        stop_if_asked()
        counts: Counter[str] = Counter()
        problem: ReluthError | None = None
        try:
            outstanding = self._outstanding(digest, counts)
            for reader, news in self._news(digest, outstanding):
                counts[self._to(digest, reader, news=news, outgoing=outgoing)] += 1
        except ReluthError as error:
            problem = error
        if counts["sent"]:
            self._store.audit(ACTOR, "digest-sent", subject=digest.site, detail=str(counts["sent"]))
        found = DigestSummary(
            site=digest.site,
            language=digest.settings.language,
            day=str(digest.day),
            slot=digest.slot,
            problem=None if problem is None else str(problem),
            problem_code=0 if problem is None else problem.exit_code,
            **counts,
        )
        _log(found)
        return found

    def _outstanding(self, digest: DueDigest, counts: Counter[str] | None = None) -> list[Reader]:
        """Those who have not got it yet."""
        ended = self._store.digests.ended(
            digest.site, language=digest.settings.language, slot=digest.slot, day=digest.day
        )
        found = readers(self._store, digest.settings)
        if counts is not None:
            counts["already"] = sum(1 for reader in found if reader.hash in ended)
        return [reader for reader in found if reader.hash not in ended]

    def _news(self, digest: DueDigest, outstanding: list[Reader]) -> Iterator[tuple[Reader, News]]:
        if not outstanding:
            return
        gathered = self._at(digest.site)
        seen = self._store.digests.seen(digest.site, [reader.hash for reader in outstanding])
        for reader in outstanding:
            yield reader, gathered.for_reader(reader.permissions, seen=seen.get(reader.hash))

    def _to(self, digest: DueDigest, reader: Reader, *, news: News, outgoing: Outgoing) -> str:
        """Claim, send, note; what became of it, as `DigestSummary` counts it."""
        digests, key = self._store.digests, digest.key(reader)
        letter = None
        if digest.settings.when_empty or not news.is_empty:
            letter = self._letter(digest, reader, news)
            # Before the claim: where nobody answers nothing has to be noted.
            outgoing.connect()
        if not digests.claim(key, by=self._by, at=self._clock()):
            return "already"
        if letter is None:
            self._end(key, DigestState.EMPTY)
            return "empty"
        try:
            became = outgoing.send(letter, to=reader.address)
        except ReluthError:
            digests.release(key, by=self._by)
            raise
        if became is Delivered.LATER:
            digests.release(key, by=self._by)
        else:
            self._end(key, DigestState(became.value))
        return became.value

    def _end(self, key: DigestKey, state: DigestState) -> None:
        self._store.digests.end(key, by=self._by, state=state, at=self._clock(), seen=self._at(key.site).seen)

    def _at(self, site: str) -> Gathered:
        if site not in self._gathered:
            trial = load_trial(self._settings.trials[0])
            self._gathered[site] = gather(self._store, self._settings, trial, site=site, now=self._now)
        return self._gathered[site]

    def _letter(self, digest: DueDigest, reader: Reader, news: News) -> EmailMessage:
        return compose(news, digest.key(reader), head=self._head, to=reader.address, at=self._now)


def _log(found: DigestSummary) -> None:
    log = logger("jobs").bind(site=found.site, slot=found.slot)
    told: Mapping[str, Any] = {
        key: value for key, value in found.as_object().items() if key not in ("site", "slot", "day") and value
    }
    if found.exit_code:
        log.warning("digest", exit_code=found.exit_code, **told)
    elif found.sent or found.empty:
        log.info("digest", **told)
