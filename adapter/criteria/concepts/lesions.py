"""In: lesion diameters and counts, the imaging studies they are from. Out: whether the disease is measurable at the latest CT or MR assessment.

An assessment is all that is recorded of one calendar day (clarifications.md 31); there is no window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.concepts.imaging import shown_reading
from adapter.criteria.concepts.laboratory import compare
from adapter.criteria.concepts.reading import Reading
from adapter.criteria.scene import FLAG_ONLY, USABLE, Scene
from adapter.criteria.tree import Comparison, MeasurableDisease
from adapter.criteria.truth import Truth
from adapter.fhir import When, normalise_reference
from adapter.fhir.datatypes import CodeableConcept
from adapter.fhir.resources import ImagingStudy

__all__ = ["answer_measurable"]

_WANTED = (Wanted("lesions"),)
_ZERO = Decimal(0)


def answer_measurable(node: MeasurableDisease, scene: Scene) -> Answer:
    """At the latest assessment one lesion is long enough, and there are enough of them.

    Without a count there are at least as many lesions as were measured; fewer are proven by a count only.
    """
    found = (*scene.readings.of(node.diameter), *scene.readings.of(node.count))
    readings = [item for item in found if item.is_result and item.when.earliest <= scene.on]
    if not readings:
        return Answer(Truth.U, Reason.NO_DATA, wanted=_WANTED)
    # What a value comes from is known from the whole record, also when only later values are looked at.
    modalities = _modalities(scene.origin or scene)
    counting: list[tuple[Reading, Truth]] = []
    flagged: list[Evidence] = []
    for item in readings:
        if _is_other_imaging(item, node, scene, modalities) or _is_corrected(item, scene):
            continue
        belongs = scene.tumours.belongs(item.observation)
        if belongs is not Truth.F and item.observation.status in USABLE:
            counting.append((item, belongs))
        elif belongs is not Truth.F and item.observation.status in FLAG_ONLY:
            flagged.append(shown_reading(item))
    if not counting:
        reason = Reason.STATUS if flagged else Reason.NO_DATA
        return Answer(Truth.U, reason, context=tuple(flagged), wanted=_WANTED)
    return _latest(counting, node)


def _is_corrected(reading: Reading, scene: Scene) -> bool:
    """Another measurement of the same lesion and instant corrects it; which lesion it is, site or focus must say."""
    source = reading.observation
    known = bool(source.body_site or source.focus)
    return known and scene.corrections.of(source, reading.carrier) is not Truth.F


def _latest(counting: list[tuple[Reading, Truth]], node: MeasurableDisease) -> Answer:
    """The answer of the latest day."""
    day = max((item.when.earliest for item, _ in counting if item.when.is_one_day), default=date.min)
    # What may be of that day or of a later one may change the assessment in either way.
    late = [(item, belongs) for item, belongs in counting if item.when.latest >= day]
    evidence = tuple(shown_reading(item) for item, _ in late)
    if any(not item.when.is_one_day for item, _ in late):
        return Answer(Truth.U, Reason.IMPRECISE_DATE, evidence, wanted=_WANTED)
    truth, reason = _judged([item for item, _ in late], node)
    if any(belongs is Truth.U for _, belongs in late):
        # Whose they are is not known: they decide only when the others alone say the same.
        mine = [item for item, belongs in late if belongs is Truth.T]
        if not mine or truth is Truth.U or _judged(mine, node)[0] is not truth:
            return Answer(Truth.U, Reason.UNATTRIBUTED, evidence, wanted=_WANTED)
    if reason is not None:
        return Answer(Truth.U, reason, evidence, wanted=_WANTED)
    return Answer(truth, evidence=evidence)


def _modalities(scene: Scene) -> dict[str, frozenset[str]]:
    """The DICOM modalities of each imaging study that gives any."""
    found = {}
    for study in scene.record.of_type("ImagingStudy"):
        if isinstance(study, ImagingStudy):
            nodes = (*study.modality, *(series.modality for series in study.series))
            found[study.reference] = frozenset(code for node in nodes for code in _codes(node))
    return {reference: codes for reference, codes in found.items() if codes}


def _codes(node: object) -> Iterator[str]:
    """The codes of an R4 Coding or an R5 CodeableConcept."""
    if isinstance(node, dict):
        codings = node.get("coding")
        for coding in (node, *(codings if isinstance(codings, list) else ())):
            code = coding.get("code") if isinstance(coding, dict) else None
            if isinstance(code, str) and code.strip():
                yield code.strip().upper()


def _is_other_imaging(
    reading: Reading, node: MeasurableDisease, scene: Scene, modalities: dict[str, frozenset[str]]
) -> bool:
    """It comes from studies that say what they are, and none of them is a CT or an MR."""
    studies = [target for target in scene.ties.of(reading.observation) if target.startswith("ImagingStudy/")]
    said = [modalities.get(study) for study in studies]
    return bool(said) and all(codes is not None and not codes & set(node.modalities) for codes in said)


@dataclass(frozen=True, slots=True)
class _Lesions:
    """The lesions of an assessment: how many are surely different ones, and their diameters.

    ``unread`` are diameters that cannot be read.
    """

    distinct: int
    present: tuple[Reading, ...]
    unread: tuple[Reading, ...]

    @property
    def problem(self) -> Reason | None:
        """Why one of them cannot be read."""
        return next((item.problem for item in self.unread), None)


def _lesions(diameters: list[Reading]) -> _Lesions:
    unread = tuple(item for item in diameters if item.value is None)
    # 0 mm is how a sheet says that a lesion is gone; below a size it is still there.
    present = tuple(item for item in diameters if item.value is not None and not item.value.surely_at_most(_ZERO))
    return _Lesions(_distinct(present), present, unread)


def _distinct(present: tuple[Reading, ...]) -> int:
    """How many lesions they are: one sent again under another id is one, two components of one Observation are two."""
    alike: dict[object, list[When]] = {}
    seen: Counter[object] = Counter()
    for item in present:
        source = item.observation
        focus = frozenset(normalise_reference(target.reference or "") for target in source.focus)
        lesion = (item.value, source.body_site, focus)
        nth = (source.id, lesion)
        alike.setdefault((seen[nth], lesion), []).append(item.when)
        seen[nth] += 1
    return sum(_apart(whens) for whens in alike.values())


def _apart(whens: list[When]) -> int:
    """How many instants they surely are: a day without time may be any instant of it."""
    found, reached = 0, None
    for when in sorted(whens):
        if reached is None or when.start >= reached:
            found += 1
        reached = when.end if reached is None else max(reached, when.end)
    return found


def _judged(readings: list[Reading], node: MeasurableDisease) -> tuple[Truth, Reason | None]:
    """What one assessment says, and why it is open."""
    diameters = [item for item in readings if item.analyte.id == node.diameter.id]
    if not diameters:
        # A bare count says nothing of what was measured.
        return Truth.U, Reason.NO_DATA
    counts = [item for item in readings if item.analyte.id == node.count.id]
    corrected = {item.when for item in counts if item.corrects}
    counts = [item for item in counts if item.corrects or item.when not in corrected]
    lesions = _lesions(diameters)
    found = [_counted(count, lesions, node) for count in counts] or [_counted(None, lesions, node)]
    truths, reasons = {truth for truth, _ in found}, [reason for _, reason in found if reason is not None]
    if {Truth.T, Truth.F} <= truths or Reason.CONFLICT in reasons:
        return Truth.U, Reason.CONFLICT
    return (Truth.U, min(reasons)) if reasons else (truths.pop(), None)


def _counted(count: Reading | None, lesions: _Lesions, node: MeasurableDisease) -> tuple[Truth, Reason | None]:
    """What the lesions and one count say."""
    stated = count.value if count is not None else None
    if stated is not None and stated.surely_below(Decimal(lesions.distinct)):
        return Truth.U, Reason.CONFLICT
    if stated is not None and stated.surely_below(Decimal(node.lesions)):
        # Too few; but one that cannot be read may be one more than was counted.
        may_be_more = stated.surely_below(Decimal(lesions.distinct + len(lesions.unread)))
        return (Truth.U, lesions.problem) if may_be_more else (Truth.F, None)
    enough = lesions.distinct >= node.lesions or (stated is not None and stated.surely_at_least(Decimal(node.lesions)))
    limit = Comparison("ge", node.at_least)
    sizes = [(item, compare(item.value, limit)) for item in lesions.present if item.value is not None]
    long = [item for item, truth in sizes if truth is Truth.T]
    measurable = any(not _is_node(item, node) for item in long)
    if measurable and enough:
        return Truth.T, None
    complete = stated is not None and stated.is_point and stated.low == lesions.distinct and not lesions.unread
    if complete and all(truth is Truth.F for _, truth in sizes):
        return Truth.F, None
    if count is not None and count.problem is not None:
        return Truth.U, count.problem
    if measurable:
        return Truth.U, Reason.NO_DATA if stated is None else Reason.COMPARATOR
    if lesions.problem is not None:
        return Truth.U, lesions.problem
    if any(truth is Truth.U for _, truth in sizes):
        return Truth.U, Reason.COMPARATOR
    # A lymph node is measured across; whether it is measurable takes a reader.
    return Truth.U, Reason.ASKS if long else Reason.NO_DATA


def _is_node(reading: Reading, node: MeasurableDisease) -> bool:
    """The body site says in words that it is a lymph node."""
    return any(node.node_text.search(word) for word in _words(reading.observation.body_site))


def _words(concept: CodeableConcept | None) -> Iterator[str]:
    if concept is not None:
        yield from (word for word in (concept.text, *(coding.display for coding in concept.coding)) if word)
