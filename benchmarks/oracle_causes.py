"""In: a record, a criterion, our answer and CQL's. Out: why they differ, by looking at the record; nothing where it cannot be told.

A cause must lie in the data that the answer is made from: the results that may be the latest of the window, their ranges, the person. Where CQL
decides and we do not, or otherwise, only causes that can do that are named: two values of one time, an attestation, and, where a
case or a cross-check passes over what CQL cannot read, what it cannot read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date

from adapter.criteria import Stage, Trial, Truth, evaluate, tree
from adapter.criteria.answering import answer_criterion, answer_part
from adapter.criteria.concepts.person import genders
from adapter.criteria.concepts.reading import Reading
from adapter.criteria.exchange.cql_measures import ucum_spellings
from adapter.criteria.scene import USABLE, Scene, within
from adapter.documents import code_system_names
from adapter.fhir import PatientRecord, parse_when
from adapter.fhir.datatypes import Quantity, ReferenceRange
from adapter.fhir.resources import Observation, ObservationComponent
from adapter.terminology import Analyte, Site

ATTESTED = "a person attested it; CQL reads coded data only"
COMPARATOR = "a comparator (`<5`): CQL's quantity has none"
TEXT = "a result in words or text (`12,1 g/dL`, `en cours`)"
UNIT = "no unit, or one that is not known"
CONVERSION = "a unit that UCUM does not convert (haemoglobin in mmol/L, mg/L to umol/L, `[iU]` to `U`)"
PERIOD = "an effectivePeriod under a plain cast"
PARTIAL = "a partial date, or none"
RANGE = "a reference range in words, without unit, or not one that fits"
PERSON = "sex or date of birth missing, partial or contradictory"
SAME_TIME = "two values of one time: CQL picks one"
UNSAID = "waits for what the CQL does not say"

_MEASURED = (tree.Age, tree.BloodPressure, tree.Hcg, tree.Laboratory, tree.Prothrombin, tree.Sex)
#: What the definitions of the library are asked about: one patient's answers to all of them.
Answers = dict[str, Truth]


@dataclass(frozen=True)
class Patient:
    """A record and how it is to be read."""

    trial: Trial
    record: PatientRecord
    site: Site
    on: date

    def answers(self) -> Answers:
        """Our answers, by criterion and part."""
        verdict = evaluate(self.trial, self.record, site=self.site, stage=Stage.REGISTRATION, on=self.on)
        found = {criterion.id: criterion.truth for criterion in verdict.criteria}
        found.update({part.id: part.truth for criterion in verdict.criteria for part in criterion.parts})
        return found

    def asked(self) -> Answers:
        """The same answers, with their reasons and evidence, of the reference date alone, as CQL gives them: no later days, nothing to order."""
        scene = Scene(self.trial, self.record.until(self.on), self.site, self.on)
        found = {criterion.id: answer_criterion(criterion, scene).truth for criterion in self.trial.criteria}
        found.update((part.id, answer_part(part, scene).truth) for item in self.trial.criteria for part in item.parts)
        scene.close()
        return found

    def unattested(self) -> Patient:
        """The same without what persons attested."""
        kept = {name: items for name, items in self.record.resources.items() if name != "QuestionnaireResponse"}
        return replace(self, record=replace(self.record, resources=kept))


class Causes:
    """Why the answers about one patient differ."""

    def __init__(self, patient: Patient, unsaid: frozenset[str]) -> None:
        self._patient = patient
        self._unsaid = unsaid
        self._scene = Scene(patient.trial, patient.record.until(patient.on), patient.site, patient.on)
        self._bare: Answers | None = None

    def of(self, identity: str, ours: Truth, theirs: Truth) -> str | None:
        """The first cause that holds, None where there is none."""
        if self._patient.record.responses:
            self._bare = self._bare or self._patient.unattested().answers()
            if self._bare[identity] is theirs:
                return ATTESTED
        nodes = list(_nodes(_root(self._patient.trial, identity), self._patient.trial))
        found = {cause for node in nodes for cause in self._leaf(node)}
        passes_over = any(isinstance(node, tree.Cases | tree.CrossCheck) for node in nodes)
        if theirs is not Truth.U and not passes_over:
            found &= {SAME_TIME}
        measured = [node for node in nodes if isinstance(node, _MEASURED)]
        alone = len(measured) == 1 and getattr(measured[0], "scale", None) is tree.Scale.VALUE
        if theirs is Truth.U and alone:
            # The one that CQL picks decides; only beside others, or without a range of its own, can it leave the answer open.
            found.discard(SAME_TIME)
        for cause in (COMPARATOR, UNIT, CONVERSION, TEXT, PERIOD, PARTIAL, RANGE, PERSON, SAME_TIME):
            if cause in found:
                return cause
        unsaid = theirs is Truth.U and identity in self._unsaid
        return UNSAID if unsaid else None

    def _leaf(self, node: object) -> Iterator[str]:
        match node:
            case tree.Age() | tree.Sex():
                yield from self._person()
            case tree.Laboratory():
                yield from self._results((node.analyte,), node.window_days, scale=node.scale)
            case tree.Prothrombin():
                yield from self._results((node.percent, *node.others), node.window_days, scale=tree.Scale.ULN)
            case tree.Hcg():
                yield from self._results((node.analyte,), node.window_days, scale=tree.Scale.ULN, every=True)
            case tree.BloodPressure():
                yield from self._results((node.systolic, node.diastolic), node.window_days, every=True)
            case tree.DeIndexed():
                yield from self._results((node.creatinine,), node.window_days, scale=tree.Scale.MDRD)
                for analyte in (node.height, node.weight):
                    yield from self._results((analyte,), None, scale=tree.Scale.MDRD)

    def _person(self) -> Iterator[str]:
        scene = self._scene
        born = {person.birth_date for person in scene.record.identities}
        days = [when for text in born if (when := parse_when(text)) is not None]
        if len(born) != 1 or len(days) != 1 or not days[0].is_one_day or len(genders(scene)) != 1:
            yield PERSON

    def _results(
        self,
        analytes: tuple[Analyte, ...],
        days: int | None,
        *,
        scale: tree.Scale = tree.Scale.VALUE,
        every: bool = False,
    ) -> Iterator[str]:
        scene = self._scene
        start = None if days is None else scene.window(days)
        placed = [
            (reading, carrier, within(reading.when, start, scene.on))
            for analyte in analytes
            for reading, carrier in self._visible(analyte)
        ]
        inside = [(reading, carrier, place) for reading, carrier, place in placed if place is not Truth.F]
        sure = [reading for reading, _, place in inside if place is Truth.T]
        latest = [
            (reading, carrier)
            for reading, carrier, _ in inside
            if every or not any(other.when.surely_after(reading.when) for other in sure)
        ]
        yield from (cause for reading, _, place in inside for cause in _of_time(reading, place))
        if any(_one_time(latest, every=every)):
            yield SAME_TIME
        for reading, carrier in latest:
            spellings = ucum_spellings(reading.analyte, self._patient.trial.units)
            yield from _of_value(reading.analyte, carrier, scale, spellings)
            if scale is tree.Scale.ULN:
                yield from _of_range(reading.analyte, carrier, spellings)
                if any(item.applies_to or item.age for item in carrier.reference_range):
                    yield from self._person()
        if scale is tree.Scale.MDRD and latest:
            yield from self._person()

    def _visible(self, analyte: Analyte) -> Iterator[tuple[Reading, Observation | ObservationComponent]]:
        """The readings that the library's retrieves find, each with the element that has the value."""
        for reading in self._scene.readings.of(analyte):
            if reading.observation.status not in USABLE:
                continue
            carriers: tuple[Observation | ObservationComponent, ...] = (
                reading.observation,
                *reading.observation.component,
            )
            for carrier in carriers:
                if any((_system(coding.system), coding.code) in analyte.codes for coding in carrier.code.coding):
                    yield reading, carrier


