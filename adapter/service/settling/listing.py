"""In: what waits for a person, and a language. Out: what the page and the command line show of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import msgspec

from adapter.criteria import Trial
from adapter.screening import words
from adapter.screening.proposals import NOT_A_CANDIDATE
from adapter.service.language import Language, load_words
from adapter.service.settling.settlement import Keep
from adapter.service.settling.unsettled import (
    OpenConflict,
    OpenProposal,
    SiteCounts,
    Unsettled,
    WaitingEntry,
    counts_by_site,
)
from adapter.service.worklist.listing import patient_name

__all__ = [
    "FieldLine",
    "ListedConflict",
    "ListedProposal",
    "Shown",
    "UnsettledListing",
    "WaitingGroup",
    "WaitingLine",
    "WaitingSite",
    "list_unsettled",
    "list_waiting",
    "outcome_words",
    "said",
]

#: Of one reason at one site; the JSON lists them all.
_ENTRIES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as people read it; ``block`` has lines of its own."""

    text: str
    block: bool


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A field and what each side says, None where it says nothing."""

    path: str
    ours: Shown | None
    hospital: Shown | None


@dataclass(frozen=True, slots=True)
class ListedConflict:
    """One conflict; ``means`` tells what each choice does."""

    conflict: OpenConflict
    kind: str
    cause: str
    means: tuple[str, ...]
    choices: tuple[Keep, ...]
    fields: tuple[FieldLine, ...]


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """One entity that the hospital does not have."""

    kind: str
    key: str
    detail: str


@dataclass(frozen=True, slots=True)
class WaitingGroup:
    """Entities that wait for the same reason."""

    state: str
    count: int
    reason: str
    to_do: str
    lines: tuple[WaitingLine, ...]
    more: int


@dataclass(frozen=True, slots=True)
class WaitingSite:
    """What waits at one site."""

    site: str
    count: int
    groups: tuple[WaitingGroup, ...]


@dataclass(frozen=True, slots=True)
class ListedProposal:
    """One proposal."""

    proposal: OpenProposal
    name: str
    decided: str
    then: str
    now: str
    changed: tuple[tuple[str, str], ...]
    since: str


@dataclass(frozen=True, slots=True)
class UnsettledListing:
    """The page."""

    conflicts: tuple[ListedConflict, ...]
    waiting: tuple[WaitingSite, ...]
    proposals: tuple[ListedProposal, ...]
    waiting_count: int
    sites: tuple[SiteCounts, ...]


def list_unsettled(found: Unsettled, trial: Trial, language: Language) -> UnsettledListing:
    """What waits for a person, in a reader's language."""
    return UnsettledListing(
        conflicts=tuple(_listed(one, language) for one in found.conflicts),
        waiting=list_waiting(found, language),
        proposals=tuple(_proposal(one, trial, language) for one in found.proposals),
        waiting_count=len(found.waiting),
        sites=tuple(counts_by_site(found)),
    )


def list_waiting(found: Unsettled, language: Language) -> tuple[WaitingSite, ...]:
    """What is held or refused, by site and reason, of each reason the first few."""
    by_site = ((site, list(of)) for site, of in groupby(found.waiting, key=lambda one: one.site))
    return tuple(WaitingSite(site, len(entries), _groups(entries, language)) for site, entries in by_site)


def said(group: str, code: str, language: Language) -> str:
    """The words for a code: of a ``cause``, a ``reason``, what is ``todo``, a ``kind``; one without words is shown itself."""
    known = load_words()
    key = f"conflicts.{group}-{code}"
    if known.has(key):
        return known.say(key, language)
    other = f"conflicts.{group}-other"
    return known.say(other, language, code=code) if known.has(other) else code


def outcome_words(code: str | None, language: Language) -> str:
    """An outcome; that somebody is no candidate any more; or that none is known."""
    if code is None:
        return load_words().say("conflicts.not-known", language)
    say = words(language)
    return say.phrase("no-candidate") if code == NOT_A_CANDIDATE else say.outcome(code)


def _listed(one: OpenConflict, language: Language) -> ListedConflict:
    known = load_words()
    means = []
    for choice in one.choices or ("none",):
        own = f"conflicts.means-{choice}-{one.cause}"
        key = own if known.has(own) else f"conflicts.means-{choice}"
        means.append(known.say(key, language))
    return ListedConflict(
        conflict=one,
        kind=said("kind", one.kind, language),
        cause=said("cause", one.cause, language),
        means=tuple(means),
        choices=tuple(one.choices),
        fields=tuple(FieldLine(field.path, _shown(field.ours), _shown(field.hospital)) for field in one.fields),
    )


def _shown(value: str | None) -> Shown | None:
    """A JSON text as people read it; numbers keep their digits."""
    if value is None:
        return None
    try:
        if value.startswith(("{", "[")):
            return Shown(msgspec.json.format(value, indent=2), block=True)
        return Shown(json.loads(value) or value if value.startswith('"') else value, block=False)
    except (ValueError, msgspec.DecodeError):
        return Shown(value, block=False)


def _groups(entries: Sequence[WaitingEntry], language: Language) -> tuple[WaitingGroup, ...]:
    groups: dict[tuple[str, str], list[WaitingEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.state, entry.reason), []).append(entry)
    return tuple(
        WaitingGroup(
            state=state,
            count=len(members),
            reason=said("reason", reason, language),
            to_do=said("todo", reason, language),
            lines=tuple(
                WaitingLine(said("kind", one.kind, language), one.key, one.detail) for one in members[:_ENTRIES_SHOWN]
            ),
            more=max(0, len(members) - _ENTRIES_SHOWN),
        )
        for (state, reason), members in sorted(groups.items())
    )


def _proposal(one: OpenProposal, trial: Trial, language: Language) -> ListedProposal:
    say = words(language)
    state = next((known.label[language] for known in trial.states if known.id == one.state), one.state)
    day = say.day(one.decided_at)
    # A verdict by an older version of the trial's document may name others.
    labels = {known.id: known.label[language] for known in trial.criteria}
    return ListedProposal(
        proposal=one,
        name=patient_name(one.patient),
        decided=load_words().say("conflicts.decided-by", language, state=state, by=one.decided_by, day=day),
        then=outcome_words(one.then, language),
        now=outcome_words(one.now, language),
        changed=tuple((item, labels[item]) for item in one.changed if item in labels),
        since=say.day(one.since),
    )
