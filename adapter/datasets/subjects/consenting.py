"""In: the Consents of one person. Out: since when data may leave for the trial, until when, or not at all.

A form counts when it names the trial, or the trial's own ResearchSubject refers to it (clarifications.md "Consent"). Where two
readings are possible, the one that gives less away holds: a day that is told as a month begins a consent on its last day, and
ends one on its first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from adapter.fhir import Json, When, normalise_reference, parse_when

__all__ = ["ConsentState", "consent_state", "names_trial", "referred_consents"]

_ENDED: Final = frozenset({"rejected", "inactive"})
#: Between the parts of a URI that may be a study's number.
_SEPARATORS = re.compile(r"[/:?#=&|]")


@dataclass(frozen=True, slots=True)
class ConsentState:
    """What the forms say.

    Attributes:
        since: first day of an agreeing form.
        until: last day of the data, where consent was taken back or ran out.
        nothing: the withdrawal says that no data at all may be used.
        used: ``Consent/id`` of the forms that count.
        unsure: an agreeing and a refusing form of the same day, or a form without any date.
    """

    since: date | None = None
    until: date | None = None
    nothing: bool = False
    used: tuple[str, ...] = ()
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class _Form:
    reference: str
    agrees: bool
    signed: When | None
    ended: When | None
    denies_all: bool


def names_trial(text: object, identifiers: Iterable[str]) -> bool:
    """Whether a text, or a part of a URI, is one of the trial's identifiers; spaces and case are ignored.

    >>> names_trial("https://clinicaltrials.gov/study/NCT04954820", ["NCT04954820"])
    True
    """
    if not isinstance(text, str):
        return False
    known = {_plain(identifier) for identifier in identifiers}
    whole = text.replace("%20", " ")
    return _plain(whole) in known or any(_plain(part) in known for part in _SEPARATORS.split(whole))


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


def referred_consents(subjects: Iterable[Json]) -> frozenset[str]:
    """``Consent/id`` that ResearchSubjects refer to."""
    found = set()
    for subject in subjects:
        told = subject.get("consent")
        # R4 has one, R5 a list.
        for one in told if isinstance(told, list) else [told]:
            literal = one.get("reference") if isinstance(one, dict) else None
            if isinstance(literal, str):
                found.add(normalise_reference(literal))
    return frozenset(item for item in found if item)


def consent_state(
    consents: Iterable[Json], identifiers: Collection[str], *, referred: Collection[str], consented: date | None
) -> ConsentState:
    """What the forms about the trial say.

    Args:
        consents: all of the person, of R4 or R5.
        identifiers: of the trial.
        referred: forms that the trial's own subject refers to.
        consented: the day that the subject's own history tells.
    """
    forms = [_form(one) for one in consents if _counts(one, identifiers, referred)]
    used = tuple(sorted(form.reference for form in forms))
    agreeing = [form for form in forms if form.agrees]
    signed = [form.signed.latest for form in agreeing if form.signed is not None]
    since = min(signed, default=None)
    told = consented or since
    if told is None:
        return ConsentState(used=used, unsure=bool(agreeing))
    ended = [(_ended_on(form, told), form) for form in forms if not form.agrees]
    last_agreed = max([*signed, told])
    # Signed again later: what was taken back before holds no more.
    standing = [(day, form) for day, form in ended if day >= last_agreed or form.signed is None]
    until = min((day for day, _ in standing), default=None)
    run_out = [form.ended.earliest for form in agreeing if form.ended is not None]
    if agreeing and len(run_out) == len(agreeing):
        until = min([max(run_out), *([until] if until else [])])
    return ConsentState(
        since=since,
        until=until,
        nothing=any(form.denies_all for _, form in standing),
        used=used,
        unsure=any(day == last_agreed and form.signed is not None for day, form in standing if signed),
    )


def _counts(consent: Json, identifiers: Collection[str], referred: Collection[str]) -> bool:
    if consent.get("status") in ("entered-in-error", "draft", "proposed", "not-done"):
        return False
    scope = consent.get("scope")
    codings = scope.get("coding") if isinstance(scope, dict) else None
    if isinstance(codings, list) and not any(
        isinstance(one, dict) and one.get("code") == "research" for one in codings
    ):
        return False
    if f"Consent/{consent.get('id')}" in referred:
        return True
    named = [one.get("value") for one in _objects(consent.get("identifier"))]
    named += [one.get("uri") for one in _objects(consent.get("policy"))]
    named += [one.get("uri") for one in _objects(consent.get("policyBasis"))]
    return any(names_trial(one, identifiers) for one in named)


def _form(consent: Json) -> _Form:
    provisions = consent.get("provision")
    provision = provisions if isinstance(provisions, dict) else {}
    kind = provision.get("type", consent.get("decision"))
    period = provision.get("period", consent.get("period"))
    end = period.get("end") if isinstance(period, dict) else None
    nested = [*_objects(provision.get("provision")), *(_objects(provisions) if isinstance(provisions, list) else [])]
    permits = kind == "permit" or any(one.get("type") == "permit" for one in nested)
    agrees = consent.get("status") == "active" and kind != "deny"
    meta = consent.get("meta")
    changed = meta.get("lastUpdated") if isinstance(meta, dict) else None
    ended = _when(end)
    return _Form(
        reference=f"Consent/{consent.get('id')}",
        agrees=agrees,
        signed=_when(consent.get("dateTime", consent.get("date"))),
        ended=ended if agrees else ended or _when(changed),
        denies_all=not agrees and kind == "deny" and not permits,
    )


def _ended_on(form: _Form, consented: date) -> date:
    """The day on which a form takes the consent back.

    A second form has its own date; the first one that was made inactive kept the day of the signature, and only the end of
    its provision or its last change tells.
    """
    if form.signed is not None and form.signed.earliest > consented:
        return form.signed.earliest
    if form.ended is not None:
        return max(form.ended.earliest, consented)
    return consented


def _when(text: Any) -> When | None:
    return parse_when(text) if isinstance(text, str) else None


def _objects(value: Any) -> list[Json]:
    """The objects of a list; R5 has some elements once that R4 has in a list."""
    if isinstance(value, dict):
        return [value]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
