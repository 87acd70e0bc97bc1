"""In: Conditions, pathology Observations. Out: which tumours are on record, what histology and grade belongs to the study tumour.

Attribution (clarifications.md 30): a finding decides only when it is tied to the tumour, or when that is the only
malignancy on record. A breast tumour's Ki-67 must not exclude.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.attestation import FOR_GOOD, latest_attestation
from adapter.criteria.concepts.laboratory import compare, no_data
from adapter.criteria.concepts.reading import Reading
from adapter.criteria.scene import (
    FLAG_ONLY,
    USABLE,
    Scene,
    code_text,
    evidence_of,
    is_on_record,
    is_withdrawn,
    verification,
)
from adapter.criteria.tree import Comparison, Grade, Histology
from adapter.criteria.truth import Truth
from adapter.fhir import is_no_result, normalise_reference, when_of
from adapter.fhir.datatypes import CodeableConcept
from adapter.fhir.resources import Condition, DiagnosticReport, Observation, ObservationComponent, Resource
from adapter.terminology import ICD10, ICD10_CM, ICDO3, ValueSet, plain_code

__all__ = ["Tumours", "answer_grade", "answer_histology", "is_unconfirmed"]


#: A grade that is stated in words or codes other than G1, G2, G3.
_UNREAD = "?"


def is_unconfirmed(condition: Condition) -> bool:
    """Recorded as not, or not yet, sure, or in words or codes of the hospital's own.

    A record without verification status counts as confirmed.
    """
    return condition.verification_status is not None and "confirmed" not in verification(condition)


@dataclass(frozen=True, slots=True)
class _Finding:
    """A coded value of a pathology Observation, or of a Condition itself."""

    sets: frozenset[ValueSet]
    source: Resource
    evidence: Evidence
    condition: Condition | None = None
    #: A correction of the same day says otherwise.
    is_doubtful: bool = False


class Tumours:
    """The tumours of a scene; made once."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._concept = scene.study_tumour
        self.conditions = tuple(item for item in scene.record.conditions if is_on_record(item, scene.on))

    @cached_property
    def _groups(self) -> dict[str, list[Condition]]:
        """Malignant primaries by three-character category; an unspecified primary beside another is that other."""
        malignancy, unspecified = self._concept.malignancy, self._concept.unspecified
        found: dict[str, list[Condition]] = {}
        vague: list[Condition] = []
        for condition in self.conditions:
            for system, code in self._malignancy_codes(condition):
                if unspecified.has(system, code):
                    vague.append(condition)
                elif malignancy.has(system, code):
                    found.setdefault(plain_code(ICD10, code)[:3], []).append(condition)
        if vague and not found:
            found["C80"] = vague
        for condition in self.conditions:
            if self._is_other_in_words(condition):
                found[condition.reference] = [condition]
        return found

    def _is_other_in_words(self, condition: Condition) -> bool:
        """A malignancy that only words name, and not as neuroendocrine: enough to leave a loose finding unattributed."""
        if any(system in (ICD10, ICD10_CM) for system, _ in self._scene.codes(condition.code)):
            return False
        concept = condition.code
        words = [concept.text, *(coding.display for coding in concept.coding)] if concept else []
        text = " ".join(word for word in words if word)
        return bool(self._concept.malignancy_text.search(text)) and not self._concept.same_tumour_text.search(text)

    def _malignancy_codes(self, condition: Condition) -> Iterator[tuple[str, str]]:
        for system, code in self._scene.codes(condition.code):
            # ICD-10-CM shares the categories of malignant tumours: enough to know that there is another one.
            yield (ICD10 if system == ICD10_CM else system), code

    @property
    def study(self) -> frozenset[str]:
        """References of the Conditions that may be the study tumour, known from the whole record."""
        return self._study if self._scene.origin is None else self._scene.origin.tumours._study

    @cached_property
    def _study(self) -> frozenset[str]:
        """References of the Conditions that may be the study tumour.

        Where a primary of the trial's sites is on record, that one: the codes of the site to which a NET histology is tied, or
        all of them. Else those to which a NET histology is tied; else the only malignancy there is, when a
        neuroendocrine histology is on record. A code of uncertain behaviour is of the same tumour.
        """
        primaries = {item.reference for item in self.conditions if self._scene.in_any(self._concept.primary, item.code)}
        of_net = set(self._with_net_histology)
        chosen = (of_net & primaries) or primaries or of_net
        found = chosen.union(
            *(
                {item.reference for item in group}
                for group in self._groups.values()
                if any(item.reference in chosen for item in group)
            )
            if of_net & primaries or not primaries
            else ()
        )
        if not found and len(self._groups) == 1 and self._is_neuroendocrine:
            found = {item.reference for group in self._groups.values() for item in group}
        vague = self._concept.supportive
        return frozenset(found | {item.reference for item in self.conditions if self._scene.in_any(vague, item.code)})

    @cached_property
    def _was_withdrawn(self) -> bool:
        """A malignancy was recorded and refuted: a finding that nobody tied to a tumour may have been that one's."""
        malignancy = self._concept.malignancy
        return any(
            is_withdrawn(item) and self._scene.has(malignancy, item.code) for item in self._scene.record.conditions
        )

    @cached_property
    def _is_neuroendocrine(self) -> bool:
        """A neuroendocrine histology of any kind is on record, whatever tumour it is of."""
        return any(not finding.sets.isdisjoint(self._concept.neuroendocrine) for finding in self._findings)

    @cached_property
    def _with_net_histology(self) -> frozenset[str]:
        """Conditions that carry a NET morphology themselves, or that a NET morphology is directly tied to."""
        found: set[str] = set()
        known = {item.reference for item in self.conditions}
        for finding in self._findings:
            if finding.sets.isdisjoint(self._concept.morphology):
                continue
            source = finding.source
            found |= self._directly(source) & known if isinstance(source, Observation) else {source.reference}
        return frozenset(found)

    def _directly(self, observation: Observation) -> set[str]:
        """Conditions that an Observation is tied to by focus, stage, evidence or report."""
        focus = (normalise_reference(item.reference) for item in observation.focus if item.reference)
        tied = {target for target in focus if target and target.startswith("Condition/")}
        return tied | self._tied.get(observation.reference, set())

    def _own_histology(self, condition: Condition) -> Iterator[tuple[str, str]]:
        concepts = [condition.code, *(extension.value_codeable_concept for extension in condition.extension)]
        for system, code in self._scene.codes(*concepts):
            if system == ICDO3:
                yield system, code

    @cached_property
    def _tied(self) -> dict[str, set[str]]:
        """Observation reference to the Conditions that point to it, directly or by a report."""
        found: dict[str, set[str]] = {}
        for condition in self.conditions:
            stages = [reference.reference for stage in condition.stage for reference in stage.assessment]
            for literal in (*stages, *_evidence_references(condition)):
                target = normalise_reference(literal) if literal else None
                if target:
                    found.setdefault(target, set()).add(condition.reference)
        for report in self._scene.record.of_type("DiagnosticReport"):
            if not isinstance(report, DiagnosticReport):
                continue
            tied = set(found.get(report.reference, ()))
            codes = {
                plain_code(ICD10, code)[:3]
                for system, code in self._scene.codes(*report.conclusion_code)
                if system == ICD10
            }
            tied |= {condition.reference for key in codes for condition in self._groups.get(key, ())}
            for result in report.result:
                target = normalise_reference(result.reference) if result.reference else None
                if target and tied:
                    found.setdefault(target, set()).update(tied)
        return found

    def belongs(self, observation: Observation, of: ValueSet | None = None, *, is_histology: bool = False) -> Truth:
        """Whether an Observation is about the study tumour, or about a tumour coded in ``of``.

        A histology is about the only malignancy on record, and makes it the study tumour when it is neuroendocrine; any
        other finding is about the study tumour only when that is the only malignancy.

        Returns:
            T when it is tied to it or that is the only malignancy, F when it is about another one, else U.
        """
        if self._scene.origin is not None:
            # What a finding is about is known from the whole record, also when only later findings are looked at.
            return self._scene.origin.tumours.belongs(observation, of, is_histology=is_histology)
        mine = self._study if of is None else self._coded(of)
        tied = self._directly(observation)
        if tied:
            return Truth.T if tied & mine else Truth.F
        site = [(system, code) for system, code in self._scene.codes(observation.body_site) if system == ICD10]
        if site:
            keys = {plain_code(ICD10, code)[:3] for _, code in site}
            groups = {condition.reference for key in keys for condition in self._groups.get(key, ())}
            if groups:
                return Truth.T if groups & mine else Truth.F
            # Of a site that no tumour on record has: a metastasis of it, or a tumour that is not on record.
            return Truth.U
        if observation.encounter and observation.encounter.reference in self._scene.courses.encounters and of is None:
            return Truth.T
        if len(self._groups) > 1 or (not self._groups and not self._study and self._was_withdrawn):
            return Truth.U
        if not self._groups and not self._study and not (is_histology or self._is_neuroendocrine):
            return Truth.U
        only = {condition.reference for group in self._groups.values() for condition in group}
        return Truth.T if not only or only & mine or (is_histology and of is None) else Truth.F

    def _coded(self, value_set: ValueSet) -> frozenset[str]:
        return frozenset(item.reference for item in self.conditions if self._scene.has(value_set, item.code))

    def findings(self, value_sets: Iterable[ValueSet], of: ValueSet | None) -> tuple[list[Evidence], list[Evidence]]:
        """Morphologies in the value sets: those that belong to the tumour, and those that cannot be attributed."""
        if not self._findings:
            return [], []
        wanted = tuple(value_sets)
        whole = self if self._scene.origin is None else self._scene.origin.tumours
        mine = whole._study if of is None else whole._coded(of)
        sure: list[Evidence] = []
        open_: list[Evidence] = []
        for finding in self._findings:
            if finding.sets.isdisjoint(wanted):
                continue
            if finding.condition is not None:
                # Written on the tumour's own Condition; unconfirmed, it proves nothing.
                if finding.condition.reference in mine:
                    (open_ if is_unconfirmed(finding.condition) else sure).append(finding.evidence)
                continue
            assert isinstance(finding.source, Observation)
            match self.belongs(finding.source, of, is_histology=True):
                case Truth.T:
                    (open_ if finding.is_doubtful else sure).append(finding.evidence)
                case Truth.U:
                    open_.append(finding.evidence)
                case Truth.F:
                    pass
        return sure, open_

    @cached_property
    def _findings(self) -> tuple[_Finding, ...]:
        found = []
        for observation in self._scene.record.observations:
            told = observation.value_codeable_concept is not None or observation.component
            if not told or not self._scene.counts(observation):
                continue
            concepts: list[CodeableConcept | None] = [observation.value_codeable_concept]
            concepts += [component.value_codeable_concept for component in observation.component]
            codes = frozenset(self._scene.codes(*concepts))
            corrected = self._scene.corrections.by(observation, observation)
            replaced = corrected is not None and codes != frozenset(self._scene.codes(corrected.value_codeable_concept))
            if replaced and when_of(observation).exact:
                continue
            if codes:
                text = next((code_text(self._scene, concept, ICDO3) for concept in concepts if concept), None)
                sets = self._scene.sets_of(concept for concept in concepts if concept is not None)
                found.append(_Finding(sets, observation, evidence_of(observation, text), is_doubtful=replaced))
        for condition in self.conditions:
            codes = frozenset(self._own_histology(condition))
            if codes:
                text = next(iter(sorted(code for _, code in codes)))
                sets = frozenset(item for code in codes for item in self._scene.trial.value_sets_of(*code))
                found.append(_Finding(sets, condition, evidence_of(condition, text), condition))
        return tuple(found)

    def of_study(self, readings: Iterable[Reading]) -> tuple[list[Reading], list[Reading]]:
        """Readings that belong to the study tumour, and those that cannot be attributed."""
        sure, open_ = [], []
        for reading in readings:
            belongs = self.belongs(reading.observation)
            if belongs is Truth.T:
                sure.append(reading)
            elif belongs is Truth.U:
                open_.append(reading)
        return sure, open_

    def grades(self) -> Iterator[tuple[str, Observation, Evidence]]:
        """Stated grades G1, G2, G3, whatever tumour they are of; `_UNREAD` where a grade is stated in another way."""
        ki67 = self._concept.ki67.codes
        for observation, carrier in self._scene.readings.carriers(self._concept.grades | ki67):
            # clarifications.md: a text answer G1, G2, G3 beside the grade or the Ki-67 counts.
            if not self._scene.counts(observation):
                continue
            grade = _grade(carrier.value_codeable_concept, carrier.value_string)
            replaced = self._scene.corrections.of(observation, carrier)
            if replaced is Truth.T:
                continue
            if grade is not None:
                yield (
                    _UNREAD if replaced is Truth.U and grade == "G3" else grade,
                    observation,
                    evidence_of(observation, grade),
                )
            elif self._concept.grades & set(self._scene.codes(carrier.code)) and _is_stated(carrier):
                yield _UNREAD, observation, evidence_of(observation, None)
            for note in observation.note if carrier is observation else ():
                grade = _grade(None, note.text)
                if grade is not None and ki67 & set(self._scene.codes(observation.code)):
                    yield grade, observation, evidence_of(observation, grade)


