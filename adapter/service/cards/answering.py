"""In: a call that was read, its service and its client. Out: the cards to show, none or one; shown ones are kept and audited.

The kept verdict holds as long as neither a day has passed that may change it, nor the call brings something newer than
what was pulled. Else the person is evaluated anew, with what is stored below and what is newer over it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import SecretStr

from adapter.client import SiteAddress, tls_context
from adapter.client.address import origin_of, parsed_url
from adapter.client.at_hand import AtHand, fetch_at_hand
from adapter.config import BearerSettings, MutualTlsSettings, Settings, SiteSettings
from adapter.criteria import Outcome, Stage, Trial
from adapter.documents import load_site
from adapter.errors import ConfigurationError
from adapter.fhir import SHARED_TYPES, FhirVersion, needed_references, parse_fhir_version
from adapter.jobs.connecting import site_address
from adapter.observe import logger
from adapter.screening.cards import card_text, is_for_a_card, is_silenced, may_flip, signature_of
from adapter.screening.fresh import Fresh, read_fresh
from adapter.screening.listed import CLOSED_STATES
from adapter.screening.live import takes_part, verdict_of
from adapter.screening.live_records import LiveRecords, Person
from adapter.service.cards.building import Proposal, card_of
from adapter.service.cards.judged import Judged, Question
from adapter.service.cards.orders import orders_the_treatment
from adapter.service.cards.prefetch import PATIENT, Given, patient_parameter, read_prefetch, types_of
from adapter.service.cards.reading import HookCall
from adapter.service.cards.services import HookService
from adapter.service.cards.tokens import Caller
from adapter.service.cards.turns import Turns
from adapter.store import Store
from adapter.store.cards import KnownPerson, ShownCard
from adapter.terminology import Site

__all__ = ["Answering", "NotAtHand", "actor_of", "same_address"]

#: CDS Hooks 2.0 wants answers within half a second; who must be fetched whole is waited for a little longer.
FETCH_SECONDS: Final = 3.0
#: Calls worked on at a time; who waits for a hospital's server is not one of them.
_AT_ONCE: Final = 3
_LONGEST_ACTOR: Final = 128

Json = Mapping[str, Any]


class NotAtHand(Exception):
    """The data that an answer needs are neither stored nor given, and cannot be fetched (412); the text holds no content."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """A verdict, and the types that could not be looked at for it."""

    verdict: Json
    unseen: tuple[str, ...] = ()


@dataclass(slots=True)
class _Documents:
    """A site's documents as they were when its files were last changed."""

    state: object
    site: Site


