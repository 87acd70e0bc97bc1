"""In: a chart, its lesions and a day. Out: CT with the diameters of the target lesions, the state of the others and
the RECIST responses; SSTR PET with its uptake.

Sizes are drawn so that the calendar's progressions are progressions by RECIST 1.1 (sum at least a fifth and 5 mm
above the smallest so far, or a new lesion) and the other assessments are none; the responses are then computed from
the sizes that were written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from adapter.simulate.chart import Chart, When
from adapter.simulate.enrolment.codes import BODY_SITE, CT, DICOM_UID, UID_ARC, ours
from adapter.simulate.enrolment.journey import Scan
from adapter.simulate.moments import written
from adapter.simulate.sstr import PET
from adapter.simulate.terms import DICOM, LOCAL_RECORD, TERMS, UCUM, coding

_PLACES: Final = (
    ("site-liver", "foie, segment VI"),
    ("site-mesentery", "mésentère"),
    ("site-liver", "foie, segment II"),
    ("site-peritoneum", "péritoine"),
    ("site-bone", "os iliaque droit"),
)
_MILLIMETRES: Final = {"unit": "mm", "system": UCUM, "code": "mm"}
_WORDS: Final = {CT: ("IMG-TDM", "Scanner thoraco-abdomino-pelvien"), PET: ("IMG-MN", "TEP au 68Ga-DOTATOC")}
_MODALITIES: Final = {CT: ("CT",), PET: ("PT", "CT")}
_SMALLEST, _GROWTH = 10, 5


@dataclass(slots=True)
class Lesion:
    """A lesion as numbered in the assessment, its BodyStructure and its longest diameter in mm (None: not measured)."""

    label: str
    place: tuple[str, str]
    structure: str
    mm: int | None = None


@dataclass(slots=True)
class Tumours:
    """The lesions of one subject: `first` is the sum that later ones are compared with, `least` the smallest so far."""

    targets: list[Lesion]
    others: list[Lesion]
    first: int = 0
    least: int = 0
    new: list[Lesion] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Sum of the target lesions' diameters, mm."""
        return sum(lesion.mm or 0 for lesion in self.targets)


def find(chart: Chart, day: date) -> Tumours:
    """Write the lesions that are there before the registration, measured on a CT; two to four targets, one or two
    others.
    """
    number = chart.rng.randrange(2, 5)
    places = [_PLACES[(at + chart.rng.randrange(2)) % len(_PLACES)] for at in range(number)]
    targets = [_lesion(chart, f"T{at + 1:02d}", place, "lesion-target", day) for at, place in enumerate(places)]
    for at, lesion in enumerate(targets):
        lesion.mm = chart.rng.randrange(14, 46) + 2 * at
    others = [
        _lesion(chart, f"NT{at + 1:02d}", chart.rng.choice(_PLACES), "lesion-non-target", day)
        for at in range(chart.rng.randrange(1, 3))
    ]
    tumours = Tumours(targets, others)
    study = _study(chart, CT, day, None)
    _measure(chart, tumours, day, study, {})
    code = ours("lesion-count")
    _observe(chart, code, {"valueInteger": number + len(others)}, day, study, {})
    tumours.first = tumours.least = tumours.total
    return tumours


def assess(chart: Chart, tumours: Tumours, scan: Scan, visit: str | None) -> None:
    """Write an assessment on study: CT, lesions, target, non-target and overall response."""
    within = {"encounter": {"reference": f"Encounter/{visit}"}} if visit is not None else {}
    study = _study(chart, CT, scan.day, visit)
    spread = scan.worse and chart.chance(0.3)
    _grow(chart, tumours, worse=scan.worse and not spread)
    unseen = tumours.targets[-1] if not scan.worse and scan.visit is not None and chart.chance(0.02) else None
    kept, missing = (unseen.mm, True) if unseen is not None else (None, False)
    if unseen is not None:
        unseen.mm = None
    if spread:
        label = f"N{len(tumours.new) + 1:02d}"
        tumours.new.append(_lesion(chart, label, chart.rng.choice(_PLACES), "lesion-new", scan.day))
    _measure(chart, tumours, scan.day, study, within, whole=not missing)
    target = "NE" if missing else _target(tumours, worse=scan.worse and not spread)
    overall = "PD" if scan.worse else target
    _respond(chart, (target, "NON-CR-NON-PD", overall), scan.day, study, within)
    if unseen is not None:
        unseen.mm = kept
    elif not scan.worse:
        tumours.least = min(tumours.least, tumours.total)
    if scan.visit is None:
        # The randomisation's own assessment is what the later ones are compared with.
        tumours.first = tumours.least = tumours.total


def _grow(chart: Chart, tumours: Tumours, *, worse: bool) -> None:
    if not worse:
        shrinks = chart.rng.uniform(0.86, 1.03)
        for lesion in tumours.targets:
            lesion.mm = max(round((lesion.mm or _SMALLEST) * shrinks), _SMALLEST)
        while _progresses(tumours):
            largest = max(tumours.targets, key=lambda lesion: lesion.mm or 0)
            largest.mm = (largest.mm or _SMALLEST) - 1
        return
    grows = chart.rng.uniform(1.22, 1.6)
    for lesion in tumours.targets:
        lesion.mm = round((lesion.mm or _SMALLEST) * grows)
    while not _progresses(tumours):
        tumours.targets[0].mm = (tumours.targets[0].mm or _SMALLEST) + 1