def _evidence_references(condition: Condition) -> Iterator[str | None]:
    for node in condition.evidence:
        details = node.get("detail", []) if isinstance(node, dict) else []
        nested = node.get("reference") if isinstance(node, dict) else None
        for reference in (*details, nested):
            literal = reference.get("reference") if isinstance(reference, dict) else None
            yield literal if isinstance(literal, str) else None


def _is_stated(carrier: Observation | ObservationComponent) -> bool:
    """There is an answer, and it is not that the grade cannot be told (GX)."""
    concept = carrier.value_codeable_concept
    words = [carrier.value_string, concept.text if concept else None]
    words += [word for coding in (concept.coding if concept else ()) for word in (coding.code, coding.display)]
    told = [word for word in words if word]
    if any(word.strip().upper() == "GX" or is_no_result(word) for word in told):
        return False
    others = (carrier.value_integer, carrier.value_quantity and carrier.value_quantity.value)
    return bool(told) or any(value is not None for value in others)


def _grade(concept: CodeableConcept | None, text: str | None) -> str | None:
    words = [text, concept.text if concept else None]
    words += [word for coding in (concept.coding if concept else ()) for word in (coding.code, coding.display)]
    found = {word.strip().upper() for word in words if word} & {"G1", "G2", "G3"}
    return found.pop() if len(found) == 1 else None


