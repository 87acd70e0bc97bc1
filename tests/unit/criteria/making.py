"""In: an expression as a criteria document writes it, a record in short-hand. Out: a trial of a few tiny criteria, and its verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from adapter.criteria import CriterionVerdict, PatientVerdict, Stage, Trial, evaluate, parse_terms, parse_trial
from adapter.criteria.answer import Answer
from adapter.criteria.answering import answer_criterion
from adapter.criteria.expressions import Terms
from adapter.criteria.scene import Scene
from adapter.documents import load_trial
from adapter.fhir import PatientRecord
from adapter.terminology import Completeness, Node, Site
from tests.support.records import ChartWriter, Entry, encode

__all__ = [
    "MAN",
    "ON",
    "PLAIN",
    "START",
    "WOMAN",
    "answer_to",
    "chart",
    "complete",
    "criteria_document",
    "criterion",
    "infusion",
    "infusions",
    "judged",
    "observation",
    "parsed",
    "record",
    "reluth",
    "scene",
    "terms",
    "tiny",
    "trial_document",
    "verdicts",
]

ON = date(2025, 6, 1)
MAN: Mapping[str, Any] = {"gender": "male", "birthDate": "1960-05-02"}
WOMAN: Mapping[str, Any] = {"gender": "female", "birthDate": "1985-01-01"}
PLAIN = Site.plain("icm")
#: The day of the first infusion.
START = date(2021, 1, 4)
LOINC = "http://loinc.org"


@cache
def reluth() -> Trial:
    """The real trial, for its value sets, analytes and units."""
    return load_trial("nct04954820")


@cache
def terms() -> Terms:
    """What ReLUTH's expressions may name."""

    def document(name: str) -> Node:
        return Node(yaml.safe_load((files("mappings") / name).read_text(encoding="utf-8")), name)

    folder = "trials/nct04954820"
    return parse_terms(
        value_sets=document(f"{folder}/value-sets.yaml"),
        analytes=document("terminology/analytes.yaml"),
        grades=document("terminology/ctcae.yaml"),
        concepts=document(f"{folder}/concepts.yaml"),
    )


def trial_document() -> dict[str, Any]:
    """The smallest trial document; the id is ReLUTH's, so that the short-hand's attestations are for it."""
    return {
        "kind": "trial",
        "id": "nct04954820",
        "acronym": "TINY",
        "title": "a tiny trial",
        "identifiers": ["NCT04954820"],
        "resource_types": ["Patient"],
        "candidate_when": [
            {"id": "tumour", "label": {"fr": "t", "en": "t"}, "in": ["Condition"], "codes": ["intestinal_primary"]}
        ],
        "attestation": {"default": {"days": 28}, "valid": {"I03": "for-good", "X.long": {"months": 2}}},
        "open_questions": [{"id": "q", "criteria": ["I01"], "text": {"fr": "q ?", "en": "q?"}}],
        "states": [{"id": "new", "research_subject_status": "potential-candidate", "label": {"fr": "n", "en": "n"}}],
        "wanted": {"thing": {"fr": "chose", "en": "thing"}},
    }


def criterion(rule: Any, identity: str = "X", **more: Any) -> dict[str, Any]:
    """One criterion of a criteria document."""
    words = {"fr": identity, "en": identity}
    return {
        "id": identity,
        "kind": "inclusion",
        "stage": "both",
        "automation": "auto",
        "text": identity,
        "label": words,
        "confirm": words,
        "rule": rule,
        **more,
    }


def criteria_document(*criteria: Mapping[str, Any]) -> dict[str, Any]:
    """A criteria document of these criteria."""
    return {"kind": "criteria", "version": "1", "criteria": list(criteria)}


def parsed(trial: Any, criteria: Any) -> Trial:
    """Both documents read, with ReLUTH's terms."""
    return parse_trial(Node(trial, "trial.yaml"), Node(criteria, "criteria.yaml"), terms=terms(), units=reluth().units)


def tiny(*criteria: Mapping[str, Any]) -> Trial:
    """A trial of these criteria."""
    return parsed(trial_document(), criteria_document(*criteria))


def chart(entries: Iterable[Entry], *, person: Mapping[str, Any] | None = MAN) -> list[dict[str, Any]]:
    """The resources of one patient; ``person`` None leaves the Patient out."""
    writer = ChartWriter()
    return [*([writer.person(person)] if person is not None else []), *writer.write(entries)]


def record(
    entries: Iterable[Entry],
    *,
    person: Mapping[str, Any] | None = MAN,
    shared: Iterable[Mapping[str, Any]] = (),
    raw: Iterable[bytes] = (),
) -> PatientRecord:
    """A patient's record from short-hand, FHIR, and raw JSON."""
    resources = [encode(item) for item in chart(entries, person=person)]
    known = {f"{item['resourceType']}/{item['id']}": encode(dict(item)) for item in shared}
    return PatientRecord.read("Patient/1", [*resources, *raw], shared=known)


def scene(trial: Trial, entries: Iterable[Entry] = (), *, on: date = ON, site: Site = PLAIN, **more: Any) -> Scene:
    """One patient on one day."""
    return Scene(trial, record(entries, **more), site, on)


def answer_to(rule: Any, entries: Iterable[Entry] = (), *, on: date = ON, site: Site = PLAIN, **more: Any) -> Answer:
    """The answer to one expression (an attestation under ``X`` included)."""
    trial = tiny(criterion(rule))
    return answer_criterion(trial.criteria[0], scene(trial, entries, on=on, site=site, **more))


def verdicts(
    trial: Trial,
    entries: Iterable[Entry] = (),
    *,
    on: date = ON,
    site: Site = PLAIN,
    stage: Stage = Stage.REGISTRATION,
    **more: Any,
) -> PatientVerdict:
    """All verdicts of a trial for one patient."""
    return evaluate(trial, record(entries, **more), site=site, stage=stage, on=on)


def judged(found: PatientVerdict, identity: str) -> CriterionVerdict:
    """One criterion's verdict."""
    return next(item for item in found.criteria if item.id == identity)


def complete(domain: str, start: date = date(2000, 1, 1), end: date = date(2030, 1, 1)) -> Site:
    """A site that declares one domain complete."""
    return Site("icm", completeness=(Completeness(domain, start, end),))


def observation(loinc: str, **more: Any) -> dict[str, Any]:
    """A final Observation of 20 May 2025 as FHIR."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "effectiveDateTime": "2025-05-20",
        "code": {"coding": [{"system": LOINC, "code": loinc}]},
        **more,
    }


def infusions(*gaps: int, **more: Any) -> list[dict[str, Any]]:
    """Infusions from `START`, that many days apart."""
    days = [START]
    for gap in gaps:
        days.append(days[-1] + timedelta(days=gap))
    return [{"infusion": {"date": str(day), **more}} for day in days]


def infusion(when: str, **more: Any) -> dict[str, Any]:
    return {"infusion": {"date": when, **more}}