def _progresses(tumours: Tumours) -> bool:
    return tumours.total * 5 >= tumours.least * 6 and tumours.total - tumours.least >= _GROWTH


def _target(tumours: Tumours, *, worse: bool) -> str:
    if worse:
        return "PD"
    return "PR" if tumours.total * 10 <= tumours.first * 7 else "SD"


def _lesion(chart: Chart, label: str, place: tuple[str, str], kind: str, day: date) -> Lesion:
    identity = chart.name("lesion")
    body = {
        "identifier": [{"system": LOCAL_RECORD, "value": label}],
        "active": True,
        "morphology": ours(kind),
        "location": ours(*place),
        "patient": chart.subject(),
    }
    chart.add("BodyStructure", body, day=day, identity=identity)
    return Lesion(label, place, identity)


def _measure(
    chart: Chart, tumours: Tumours, day: date, study: str, within: dict[str, Any], *, whole: bool = True
) -> None:
    for lesion in tumours.targets:
        if lesion.mm is not None:
            body = {"valueQuantity": {"value": lesion.mm, **_MILLIMETRES}, **_site(lesion)}
            _observe(chart, ours("lesion-longest-diameter"), body, day, study, within)
    if whole:
        total = {"valueQuantity": {"value": tumours.total, **_MILLIMETRES}}
        _observe(chart, ours("lesion-sum-of-diameters"), total, day, study, within)
    for lesion in (*tumours.others, *tumours.new):
        state = "new" if lesion in tumours.new else "present"
        body = {"valueCodeableConcept": ours(state), **_site(lesion)}
        _observe(chart, ours("lesion-state"), body, day, study, within)


def _site(lesion: Lesion) -> dict[str, Any]:
    reference = {"reference": f"BodyStructure/{lesion.structure}"}
    return {"extension": [{"url": BODY_SITE, "valueReference": reference}], "bodySite": ours(*lesion.place)}


def _respond(chart: Chart, found: tuple[str, str, str], day: date, study: str, within: dict[str, Any]) -> None:
    target, other, overall = found
    for question, value in (("recist-target-response", target), ("recist-non-target-response", other)):
        _observe(chart, ours(question), {"valueCodeableConcept": ours(value)}, day, study, within)
    answer = {"valueString": overall} if chart.chance(0.1) else {"valueCodeableConcept": ours(overall)}
    body = {**answer, "derivedFrom": [{"reference": f"ImagingStudy/{study}"}], **within}
    code = {"coding": [coding(TERMS, "recist-response")], "text": "Réponse RECIST 1.1"}
    chart.observe(code, body, when=When(day, 930, category="exam"))


def _observe(
    chart: Chart, code: dict[str, Any], body: dict[str, Any], day: date, study: str, within: dict[str, Any]
) -> None:
    tied = {**body, "derivedFrom": [{"reference": f"ImagingStudy/{study}"}], **within}
    chart.observe(code, tied, when=When(day, 880, category="imaging"))


def _study(chart: Chart, kind: str, day: date, visit: str | None) -> str:
    """A Procedure and its ImagingStudy; gives the id of the latter."""
    return _examine(chart, kind, day, visit)[1]


def _examine(chart: Chart, kind: str, day: date, visit: str | None) -> tuple[str, str]:
    own, words = _WORDS[kind]
    code = {"coding": [coding(LOCAL_RECORD, own, words), coding(TERMS, kind)], "text": words}
    within = {"encounter": {"reference": f"Encounter/{visit}"}} if visit is not None else {}
    procedure, study = chart.name("proc"), chart.name("img")
    done = {
        "status": "completed",
        "code": code,
        "subject": chart.subject(),
        **within,
        "performedDateTime": written(day, 840),
    }
    chart.add("Procedure", done, day=day, identity=procedure)
    images = {
        "identifier": [{"system": DICOM_UID, "value": f"{UID_ARC}.{int(chart.key[1:7])}.{chart.count}"}],
        "status": "available",
        "modality": [coding(DICOM, modality) for modality in _MODALITIES[kind]],
        "subject": chart.subject(),
        **within,
        "started": written(day, 850),
        "procedureReference": {"reference": f"Procedure/{procedure}"},
        "procedureCode": [code],
    }
    chart.add("ImagingStudy", images, day=day, identity=study)
    return procedure, study


def uptake(chart: Chart, tumours: Tumours, day: date, visit: str | None) -> None:
    """Write an SSTR PET: share of positive lesions, Krenning score, SUVmax of each target lesion."""
    procedure, _ = _examine(chart, PET, day - timedelta(days=1), visit)
    tied: dict[str, Any] = {"partOf": [{"reference": f"Procedure/{procedure}"}]}
    if visit is not None:
        tied["encounter"] = {"reference": f"Encounter/{visit}"}
    when = When(day - timedelta(days=1), 900, category="imaging")
    share = {"value": Decimal(chart.rng.choice((90, 95, 100, 100))), "unit": "%", "system": UCUM, "code": "%"}
    chart.observe(ours("sstr-positive-percent"), {"valueQuantity": share, **tied}, when=when)
    chart.observe(ours("krenning-score"), {"valueInteger": chart.rng.choice((2, 3, 3, 4)), **tied}, when=when)
    for lesion in tumours.targets:
        ratio = {"value": Decimal(chart.rng.randrange(80, 380)) / 10, "unit": "1", "system": UCUM, "code": "1"}
        chart.observe(ours("sstr-suvmax"), {"valueQuantity": ratio, **_site(lesion), **tied}, when=when)
