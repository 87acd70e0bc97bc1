"""In: which lesions a story wants measured. Out: lesion Observations and counts with their imaging, and the truth of
I10.

An assessment is everything of one calendar day; the latest CT or MR one decides (clarification 31).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from adapter.simulate.answers import answer
from adapter.simulate.chart import Chart, When
from adapter.simulate.kleene import Truth
from adapter.simulate.moments import written
from adapter.simulate.terms import DICOM, LOCAL_RECORD, TERMS, UCUM, coding

SITES = ("foie, segment VI", "foie, segment II", "mésentère", "os iliaque droit", "péritoine")
NODES = ("ganglion mésentérique", "adénopathie rétropéritonéale", "mesenteric lymph node")
USABLE = ("final", "amended", "corrected")
MEASURABLE = Decimal(10)


@dataclass(frozen=True, slots=True)
class Lesion:
    """A longest diameter in millimetres, `before` days before the reference date; `modality` of the study it is tied
    to (`PT+CT` is two), empty where it is tied to none; `sheet` gathers components of one Observation.
    """

    mm: str
    site: str = SITES[0]
    before: int = 30
    modality: str = ""
    status: str = "final"
    sheet: int | None = None

    @property
    def node(self) -> bool:
        """Measured by its short axis, which this diameter is not."""
        return self.site in NODES


@dataclass(frozen=True, slots=True)
class Count:
    """How many lesions the reader saw in all."""

    number: int
    before: int = 30
    status: str = "final"


Sheet = tuple[tuple[Lesion, ...], tuple[Count, ...]]


def measurable(lesions: Sequence[Lesion], counts: Sequence[Count], *, attributed: bool = True) -> Truth:
    """I10: a lesion of at least 10 mm, and two lesions in all.

    Args:
        lesions: as written; two that agree in everything are one lesion sent twice, unless one sheet holds both.
        counts: lesion counts.
        attributed: they belong to the neuroendocrine tumour (clarification 30).
    """
    if not attributed:
        return "U"
    seen = [lesion for lesion in lesions if lesion.status in USABLE and lesion.before >= 0 and _scanned(lesion)]
    told = [count for count in counts if count.status in USABLE and count.before >= 0]
    if not seen and not told:
        return "U"
    day = min([lesion.before for lesion in seen] + [count.before for count in told])
    today = [lesion for lesion in seen if lesion.before == day]
    distinct = len({(replace(lesion, status="final", modality=""), _place(today, lesion)) for lesion in today})
    figures = {count.number for count in told if count.before == day}
    total = figures.pop() if len(figures) == 1 else None
    if figures or (total is not None and total < distinct):
        return "U"
    if total is not None and total <= 1:
        return "F"
    if total == distinct and all(Decimal(lesion.mm) < MEASURABLE for lesion in today):
        return "F"
    large = any(Decimal(lesion.mm) >= MEASURABLE and not lesion.node for lesion in today)
    return "T" if large and (total or distinct) > 1 else "U"


def _scanned(lesion: Lesion) -> bool:
    return not lesion.modality or not {"CT", "MR"}.isdisjoint(lesion.modality.split("+"))


def _place(lesions: Sequence[Lesion], lesion: Lesion) -> int | None:
    """Components of one sheet are different lesions even where they agree in everything."""
    if lesion.sheet is None:
        return None
    return next(index for index, known in enumerate(lesions) if known is lesion)


def _sheet(*mm: str, count: int | None = None, **how: Any) -> Callable[[], Sheet]:
    before = how.get("before", 30)

    def built() -> Sheet:
        lesions = tuple(Lesion(size, SITES[index], **how) for index, size in enumerate(mm))
        return lesions, () if count is None else (Count(count, before),)

    return built


def _two_sheets(first: Callable[[], Sheet], second: Callable[[], Sheet]) -> Callable[[], Sheet]:
    def built() -> Sheet:
        (lesions, counts), (more, others) = first(), second()
        return lesions + more, counts + others

    return built


_TWICE = (Lesion("30", SITES[2]), Lesion("30", SITES[2]))

# Kind: weight and what is written.
KINDS: dict[str, tuple[int, Callable[[], Sheet]]] = {
    "met": (30, _sheet("22", "14", count=4)),
    "none": (6, _sheet()),
    "two": (6, _sheet("22", "14")),
    "narrative": (6, _sheet()),
    "single": (4, _sheet("30", count=1)),
    "single-uncounted": (4, _sheet("30")),
    "single-lately": (2, _sheet("30", before=5)),
    "ten-and-six": (4, _sheet("10", "6")),
    "under-ten": (4, _sheet("9.9", "6", count=2)),
    "under-ten-uncounted": (3, _sheet("9.9", "6")),
    "under-ten-of-more": (3, _sheet("9.9", "6", count=5)),
    "count-alone": (3, _sheet(count=3)),
    "count-below": (3, _sheet("22", "14", "11", count=2)),
    "node-alone": (3, lambda: ((Lesion("18", NODES[0]), Lesion("6", SITES[0])), (Count(2),))),
    "node-beside": (3, lambda: ((Lesion("18", NODES[1]), Lesion("12", SITES[0])), ())),
    "small-node": (2, lambda: ((Lesion("8", NODES[2]), Lesion("6", SITES[0])), (Count(2),))),
    "older-larger": (4, _two_sheets(_sheet("22", "14", before=120), _sheet("8", "6", count=2))),
    "later-larger": (4, _two_sheets(_sheet("8", "6", count=2, before=120), _sheet("12", "6"))),
    "components": (4, _sheet("21", "13", sheet=1)),
    "equal-components": (2, lambda: ((Lesion("15", sheet=1), Lesion("15", sheet=1)), ())),
    "sent-twice": (3, lambda: (_TWICE, ())),
    "sent-twice-counted": (3, lambda: (_TWICE, (Count(1),))),
    "equal-sizes": (3, _sheet("15", "15")),
    "ultrasound": (3, _sheet("22", "14", modality="US")),
    "ultrasound-later": (3, _two_sheets(_sheet("22", "14", before=45, modality="CT"), _sheet("9", "6", modality="US"))),
    "centimetres": (3, _sheet("10", "6", modality="CT")),
    "centimetres-under": (3, _sheet("9.9", "6", count=2, modality="CT")),
    "magnetic": (3, _sheet("22", "14", modality="MR")),
    "pet-with-ct": (3, _sheet("22", "14", modality="PT+CT")),
    "preliminary": (2, _sheet("22", "14", status="preliminary")),
    "error-last": (2, _two_sheets(_sheet("22", "14", before=60), _sheet("5", before=20, status="entered-in-error"))),
    "future": (2, _two_sheets(_sheet("22", "14", before=60), _sheet("5", count=1, before=-4))),
}


def lesions(chart: Chart, wishes: Mapping[str, str], kind: str) -> Truth:
    """Write one kind's lesions, and give I10 with its attestation."""
    found, counts = KINDS[kind][1]()
    studies: dict[tuple[int, str], str] = {}
    sheets: dict[int, list[Lesion]] = {}
    for lesion in found:
        if lesion.sheet is not None:
            sheets.setdefault(lesion.sheet, []).append(lesion)
        else:
            body = {**_tie(chart, studies, lesion), **_size(chart, lesion), "bodySite": {"text": lesion.site}}
            _observe(chart, body, before=lesion.before, status=lesion.status)
    for parts in sheets.values():
        components = [{"code": _question("lesion-longest-diameter"), **_size(chart, lesion)} for lesion in parts]
        own = {"coding": [coding(LOCAL_RECORD, "RECIST-FICHE", "Fiche RECIST")]}
        _observe(chart, {"component": components}, before=parts[0].before, code=own)
    for count in counts:
        body = {"valueInteger": count.number}
        _observe(chart, body, before=count.before, status=count.status, code=_question("lesion-count"))
    if kind == "narrative":
        _narrate(chart)
    ages = [lesion.before for lesion in found] + [count.before for count in counts]
    newest = max((chart.day(before) for before in ages if before >= 0), default=None)
    coded = measurable(found, counts, attributed=chart.attributed)
    return answer(chart, wishes, "I10", coded=coded, newest=newest)


