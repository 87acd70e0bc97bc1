"""In: how one node is answered, a record in short-hand. Out: its answer, with an attestation or on later days, without a trial's documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

from adapter.criteria.answer import Answer
from adapter.criteria.attestation import FOR_GOOD, decide_with, latest_attestation
from adapter.criteria.meanings import Meanings
from adapter.criteria.scene import Scene
from adapter.criteria.trial import Trial
from adapter.fhir import PatientRecord
from adapter.terminology import Site
from tests.support.records import ChartWriter, Entry, encode

__all__ = ["IDENTIFIERS", "ON", "attested", "flips_on", "scene_of"]

ON = date(2025, 6, 1)
IDENTIFIERS = ("NCT04954820", "2021-001306-30", "PROICM 2021-04 REL")
_PERSON: Mapping[str, Any] = {"gender": "male", "birthDate": "1960-05-02"}

AnswerTo = Callable[[Scene], Answer]


def scene_of(
    entries: Iterable[Entry] = (),
    *,
    on: date = ON,
    site: Site | None = None,
    shared: Iterable[Mapping[str, Any]] = (),
    person: Mapping[str, Any] = _PERSON,
) -> Scene:
    """One patient on one day, in a trial of which only its names are known."""
    writer = ChartWriter()
    resources = [encode(item) for item in (writer.person(person), *writer.write(entries))]
    known = {f"{item['resourceType']}/{item['id']}": encode(dict(item)) for item in shared}
    record = PatientRecord.read("Patient/1", resources, shared=known)
    site = site or Site.plain("icm")
    meanings = Meanings(lambda *_: (), site)
    trial = cast(
        "Trial",
        SimpleNamespace(id="nct04954820", identifiers=IDENTIFIERS, value_sets={}, meanings=lambda _: meanings),
    )
    return Scene(trial, record, site, on)


def attested(answer: AnswerTo, scene: Scene, link: str) -> Answer:
    """The answer with what a person attested under ``link``."""
    found = latest_attestation(scene.attestations, link, on=scene.on, validity=FOR_GOOD)
    return decide_with(answer(scene), found, later=lambda moment: answer(scene.since(moment)))


def flips_on(answer: AnswerTo, scene: Scene) -> date | None:
    """First later day among those that the answer names on which its truth is another one."""
    found = answer(scene)
    days = sorted(day for day in found.changes if day > scene.on)
    return next((day for day in days if answer(replace(scene, on=day)).truth is not found.truth), None)