def _root(trial: Trial, identity: str) -> tree.Node:
    for criterion in trial.criteria:
        if criterion.id == identity:
            return criterion.node
        for part in criterion.parts:
            if part.id == identity:
                return part.node
    raise KeyError(identity)


def _nodes(node: object, trial: Trial) -> Iterator[object]:
    """A node and all below it, through the parts and criteria that it names."""
    if isinstance(node, tuple):
        for item in node:
            yield from _nodes(item, trial)
        return
    if not isinstance(node, tree.Node | tree.Case) or not is_dataclass(node):
        return
    yield node
    if isinstance(node, tree.PartOf):
        yield from _nodes(_root(trial, node.part), trial)
    elif isinstance(node, tree.TruthOf):
        yield from _nodes(_root(trial, node.criterion), trial)
    else:
        for item in fields(node):
            yield from _nodes(getattr(node, item.name), trial)


def _of_time(reading: Reading, place: Truth) -> Iterator[str]:
    observation = reading.observation
    if observation.effective_period is not None:
        yield PERIOD
    elif place is Truth.U or not (observation.effective_date_time or observation.effective_instant):
        yield PARTIAL


def _one_time(latest: list[tuple[Reading, Observation | ObservationComponent]], *, every: bool) -> Iterator[bool]:
    """Pairs of results of one analyte of which neither is surely the later; or of several that answer one question."""
    for index, (first, _) in enumerate(latest):
        for second, _ in latest[index + 1 :]:
            apart = first.when.surely_after(second.when) or second.when.surely_after(first.when)
            same = first.analyte.id == second.analyte.id or not every
            # cql-execution sorts DateTimes as text: those of one day with different offsets may change places.
            texts = {item.observation.effective_date_time for item in (first, second)}
            mixed = len({text[19:] for text in texts if text}) > 1 and first.when.earliest == second.when.earliest
            yield same and (not apart or mixed)


