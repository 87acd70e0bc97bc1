"""In: examinations and findings of somatostatin receptor imaging. Out: Procedures, ImagingStudies, DiagnosticReports
and Observations, and the truth of I09.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapter.simulate.answers import answer
from adapter.simulate.chart import Chart, When
from adapter.simulate.facts import newest_of
from adapter.simulate.kleene import Truth, every
from adapter.simulate.moments import written
from adapter.simulate.sstr import KINDS, Exam, Finding, Imaging, positive
from adapter.simulate.terms import DICOM, LOCAL_RECORD, TERMS, UCUM, coding

_WORDS = {
    "sstr-pet-68ga": ("PT", "TEP au 68Ga-DOTATOC"),
    "sstr-scint-111in": ("NM", "Scintigraphie à l'111In-pentétréotide"),
    "sstr-scint-99mtc": ("NM", "Scintigraphie au 99mTc-octréotide"),
}
_QUESTIONS = {"percent": "sstr-positive-percent", "krenning": "krenning-score", "uptake": "sstr-uptake"}


def receptor_imaging(chart: Chart, wishes: Mapping[str, str], kind: str) -> Truth:
    """Write one kind's examinations, and give I09 with what is attested of it and its parts."""
    exams, findings = imaging = KINDS[kind][1](chart.on)
    _write(chart, imaging)
    newest = newest_of(*(exam.days.last for exam in exams if exam.days.first <= chart.on))
    parts = zip("abc", positive(chart.on, exams, findings), strict=True)
    weighed = [answer(chart, wishes, f"I09.{part}", coded=coded, newest=newest) for part, coded in parts]
    return answer(chart, wishes, "I09", coded=every(*weighed), newest=newest)


def _write(chart: Chart, imaging: Imaging) -> None:
    exams, findings = imaging
    references = [_exam(chart, exam) for exam in exams]
    reported: dict[int, list[str]] = {}
    for finding in findings:
        identity = _finding(chart, finding, references)
        if finding.exam is not None and exams[finding.exam].kind == "DiagnosticReport":
            reported.setdefault(finding.exam, []).append(identity)
    for number, results in reported.items():
        identity = references[number].partition("/")[2]
        report = next(r for r in chart.resources if r["id"] == identity)
        report["result"] = [{"reference": f"Observation/{result}"} for result in results]


def _exam(chart: Chart, exam: Exam) -> str:
    modality, words = _WORDS.get(exam.code, ("PT", exam.code))
    own = coding(LOCAL_RECORD, "IMG-MN", words)
    code = {"coding": [own, coding(TERMS, exam.code)] if exam.code in _WORDS else [own], "text": words}
    day = exam.days.first
    if exam.days.first != exam.days.last:
        time = exam.days.text()
    else:
        time = written(day, 30, "utc") if exam.midnight else written(day, 870)
    body: dict[str, Any] = {"status": exam.status, "subject": chart.subject()}
    if exam.kind == "Procedure":
        body |= {"code": code, "performedDateTime": time}
    elif exam.kind == "ImagingStudy":
        dicom = [coding(DICOM, modality)]
        body |= {"modality": dicom, "procedureCode": [code], "started": time}
    else:
        body |= {"code": code, "effectiveDateTime": time, "conclusion": "Voir le compte rendu."}
    identity = chart.name("img")
    chart.add(exam.kind, body, day=min(exam.days.last, chart.on), identity=identity)
    return f"{exam.kind}/{identity}"


def _finding(chart: Chart, finding: Finding, references: list[str]) -> str:
    code = {"coding": [coding(TERMS, _QUESTIONS[finding.kind])]}
    body: dict[str, Any] = {}
    if finding.kind == "percent":
        body["valueQuantity"] = {"value": Decimal(finding.value), "unit": "%", "system": UCUM, "code": "%"}
    elif finding.kind == "uptake":
        body["valueCodeableConcept"] = {"coding": [coding(TERMS, finding.value)]}
    elif chart.chance(0.7):
        body["valueInteger"] = int(finding.value)
    else:
        body["valueQuantity"] = {"value": int(finding.value), "unit": "1", "system": UCUM, "code": "1"}
    if finding.exam is not None:
        reference = references[finding.exam]
        kind = reference.partition("/")[0]
        # R4: partOf knows Procedure and ImagingStudy, derivedFrom knows ImagingStudy; a report points to its results.
        if kind == "Procedure" or (kind == "ImagingStudy" and chart.chance(0.5)):
            body["partOf"] = [{"reference": reference}]
        elif kind == "ImagingStudy":
            body["derivedFrom"] = [{"reference": reference}]
    days = finding.days
    form = "dateTime" if days.first == days.last else "month" if days.text().count("-") else "year"
    when = When(min(days.first, days.last), 900, form=form, category="imaging")
    return chart.observe(code, body, when=when, status=finding.status)