@dataclass
class Answering:
    """Answers calls.

    Args:
        store: open.
        settings: sites, and the address of this service for links.
        today: the day in Europe/Paris.
    """

    store: Store
    settings: Settings
    today: Callable[[], date]
    _documents: dict[str, _Documents] = field(default_factory=dict, init=False, repr=False)
    _trust: dict[str, ssl.SSLContext] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Look up sites by their servers' addresses."""
        self._live = LiveRecords(self.store)
        self._turns = Turns(_AT_ONCE)
        self._judged = Judged()
        self._by_address: dict[str, list[str]] = {}
        for name, site in self.settings.sites.items():
            address = same_address(site.base_url or "")
            if address is not None:
                self._by_address.setdefault(address, []).append(name)

    def answer(self, service: HookService, caller: Caller, call: HookCall, *, lang: str) -> list[dict[str, Any]]:
        """The cards of a call; a few calls at a time, in the order in which they came.

        All at once would only make each of them as slow as the last.

        Raises:
            MalformedCall: the orders of the call cannot be read.
            NotAtHand: nothing can be said without data that are not there.
            DocumentError: the site's documents are wrong.
        """
        if not call.is_for_staff:
            return []
        with self._turns:
            return self._answered(service, caller, call, lang)

    def _answered(self, service: HookService, caller: Caller, call: HookCall, lang: str) -> list[dict[str, Any]]:
        name = self._site_of(caller, call)
        site, trial = self._site(name), service.trial
        if service.is_order and not self._is_ordered(call, trial, site):
            return []
        ids = self._live.ids_of(name, call.patient)
        if not self.store.kept_off.patients(name).keys().isdisjoint({call.patient, *ids}):
            # Nobody looks into a record that is to be left alone, wherever it is at hand.
            return []
        known = self.store.cards.known(name, ids, trial=trial.id, stage=Stage.REGISTRATION)
        decided = known.decided
        if (decided is not None and decided.state in CLOSED_STATES) or self._live.is_deleted(name, ids[0]):
            return []
        finding = self._finding(call, trial, site, ids=ids, known=known)
        if finding is None or not is_for_a_card(finding.verdict, decided):
            return []
        signature = signature_of(finding.verdict)
        if is_silenced(known.overrides, decided, service=service.id, signature=signature, at=datetime.now(UTC)):
            return []
        text = card_text(finding.verdict, trial, lang=lang, is_order=service.is_order, unseen=finding.unseen)
        key = known.key or self.store.patient_key(name, ids[0])
        proposal = self._proposal(name, finding, trial, key=key, patient=call.patient)
        link = None if known.verdict is None else self._link(key)
        card = card_of(trial, text, lang=lang, link=link, proposal=proposal)
        shown = ShownCard(
            uuid=card["uuid"],
            service=service.id,
            hook_instance=call.instance,
            trial=trial.id,
            site=name,
            patient=ids[0],
            client=caller.name[:64],
            user=call.user,
            outcome=finding.verdict["outcome"],
            signature=signature,
            suggestion=card["suggestions"][0]["uuid"] if proposal is not None else None,
        )
        self.store.cards.show(shown, actor=actor_of(caller, call.user))
        return [card]

    # Whose --------------------------------------------------------------------------------------------------------

    def _site_of(self, caller: Caller, call: HookCall) -> str:
        if call.fhir_server is None:
            named = [*self.settings.sites]
        else:
            named = self._by_address.get(same_address(call.fhir_server) or "", [])
        allowed = [name for name in named if not caller.sites or name in caller.sites]
        if len(allowed) != 1:
            raise NotAtHand("fhirServer is not the address of a site that this client may speak of.")
        return allowed[0]

    def _site(self, name: str) -> Site:
        """The documents of a site, read again when a file of theirs changes."""
        overlay = self.settings.sites[name].overlay
        state = _state_of(overlay)
        known = self._documents.get(name)
        if known is None or known.state != state:
            known = self._documents[name] = _Documents(state, load_site(name, overlay))
        return known.site

    def _is_ordered(self, call: HookCall, trial: Trial, site: Site) -> bool:
        return orders_the_treatment(call, trial, site, shared=lambda wanted: self.store.lake.shared(site.id, wanted))

    # What is known ------------------------------------------------------------------------------------------------

    def _finding(
        self, call: HookCall, trial: Trial, site: Site, *, ids: tuple[str, ...], known: KnownPerson
    ) -> _Finding | None:
        """The verdict as of now; None for whom the hospital has in the trial already."""
        given = read_prefetch(call.prefetch, trial)
        kept = None if known.verdict is None else self._kept(msgspec.json.decode(known.verdict), trial)
        if kept is not None and not given.raws:
            return _Finding(kept)
        person = self._live.at_hand(site.id, ids)
        if person is None:
            with self._turns.apart():
                person = self._live.person(site.id, ids)
        if person.stored is None:
            return self._of_unknown(call, trial, site, person=person, given=given)
        fresh, faulty = self._fresh(given.raws, site.id, ids=ids, stored=person.stored)
        if kept is not None and not faulty and all(one.summary.type in SHARED_TYPES for one in fresh):
            return _Finding(kept)
        question = Question(person, site, self.today(), known.is_added, tuple(fresh), tuple(faulty))
        found = self._judged.answer(trial.id, question, lambda: self._evaluated(trial, question))
        return None if found is None else _Finding(found)

    def _evaluated(self, trial: Trial, question: Question) -> Json | None:
        record = self._live.record(question.person, question.fresh, faulty=question.faulty)
        if takes_part(trial, record):
            return None
        return verdict_of(trial, record, question.site, today=question.today, added=question.is_added).to_json()

    def _kept(self, verdict: Json, trial: Trial) -> Json | None:
        """The kept verdict, where it still is the one."""
        if verdict["criteria_version"] != trial.version or may_flip(verdict, today=self.today()):
            return None
        # How far the subject of the trial has got at the hospital stands in the record only.
        return None if _names_a_subject(verdict, trial) else verdict

    def _of_unknown(self, call: HookCall, trial: Trial, site: Site, *, person: Person, given: Given) -> _Finding | None:
        """Of whom the store knows nothing: by what was given and what can be fetched, if that is enough."""
        until = time.monotonic() + FETCH_SECONDS
        raws, whole = list(given.raws), set(given.whole)
        fresh, faulty = self._fresh(raws, site.id, ids=person.ids)
        if not any(one.summary.reference == call.patient for one in fresh):
            whole.discard(PATIENT)
        missing = [name for name in types_of(trial) if name not in whole]
        address = self._address(site.id, call)
        if missing and address is not None:
            version = parse_fhir_version(self.settings.sites[site.id].fhir_version)
            came = self._fetched(address, _asked(missing, call.patient, version), FETCH_SECONDS)
            raws += came.raws
            whole |= came.whole
            fresh, faulty = self._fresh(raws, site.id, ids=person.ids)
            if not any(one.summary.reference == call.patient for one in fresh):
                whole.discard(PATIENT)
        needed = {PATIENT, *(name for signal in trial.signals for name in signal.resource_types)}
        if needed - SHARED_TYPES - whole:
            raise NotAtHand("The patient is not known here, and what was given or could be fetched is not enough.")
        shared, is_shared_whole = self._shared(fresh, site.id, address, until=until)
        record = self._live.record(person, [*fresh, *shared], faulty=faulty)
        if takes_part(trial, record):
            return None
        verdict = verdict_of(trial, record, site, today=self.today(), is_whole=False)
        unseen = [name for name in types_of(trial) if name not in whole]
        unseen += [] if is_shared_whole else sorted(SHARED_TYPES)
        return _Finding(verdict.to_json(), tuple(unseen))

    def _shared(
        self, fresh: Iterable[Fresh], site: str, address: SiteAddress | None, *, until: float
    ) -> tuple[list[Fresh], bool]:
        """The Medications and studies that a fetched record refers to, and whether all of them are there."""
        listed = list(fresh)
        there = {one.summary.reference for one in listed}
        wanted = needed_references(one.raw for one in listed) - there
        wanted -= self.store.lake.shared(site, wanted).keys() if wanted else set()
        if not wanted:
            return [], True
        left = until - time.monotonic()
        if address is None or left <= 0:
            return [], False
        asked: dict[str, tuple[str, str]] = {}
        for name in SHARED_TYPES:
            identities = sorted(one.partition("/")[2] for one in wanted if one.startswith(f"{name}/"))
            if identities:
                asked[name] = ("_id", ",".join(identities))
        came, _ = self._fresh(self._fetched(address, asked, left).raws, site, ids=())
        return came, wanted <= {one.summary.reference for one in came}

    def _fresh(
        self, raws: Iterable[bytes], site: str, *, ids: Iterable[str], stored: Mapping[str, bytes] | None = None
    ) -> tuple[list[Fresh], list[bytes]]:
        own = self.settings.sites[site].addresses
        return read_fresh(raws, ids=ids, stored=stored, own_addresses=own)

    def _fetched(self, address: SiteAddress, asked: Mapping[str, tuple[str, str]], seconds: float) -> AtHand:
        with self._turns.apart():
            return fetch_at_hand(address, asked, seconds=seconds)

    def _address(self, name: str, call: HookCall) -> SiteAddress | None:
        """Where the token may be shown: the configured server, which the call has named."""
        if call.token is None or call.fhir_server is None:
            return None
        site = self.settings.sites[name]
        try:
            address = _with_token(name, site, call.token)
        except ConfigurationError as error:
            logger("cards").warning("site", site=name, problem=str(error))
            return None
        if address.tls is None:
            # Made once: for a single call it would take as long as the call.
            address = replace(address, tls=self._trust.setdefault(name, tls_context(None)))
        return address

    # What is shown ------------------------------------------------------------------------------------------------

    def _link(self, key: str) -> str | None:
        base = self.settings.service.public_url
        return None if base is None else f"{str(base).rstrip('/')}/patients/{key}"

    def _proposal(self, name: str, finding: _Finding, trial: Trial, *, key: str, patient: str) -> Proposal | None:
        """Who is proposed: who does not fail, is not told of by the push, and has no subject of the trial yet."""
        site = self.settings.sites[name]
        failing = finding.verdict["outcome"] == Outcome.INELIGIBLE
        if failing or site.push_candidates or _names_a_subject(finding.verdict, trial):
            return None
        return Proposal(
            key=key,
            patient=patient,
            site=site.site_code or name,
            version=parse_fhir_version(site.fhir_version),
            on=self.today(),
        )


