"""In: the QuestionnaireResponses of a record. Out: for a linkId, what a person attested that still counts on the reference date.

Only completed responses to ``urn:reluth:attestation:<trial>`` by a Practitioner or PractitionerRole count; the latest
holds; two of one instant that contradict are a conflict (clarifications.md 11, 26, 27, 32).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted, combine_all
from adapter.criteria.truth import Truth
from adapter.fhir import ALWAYS, PatientRecord, When, add_months, normalise_reference, parse_when, when_of
from adapter.fhir.resources import AnswerItem, QuestionnaireResponse, ResponseItem

__all__ = [
    "FOR_GOOD",
    "Attestation",
    "Attestations",
    "Validity",
    "attestations",
    "decide_with",
    "held",
    "latest_attestation",
    "pending",
    "spoken",
]


@dataclass(frozen=True, slots=True)
class Validity:
    """How long an attestation holds: so many calendar days or calendar months, or, with neither, for good."""

    days: int | None = None
    months: int | None = None

    def first_day(self, on: date) -> date | None:
        """The earliest day on which one that still holds ``on`` can have been given; None for any."""
        if self.days is not None:
            return on - timedelta(days=self.days)
        return None if self.months is None else add_months(on, -self.months)

    def reaches(self, start: date) -> frozenset[date]:
        """The first day on which the window begins on a day or later; empty for a window for good."""
        return self.lapses(start - timedelta(days=1))

    def lapses(self, given: date) -> frozenset[date]:
        """The first day on which one given on a day no longer holds; empty for one that holds for good."""
        if self.days is not None:
            return frozenset({given + timedelta(days=self.days + 1)})
        if self.months is None:
            return frozenset()
        return _after_months(given, self.months)


@lru_cache(maxsize=4096)
def _after_months(given: date, months: int) -> frozenset[date]:
    # Of clamped months several days begin their window on the same one: each day that is named is looked at once more.
    due = add_months(given, months)
    days = (due + timedelta(days=more) for more in range(1, 5))
    return frozenset({next(day for day in days if add_months(day, -months) > given)})


#: Of what does not change: a finding once made, a course once given.
FOR_GOOD = Validity()


#: The link of an answer that cannot be read, as cannot the question that it is to.
_ANY = ""


@dataclass(frozen=True, slots=True)
class Attestation:
    """One answer of one person; ``truth`` is U where it cannot be read."""

    link: str
    when: When
    truth: Truth
    since: When | None
    evidence: Evidence


#: An answer of which nothing can be read.
_UNREAD = AnswerItem()

#: What persons attested, by linkId, in time's order.
Attestations = Mapping[str, tuple[Attestation, ...]]


def attestations(record: PatientRecord, *, trial: str, on: date) -> Attestations:
    """All attestations for the trial that may have been authored on or before ``on``, by linkId, in time's order."""
    found: dict[str, list[Attestation]] = {}
    for response in record.responses:
        unread = response.reference in record.unread
        if not _counts(response, trial, unread=unread):
            continue
        when = when_of(response)
        # What cannot be read may be a correction or a withdrawal, of whatever day.
        if when.earliest <= on and (unread or when != ALWAYS):
            for item in _answers(response):
                found.setdefault(item.link, []).append(item)
    for_all = found.pop(_ANY, [])
    for link, items in found.items():
        items += [replace(item, link=link) for item in for_all]
    return {
        link: tuple(sorted(items, key=lambda item: (item.when.start, item.evidence.reference)))
        for link, items in found.items()
    }


def _counts(response: QuestionnaireResponse, trial: str, *, unread: bool) -> bool:
    canonical = (response.questionnaire or "").partition("|")[0]
    return (
        response.status == "completed"
        and (canonical == f"urn:reluth:attestation:{trial}" or (unread and response.questionnaire == ""))
        and _kind_of_author(response) in ("Practitioner", "PractitionerRole")
    )


def _kind_of_author(response: QuestionnaireResponse) -> str | None:
    """The resource type of who signed."""
    author = response.author
    if author is None:
        return None
    literal = author.reference
    if literal is None:
        # A logical reference (R4 references.html#logical): who signs here need not be a resource of the hospital.
        return author.type if author.identifier is not None else None
    if literal.startswith("#"):
        contained = response.contained if isinstance(response.contained, list) else []
        kinds = (one.get("resourceType") for one in contained if isinstance(one, dict) and one.get("id") == literal[1:])
        return next((kind for kind in kinds if isinstance(kind, str)), None)
    return (normalise_reference(literal) or "").partition("/")[0]


def _answers(response: QuestionnaireResponse) -> Iterator[Attestation]:
    when = when_of(response)
    stack: list[ResponseItem] = list(response.item)
    while stack:
        item = stack.pop()
        stack.extend(item.item)
        since = next((answer.value_date for answer in item.answer if answer.value_date), None)
        if _UNREAD in item.answer and all(answer.value_boolean is None for answer in item.answer):
            yield Attestation(item.link_id or _ANY, when, Truth.U, None, _shown(response, when, item.link_id))
        for answer in item.answer:
            if answer.value_boolean is None or item.link_id is None:
                continue
            text = f"{item.link_id} = {'true' if answer.value_boolean else 'false'}"
            yield Attestation(
                link=item.link_id,
                when=when,
                truth=Truth.T if answer.value_boolean else Truth.F,
                since=parse_when(since),
                evidence=_shown(response, when, text if since is None else f"{text}, {since}"),
            )


