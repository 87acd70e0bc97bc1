"""In: Consents and the trial's own ResearchSubject. Out: whether the trial's consent is signed and in force on the reference date.

clarifications.md "Consent": a research consent that names the trial, or that the trial's own subject refers to; consents
to care or to the reuse of data are none. The latest decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.concepts.participation import is_of_study, names_study
from adapter.criteria.concepts.periods import bounds, in_force
from adapter.criteria.scene import Scene, evidence_of
from adapter.criteria.tree import SignedConsent
from adapter.criteria.truth import Truth
from adapter.fhir import When, normalise_reference, period_when, when_of
from adapter.fhir.datatypes import CodeableConcept, Period
from adapter.fhir.resources import Consent, ConsentPolicy

__all__ = ["answer_consent"]

_REFUSED = frozenset({"rejected", "inactive"})

#: Between the parts of a URI that may be a study's number: ``https://clinicaltrials.gov/study/NCT...``, ``urn:nct:NCT...``.
_SEPARATORS = re.compile(r"[/:?#=&|]")


@dataclass(frozen=True, slots=True)
class _Form:
    """One consent to the trial: when it was signed, and what it says on the reference date."""

    when: When
    truth: Truth
    reason: Reason | None
    evidence: Evidence
    changes: frozenset[date]


def answer_consent(_: SignedConsent, scene: Scene) -> Answer:
    """What the latest consent to the trial, signed on or before the reference date, says.

    Those of which it is not known which is the latest must all say the same; one without a date may be of any day.
    """
    forms = sorted(_forms(scene), key=lambda form: (form.when.start, form.evidence.reference))
    sure = [form for form in forms if form.when.latest <= scene.on]
    changes = frozenset(
        day for form in forms if form.when.is_bounded for day in (form.when.earliest, form.when.latest)
    ).union(*(form.changes for form in forms))
    if not sure:
        reason = Reason.IMPRECISE_DATE if forms else Reason.NO_DATA
        return _open(reason, tuple(form.evidence for form in forms), changes)
    rivals = [form for form in forms if not any(other.when.surely_after(form.when) for other in sure)]
    evidence = tuple(form.evidence for form in rivals)
    said = {(form.truth, form.reason) for form in rivals}
    if len(said) > 1:
        # All of one day: two that differ. Else it is a date that would tell which is the latest.
        same_day = all(form.when.is_one_day for form in rivals)
        return _open(Reason.CONFLICT if same_day else Reason.IMPRECISE_DATE, evidence, changes)
    ((truth, why),) = said
    if why is not None:
        return _open(why, evidence, changes)
    return Answer(truth, evidence=evidence, changes=changes)


def _open(reason: Reason, evidence: tuple[Evidence, ...], changes: frozenset[date]) -> Answer:
    return Answer(Truth.U, reason, evidence, attestable=True, changes=changes, wanted=(Wanted("consent"),))


def _forms(scene: Scene) -> Iterator[_Form]:
    referred = _referred(scene)
    for consent in scene.record.of_type("Consent"):
        if not isinstance(consent, Consent) or consent.status == "entered-in-error" or not _is_research(consent, scene):
            continue
        when = when_of(consent)
        if when.earliest > scene.on or not (consent.reference in referred or _names(consent, scene)):
            continue
        truth, reason = _standing(consent, scene)
        period = consent.provision.period if consent.provision else None
        changes = bounds(period).changes()
        yield _Form(when, truth, reason, evidence_of(consent, _said(consent)), changes)


def _is_research(consent: Consent, scene: Scene) -> bool:
    """Of that scope; of one that cannot be read it may be."""
    if consent.reference in scene.record.unread and consent.scope == CodeableConcept():
        return True
    sent = {coding.code for coding in consent.scope.coding} if consent.scope else set()
    return "research" in sent or "research" in {code for _, code in scene.codes(consent.scope)}


def _names(consent: Consent, scene: Scene) -> bool:
    """It names the trial; one whose policies cannot be read may name it."""
    known = scene.trial.identifiers
    if consent.reference in scene.record.unread and consent.policy == (ConsentPolicy(),):
        return True
    if any(names_study(identifier.value, known) for identifier in consent.identifier):
        return True
    uris = [policy.uri.replace("%20", " ") for policy in consent.policy if policy.uri]
    return any(names_study(part, known) for uri in uris for part in _SEPARATORS.split(uri))


def _referred(scene: Scene) -> frozenset[str]:
    """``Consent/id`` that the trial's own subject refers to: of the whole record, for the subject may be older."""
    record = (scene.origin or scene).record
    found = set()
    for subject in record.subjects:
        if when_of(subject).earliest > scene.on or not is_of_study(subject, record, scene.trial.identifiers):
            continue
        # R4 has one, R5 a list.
        references = subject.consent if isinstance(subject.consent, tuple) else (subject.consent,)
        found |= {normalise_reference(item.reference) for item in references if item and item.reference}
    return frozenset(item for item in found if item)


def _standing(consent: Consent, scene: Scene) -> tuple[Truth, Reason | None]:
    if consent.status in _REFUSED:
        return Truth.F, None
    if consent.status != "active":
        return Truth.U, Reason.STATUS
    provision = consent.provision
    force = in_force(provision.period if provision else None, scene.on)
    if Truth.F in (force.begun, force.lasts):
        return Truth.U, Reason.TOO_OLD
    if Truth.U in (force.begun, force.lasts):
        return Truth.U, Reason.IMPRECISE_DATE
    return (Truth.F if provision and provision.type == "deny" else Truth.T), None


def _said(consent: Consent) -> str | None:
    """Status, kind of provision and its period."""
    provision = consent.provision
    period = provision.period if provision else None
    found = (consent.status, provision.type if provision else None, _span(period))
    return ", ".join(item for item in found if item) or None


def _span(period: Period | None) -> str | None:
    return period_when(period.start, period.end).text() if period else None