def answer_histology(node: Histology, scene: Scene) -> Answer:
    """A morphology of the value sets is on record for the tumour; none is open, unless the node says otherwise."""
    sure, open_ = scene.tumours.findings(node.value_sets, node.of)
    if node.unattributed:
        return Answer(Truth.T if open_ and not sure else Truth.F, evidence=tuple(open_))
    if sure:
        return Answer(Truth.T, evidence=tuple(sure))
    if open_:
        return Answer(Truth.U, Reason.UNATTRIBUTED, tuple(open_), wanted=(Wanted("histology"),))
    return Answer(node.absent) if node.absent is not Truth.U else no_data("histology")


def answer_grade(node: Grade, scene: Scene) -> Answer:
    """The study tumour is G1 or G2 (clarifications.md 5).

    G3 stated or Ki-67 surely above the limit refutes; a grade that cannot be read leaves it open; a stated G1 or G2 proves; so does Ki-67 surely at most the limit
    together with a well-differentiated morphology or a person's word for it. The highest value counts.
    """
    comparison = Comparison("le", node.ki67_at_most)
    usable = [
        item
        for item in scene.readings.of(node.ki67)
        if item.is_result
        and item.observation.status in USABLE
        and item.when.earliest <= scene.on
        and scene.corrections.of(item.observation, item.carrier) is not Truth.T
    ]
    mine, unattributed = scene.tumours.of_study(usable)
    grades = [(grade, evidence, scene.tumours.belongs(source)) for grade, source, evidence in scene.tumours.grades()]
    stated = {grade: evidence for grade, evidence, belongs in grades if belongs is Truth.T}
    within = {id(item): compare(item.value, comparison) if item.value else Truth.U for item in mine}
    for item in mine:
        if within[id(item)] is Truth.F and scene.corrections.of(item.observation, item.carrier) is Truth.U:
            # A correction of the same day may be of another sample, or have taken it back.
            within[id(item)] = Truth.U
    above = tuple(item.evidence for item in mine if within[id(item)] is Truth.F)
    if "G3" in stated or above:
        return Answer(Truth.F, evidence=above + tuple(e for grade, e in stated.items() if grade == "G3"))
    if _UNREAD in stated:
        # It may be G3: a low Ki-67 or another statement does not outweigh it.
        return Answer(Truth.U, Reason.NOT_READ, tuple(stated.values()), wanted=(Wanted("grade"),))
    if stated:
        return Answer(Truth.T, evidence=tuple(stated.values()))
    open_ki67 = [item for item in mine if within[id(item)] is Truth.U]
    wanted = (Wanted("grade"),)
    if mine and not open_ki67:
        return _well_differentiated(node, scene, tuple(item.evidence for item in mine))
    if open_ki67:
        replaced = any(scene.corrections.of(item.observation, item.carrier) is Truth.U for item in open_ki67)
        otherwise = Reason.CONFLICT if replaced else Reason.COMPARATOR
        reason = next((item.problem for item in open_ki67 if item.problem), otherwise)
        return Answer(Truth.U, reason, tuple(item.evidence for item in open_ki67), wanted=wanted)
    loose = tuple(item.evidence for item in unattributed) + tuple(e for _, e, belongs in grades if belongs is Truth.U)
    if loose:
        return Answer(Truth.U, Reason.UNATTRIBUTED, loose, wanted=wanted)
    preliminary = tuple(item.evidence for item in scene.readings.of(node.ki67) if item.observation.status in FLAG_ONLY)
    if preliminary:
        return Answer(Truth.U, Reason.STATUS, preliminary, wanted=wanted)
    return Answer(Truth.U, Reason.NO_DATA, wanted=wanted)


def _well_differentiated(node: Grade, scene: Scene, ki67: tuple[Evidence, ...]) -> Answer:
    sure, open_ = scene.tumours.findings((node.morphology,), None)
    if sure:
        return Answer(Truth.T, evidence=ki67 + tuple(sure))
    attested = latest_attestation(scene.attestations, node.well_differentiated, on=scene.on, validity=FOR_GOOD)
    if attested is not None:
        answer, _ = attested
        if answer.truth is Truth.T:
            return Answer(Truth.T, evidence=ki67 + answer.evidence, attested=True)
        reason = answer.reason or Reason.CONFLICT
        return Answer(Truth.U, reason, ki67 + answer.evidence, wanted=(Wanted("grade"),))
    wanted = (Wanted(node.well_differentiated, attestation=True),)
    reason = Reason.UNATTRIBUTED if open_ else Reason.NEEDS_ATTESTATION
    return Answer(Truth.U, reason, ki67 + tuple(open_), attestable=True, wanted=wanted)
