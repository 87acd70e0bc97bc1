"""In: a seed, a patient's number, a day. Out: `Person`: the simulated resources as the store would hand them over, and their verdicts.

The short way from the simulator to the engine, without files and store: what belongs to a person is found by the same functions that the
store uses (`person_of`, `summarise`, `survivors`). That both ways give the same verdicts is tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

import msgspec

from adapter.criteria import PatientVerdict, Stage, Trial, evaluate
from adapter.documents import load_site, load_trial
from adapter.fhir import PatientRecord, needed_references, normalise_reference, person_of
from adapter.simulate.centre import shared
from adapter.simulate.patient import patient
from adapter.store.merges import survivors
from adapter.terminology import Site

__all__ = ["ON", "SITE", "TRIAL", "Centre", "Item", "Person", "encode", "item_of"]

ON = date(2025, 6, 1)
TRIAL = "nct04954820"
SITE = "icm"
#: What a record refers to and is no patient's own.
_SHARED = frozenset({"Medication", "ResearchStudy"})

# Numbers keep the digits that the story printed: 1.10 stays 1.10.
encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Item:
    """One resource, as plain data and as bytes; ``owner`` is the ``Patient/id`` it is about, None for a shared one."""

    reference: str
    owner: str | None
    body: Mapping[str, Any] = field(compare=False, hash=False)
    raw: bytes = field(compare=False, hash=False)

    @property
    def type(self) -> str:
        """The resource type."""
        return self.reference.partition("/")[0]


def item_of(body: Mapping[str, Any]) -> Item:
    """A resource with what the store would note of it."""
    raw = encode(body)
    reference = f"{body['resourceType']}/{body['id']}"
    owner = None if body["resourceType"] in _SHARED else reference if _is_person(body) else person_of(raw)
    return Item(reference, owner, body, raw)


def _is_person(body: Mapping[str, Any]) -> bool:
    return str(body["resourceType"]) == "Patient"


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated person: the surviving identity, all that was written in its story, and the truth of it.

    Attributes:
        number: the patient's number in the centre.
        patient: ``Patient/id`` of the surviving identity.
        items: the current version of the story's resources (of a story with two persons: of both), and the shared ones that they refer to.
        truth: the line of ``truth.ndjson``.
    """

    number: int
    patient: str
    items: tuple[Item, ...]
    truth: Mapping[str, Any]


@dataclass(frozen=True)
class Centre:
    """A simulated centre and the documents that it is screened by.

    Attributes:
        seed: the centre's seed.
        on: the reference date.
        site: how the records are to be read.
    """

    seed: int
    on: date = ON
    site: Site = field(default_factory=lambda: load_site(SITE))
    trial: Trial = field(default_factory=lambda: load_trial(TRIAL))

    def persons(self, number: int) -> Iterator[Person]:
        """Who stands under one number: one person, or two where the story is of a duplicate record."""
        told = patient(self.seed, number, self.on)
        own = [item_of(resource) for resource in _current(told.resources)]
        known = _shared_items(self.on)
        needed = sorted(needed_references(item.raw for item in own) & known.keys())
        items = (*own, *(known[reference] for reference in needed))
        for line in told.truths:
            yield Person(number, line["patient"], items, line)

    def record(self, patient_id: str, items: Iterable[Item]) -> PatientRecord:
        """The record of one person from a heap of resources, merged identities included."""
        heap = list(items)
        merges = survivors(link for item in heap for link in _links(item))
        own = [item.raw for item in heap if item.owner and merges.get(item.owner, item.owner) == patient_id]
        needed = needed_references(own)
        others = {item.reference: item.raw for item in heap if item.owner is None and item.reference in needed}
        merged = tuple(old for old, survivor in merges.items() if survivor == patient_id)
        return PatientRecord.read(patient_id, own, merged=merged, shared=others)

    def verdict(self, patient_id: str, items: Iterable[Item], stage: Stage) -> PatientVerdict:
        """The verdict on one person from a heap of resources."""
        return self.judge(self.record(patient_id, items), stage)

    def judge(self, record: PatientRecord, stage: Stage) -> PatientVerdict:
        """The verdict on a record on the centre's day."""
        return evaluate(self.trial, record, site=self.site, stage=stage, on=self.on)


def _current(resources: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """Of each resource its highest version (clarifications.md 27): what the store holds when a feed has been pulled."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for resource in resources:
        key = resource["resourceType"], resource["id"]
        if key not in found or int(found[key]["meta"]["versionId"]) < int(resource["meta"]["versionId"]):
            found[key] = resource
    return found.values()


def _links(item: Item) -> Iterator[tuple[str, str]]:
    if item.type != "Patient":
        return
    for link in item.body.get("link", ()):
        target = normalise_reference(link["other"]["reference"])
        if target is not None:
            yield item.reference, f"{link['type']} {target}"


@cache
def _shared_items(on: date) -> dict[str, Item]:
    return {item.reference: item for item in map(item_of, shared(on)) if item.type in _SHARED}