def _question(code: str) -> dict[str, Any]:
    return {"coding": [coding(TERMS, code)]}


def _observe(
    chart: Chart, body: dict[str, Any], *, before: int, status: str = "final", code: dict[str, Any] | None = None
) -> None:
    when = When(chart.day(before), 880, category="imaging")
    chart.observe(code or _question("lesion-longest-diameter"), {**chart.focus(), **body}, when=when, status=status)


def _size(chart: Chart, lesion: Lesion) -> dict[str, Any]:
    figure = Decimal(lesion.mm)
    if lesion.sheet is None and lesion.modality == "CT":
        return {"valueQuantity": {"value": figure / 10, "unit": "cm", "system": UCUM, "code": "cm"}}
    return {"valueQuantity": {"value": figure, "unit": "mm", "system": UCUM, "code": "mm"}}


def _tie(chart: Chart, studies: dict[tuple[int, str], str], lesion: Lesion) -> dict[str, Any]:
    if not lesion.modality:
        return {}
    key = (lesion.before, lesion.modality)
    if key not in studies:
        studies[key] = chart.name("img")
        body = {
            "status": "available",
            "subject": chart.subject(),
            "modality": [coding(DICOM, code) for code in lesion.modality.split("+")],
            "started": written(chart.day(lesion.before), 840),
        }
        chart.add("ImagingStudy", body, day=chart.day(lesion.before), identity=studies[key])
    element = "partOf" if lesion.modality == "MR" else "derivedFrom"
    return {element: [{"reference": f"ImagingStudy/{studies[key]}"}]}


def _narrate(chart: Chart) -> None:
    body = {
        "status": "final",
        "code": {"coding": [coding(LOCAL_RECORD, "CRIMG", "Compte rendu de scanner")]},
        "subject": chart.subject(),
        "effectiveDateTime": written(chart.day(30), 880),
        "conclusion": "Lésions hépatiques multiples, voir le compte rendu.",
    }
    chart.add("DiagnosticReport", body, day=chart.day(30), identity=chart.name("report"))