def _shown(response: QuestionnaireResponse, when: When, value: str | None) -> Evidence:
    return Evidence(reference=response.reference, version=response.meta.version_id, effective=when.text(), value=value)


def held(found: Attestations, link: str, *, on: date, validity: Validity) -> tuple[Attestation, ...]:
    """The attestation of a linkId that holds, first, and those that may be as late; empty when nobody attested it in time."""
    given = found.get(link)
    if given is None:
        return ()
    first_day = validity.first_day(on)
    if len(given) == 1 and given[0].when.latest <= on and (first_day is None or given[0].when.earliest >= first_day):
        return given
    mine = [item for item in given if first_day is None or item.when.latest >= first_day]
    # Of a partial date that reaches across an end of the window it is not known whether it counts: it decides nothing,
    # but it may be the latest, so it must not contradict the one that does count.
    sure = [item for item in mine if item.when.latest <= on and (first_day is None or item.when.earliest >= first_day)]
    if not sure:
        # One that cannot be read, of an unknown day, may be given in time.
        return tuple([item for item in mine if item.truth is Truth.U])
    newest = sure[-1]
    return newest, *(item for item in mine if item is not newest and not newest.when.surely_after(item.when))


def pending(found: Attestations, link: str, *, on: date) -> frozenset[date]:
    """Days on which an attestation of a partial date has surely been given."""
    given = found.get(link)
    if given is None:
        return frozenset()
    return frozenset([item.when.latest for item in given if item.when.latest > on and item.when.is_bounded])


def latest_attestation(found: Attestations, link: str, *, on: date, validity: Validity) -> tuple[Answer, When] | None:
    """The attested answer to a linkId and when it was given.

    Args:
        found: the attestations of the record up to ``on``.
        link: the linkId.
        on: the reference date.
        validity: how long it holds.

    Returns:
        None when nobody attested it in time. A conflict is an open answer.
    """
    holding = held(found, link, on=on, validity=validity)
    if not holding:
        return None
    return spoken(holding, validity=validity, later=pending(found, link, on=on))


def spoken(holding: tuple[Attestation, ...], *, validity: Validity, later: frozenset[date]) -> tuple[Answer, When]:
    """The answer of the attestations that hold (`held`), and when it was given.

    Args:
        holding: at least one.
        validity: how long they hold.
        later: days on which another one has surely been given (`pending`).
    """
    newest = holding[0]
    expiry = validity.lapses(newest.when.earliest)
    if later:
        expiry |= later
    unread = [item for item in holding if item.truth is Truth.U]
    if unread:
        # It may say the same, the opposite, or that nothing is attested any more. One that is surely later closes it.
        return Answer(
            Truth.U,
            Reason.NOT_READ,
            tuple(item.evidence for item in holding),
            attestable=all(item.when.is_bounded for item in unread),
            changes=expiry,
            wanted=(Wanted(newest.link, attestation=True),),
        ), newest.when
    if len(holding) == 1:
        return Answer(newest.truth, evidence=(newest.evidence,), attested=True, changes=expiry), newest.when
    rivals = sorted(holding, key=lambda item: (item.when.start, item.evidence.reference))
    evidence = tuple(item.evidence for item in rivals)
    if len({item.truth for item in rivals}) > 1:
        wanted = (Wanted(newest.link, attestation=True),)
        return Answer(Truth.U, Reason.CONFLICT, evidence, changes=expiry, wanted=wanted), newest.when
    return Answer(newest.truth, evidence=evidence, attested=True, changes=expiry), newest.when


def decide_with(coded: Answer, attested: tuple[Answer, When] | None, *, later: Callable[[When], Answer]) -> Answer:
    """The coded answer and what a person attested, put together.

    Args:
        coded: the answer that coded data gives.
        attested: the attested answer and when it was given.
        later: the answer that coded data surely later than a moment gives alone.

    An attestation decides an open question; it never overrides what data prove: contradiction is open, both shown.
    Data later than it reopen the question only when they alone give the opposite answer, or are there and leave it open.
    """
    if attested is None:
        return coded
    answer, given = attested
    changes = coded.changes | answer.changes
    if answer.truth is Truth.U:
        return answer.but(evidence=coded.evidence + answer.evidence, changes=changes)
    if coded.truth is answer.truth:
        return combine_all(coded, answer).but(presumed=False, changes=changes)
    alone = later(given)
    # A presumption says only that nothing is on record: nothing new has come.
    reopened = alone.truth not in (Truth.U, answer.truth) and not alone.presumed
    if coded.truth is Truth.U:
        if reopened or (alone.truth is Truth.U and alone.evidence):
            return coded.but(changes=changes)
        return answer.but(evidence=answer.evidence + coded.evidence, changes=changes)
    if reopened or coded.presumed:
        return (answer if coded.presumed and not reopened else coded).but(changes=changes)
    return Answer(
        Truth.U,
        Reason.CONFLICT,
        coded.evidence + answer.evidence,
        changes=changes,
    )