def _of_value(
    analyte: Analyte, carrier: Observation | ObservationComponent, scale: tree.Scale, spellings: dict[str, str]
) -> Iterator[str]:
    quantity = carrier.value_quantity
    if quantity is None:
        counted = carrier.value_integer is not None and analyte.unitless
        coded = any(
            (_system(coding.system), coding.code) in analyte.coded_values
            for concept in (carrier.value_codeable_concept, *carrier.interpretation)
            for coding in (concept.coding if concept else ())
        )
        if not counted and not coded and _has_value(carrier):
            yield TEXT
        return
    if quantity.comparator:
        yield COMPARATOR
    unit = spellings.get(_unit(quantity) or "")
    if unit is None and not (_unit(quantity) is None and analyte.unitless):
        yield UNIT
    elif scale is not tree.Scale.MDRD and unit is not None and _dimension(unit) != _dimension(analyte.unit):
        yield CONVERSION


def _has_value(carrier: Observation | ObservationComponent) -> bool:
    others = (carrier.value_string, carrier.value_codeable_concept, carrier.value_boolean, carrier.value_range)
    return any(item is not None for item in (*others, carrier.value_integer, carrier.value_ratio, carrier.value_period))


def _of_range(
    analyte: Analyte, carrier: Observation | ObservationComponent, spellings: dict[str, str]
) -> Iterator[str]:
    value = carrier.value_quantity
    of_value = spellings.get(_unit(value) or "") if value else None
    for item in carrier.reference_range:
        ends = [end for end in (item.low, item.high) if end is not None and end.value is not None]
        if not ends or _speaks(item):
            yield RANGE
        for end in ends:
            unit = spellings.get(_unit(end) or "")
            if unit is None and not analyte.unitless:
                yield RANGE
            elif of_value is not None and _dimension(unit) != _dimension(of_value):
                yield CONVERSION


def _speaks(item: ReferenceRange) -> bool:
    """It says for whom it is in words alone."""
    return any(not concept.coding for concept in item.applies_to)


def _system(name: str | None) -> str | None:
    """The code system that is meant: every tenth person's stand under other names."""
    return None if name is None else code_system_names().get(name, name)


def _unit(quantity: Quantity) -> str | None:
    if _system(quantity.system) in (None, "http://unitsofmeasure.org"):
        return quantity.code or quantity.unit
    return quantity.unit


def _dimension(unit: str | None) -> str:
    """What a unit counts, as far as UCUM keeps it apart from the others of a laboratory."""
    text = unit or ""
    return next((kind for kind in ("mol", "[iU]", "g/") if kind in text), "")