def actor_of(caller: Caller, user: str = "") -> str:
    """As the audit trail names who looks at a card in another system."""
    told = f":{user}" if user else ""
    return f"cds:{caller.name[: _LONGEST_ACTOR - len(told) - 4]}{told}"


def same_address(url: str) -> str | None:
    """An address in the one spelling by which two are compared; None for what cannot be a server's.

    >>> same_address("HTTPS://Fhir.Example.org:443/r4/") == same_address("https://fhir.example.org/r4")
    True
    >>> same_address("https://fhir.example.org/r4?x=1") is None
    True
    """
    parsed = parsed_url(url)
    if parsed is None or parsed.scheme not in {"http", "https"} or not parsed.host:
        return None
    if parsed.userinfo or parsed.query or parsed.fragment or "?" in url or "#" in url:
        return None
    return f"{origin_of(url)}{parsed.path.rstrip('/')}"


def _with_token(name: str, site: SiteSettings, token: str) -> SiteAddress:
    shown = BearerSettings(type="bearer", token=SecretStr(token))
    # No further hosts: the token is for this server.
    bare = {"hosts": [], "timeout": FETCH_SECONDS}
    if isinstance(site.auth, MutualTlsSettings):
        trust = site_address(name, site.model_copy(update=bare)).tls
        return replace(site_address(name, site.model_copy(update=bare | {"auth": shown})), tls=trust)
    return site_address(name, site.model_copy(update=bare | {"auth": shown}))


def _asked(missing: Iterable[str], patient: str, version: FhirVersion) -> dict[str, tuple[str, str]]:
    identity = patient.partition("/")[2]
    return {name: ("_id" if name == PATIENT else patient_parameter(name, version), identity) for name in missing}


def _names_a_subject(verdict: Json, trial: Trial) -> bool:
    subjects = {signal.id for signal in trial.signals if signal.study}
    return not subjects.isdisjoint(verdict["candidate_because"])


def _state_of(overlay: Path | None) -> object:
    if overlay is None:
        return None
    return sorted((str(file), file.stat().st_mtime_ns) for file in (overlay, *overlay.rglob("*")) if file.exists())
