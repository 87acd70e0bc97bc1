"""In: a tumour's story. Out: Conditions and pathology results, and the truths of I02, E04 and E05, decided here
row by row.

Rows are written from `clinical-spec.md` I02, E04, E05 and clarifications 5 and 30. Each line of `NET` ends with
the three truths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from adapter.simulate.attestations import attest
from adapter.simulate.chart import Chart, When
from adapter.simulate.diagnoses import diagnose
from adapter.simulate.facts import Diagnosis, the_day, the_month
from adapter.simulate.kleene import Truth
from adapter.simulate.othertumours import history
from adapter.simulate.terms import (
    HISTOLOGY,
    ICDO3,
    KI67,
    LOCAL_LAB,
    LOCAL_RECORD,
    LOINC,
    MORPHOLOGY,
    NCIT,
    NET_SNOMED,
    SCT,
    TERMS,
    UCUM,
    coding,
)

# Days before the reference date: diagnosis and pathology lie well before any course of PRRT.
DIAGNOSED = 3300
# Share of diagnoses with a day of onset, and with a day or month.
_DATED, _DATED_BY_MONTH = 0.7, 0.85


@dataclass(frozen=True, slots=True)
class Tumour:
    """What the record shall say of a tumour, and what that supports.

    `codes` are ICD-10, each with an optional verification status after a colon and a history after a tilde
    (`othertumours.HISTORIES`); the first one is the tumour itself.
    `findings` are pathology results `kind=value[@focus][!status]`, kind being m (morphology), k (Ki-67), g (grade),
    s (SNOMED histology), t (text); focus 0 is the tumour itself, 1 the second code. `attested` are `linkId=way`.
    `named`: whatever follows names its tumour, because nobody says whether the second code is a malignancy of its own.
    """

    codes: tuple[str, ...]
    findings: tuple[str, ...]
    supports: tuple[Truth, Truth, Truth]
    attested: tuple[str, ...] = ()
    sole: bool = True
    weight: int = 2
    named: bool = False

    @property
    def proven(self) -> bool:
        """A usable result names a neuroendocrine tumour: then disease statuses have a tumour to belong to."""
        return ":" not in self.codes[0] and any(
            finding.split("@")[0] in ("m=8240/3", "m=8249/3", "s=NET") for finding in self.findings
        )


def _row(codes: str, findings: str, supports: str, attested: str = "", **more: Any) -> Tumour:
    i02, e04, e05 = (_truth(letter) for letter in supports)
    return Tumour(
        tuple(codes.split()),
        tuple(findings.split(";")) if findings else (),
        (i02, e04, e05),
        tuple(attested.split()),
        **more,
    )


def _truth(letter: str) -> Truth:
    return "T" if letter == "T" else "F" if letter == "F" else "U"


_CONTROLLED = "E17.treated-and-controlled"

NET: dict[str, Tumour] = {
    "ileum-g1": _row("C17.2", "m=8240/3;k=2 %", "TFF", weight=14),
    "ileum-g2": _row("C17.2 C78.7", "m=8249/3;k=8 %", "TFF", weight=14),
    "ileum-grade-stated": _row("C17.2", "m=8249/3;g=G2", "TFF", weight=6),
    "grade-ncit": _row("C17.1", "m=8240/3;g=ncit:G1", "TFF"),
    "grade-text": _row("C17.2", "m=8240/3;g=text:G1", "TFF"),
    "duodenum": _row("C17.0", "m=8240/3;k=1 %", "TFF"),
    "appendix": _row("C18.1", "m=8240/3;k=2 %", "TFF"),
    "caecum": _row("C18.0", "m=8249/3;k=12 %", "TFF"),
    "rectum": _row("C20", "m=8249/3;k=5 %", "TFF"),
    "code-without-dot": _row("C172", "m=8240/3;k=2 %", "TFF"),
    "ki67-at-20": _row("C17.2", "m=8249/3;k=20 %", "TFF", "I02.well-differentiated=stale-yes"),
    "ki67-over-20": _row("C17.2", "m=8249/3;k=20.5 %", "FFU"),
    "ki67-35": _row("C17.2", "m=8249/3;k=35 %", "FFU"),
    "grade-3": _row("C17.2", "m=8249/3;g=G3", "FFU"),
    "ki67-range": _row("C17.2", "m=8240/3;k=3-5 %", "TFF"),
    "ki67-range-element": _row("C17.2", "m=8240/3;k=range:3-5 %", "TFF"),
    "ki67-range-straddles": _row("C17.2", "m=8249/3;k=18-25 %", "UFU"),
    "ki67-below": _row("C17.2", "m=8240/3;k=< 3 %", "TFF"),
    "ki67-above": _row("C17.2", "m=8249/3;k=> 20 %", "FFU"),
    "ki67-no-unit": _row("C17.2", "m=8240/3;k=3", "UFU"),
    "ki67-worst-high": _row("C17.2", "m=8249/3;k=3 %;k=25 %", "FFU"),
    "ki67-worst-fits": _row("C17.2", "m=8249/3;k=3 %;k=12 %", "TFF"),
    "ki67-error-dropped": _row("C17.2", "m=8240/3;k=2 %;k=45 %!entered-in-error", "TFF"),
    "ki67-future": _row("C17.2", "m=8240/3;k=2 %;k=60 %!future", "TFF"),
    "morphology-alone-8240": _row("C17.2", "m=8240/3", "UFU", weight=4),
    "morphology-alone-8249": _row("C17.2", "m=8249/3", "UFU"),
    "morphology-preliminary": _row("C17.2", "m=8240/3!preliminary;k=2 %", "UFU"),
    "morphology-local": _row("C17.2", "m=local;k=2 %", "UFU"),
    "site-alone": _row("C17.9", "", "UFU", weight=4),
    "attested-histology": _row("C17.2", "g=G1", "TFF", "I02.b=yes"),
    "attested-histology-long-ago": _row("C17.2", "g=G2", "TFF", "I02.b=stale-yes"),
    "attested-grade": _row("C17.2", "m=8249/3", "TFF", "I02.c=yes"),
    "attested-differentiation": _row("C17.2", "s=NET;k=10 %", "TFF", "I02.well-differentiated=yes"),
    "snomed-and-ki67": _row("C17.2", "s=NET;k=10 %", "UFU"),
    "snomed-and-grade": _row("C17.2", "s=NET;g=G1", "TFF"),
    "provisional-site": _row("C17.2:provisional", "m=8240/3;k=2 %", "UUF"),
    "refuted-site": _row("C17.2:refuted", "m=8240/3;k=2 %", "UUU", sole=False),
    "refuted-breast": _row("C17.2 C50.9:refuted", "m=8240/3;k=2 %", "TFF"),
    "error-breast": _row("C17.2 C50.9:entered-in-error", "m=8240/3;k=2 %", "TFF"),
    "refuted-pancreas": _row("C17.2 C25.4:refuted", "m=8240/3;k=2 %", "TFF"),
    "second-tumour-unattributed": _row("C17.2 C61", "m=8240/3;k=2 %", "UFU", sole=False, weight=4),
    "second-tumour-focus": _row("C17.2 C61", "m=8240/3@0;k=2 %@0", "TFF", sole=False, weight=4),
    "breast-ki67-focus": _row("C17.2 C50.9", "m=8240/3@0;k=3 %@0;k=40 %@1", "TFF", sole=False),
    "breast-ki67-alone": _row("C17.2 C50.9", "m=8240/3@0;k=40 %@1", "UFU", sole=False),
    "breast-two-years": _row("C17.2 C50.9~two-years", "m=8240/3@0;k=2 %@0", "TFF", sole=False),
    "prostate-five-years": _row("C17.2 C61~five-years", "m=8240/3@0;k=2 %@0", "TFF", sole=False),
    "prostate-over-five-years": _row("C17.2 C61~day-over-five-years", "m=8240/3@0;k=2 %@0", "TFF", sole=False),
    "breast-over-eight-years": _row("C17.2 C50.9~over-eight-years", "m=8240/3@0;k=2 %@0", "TFF", sole=False),
    "breast-over-three-years": _row("C17.2 C50.9~over-three-years", "m=8240/3@0;k=2 %@0", "TFF", sole=False),
    "melanoma-relapse": _row("C17.2 C43~relapse", "m=8240/3@0;k=2 %@0", "TFF", sole=False),
    "kidney-unconfirmed": _row("C17.2 C64:unconfirmed~two-years", "m=8240/3@0;k=2 %@0", "TFF", sole=False),
    "breast-undated": _row("C17.2 C50.9~undated", "m=8240/3@0;k=2 %@0", "TFF", sole=False),
    "prostate-year": _row("C17.2 C61~year", "m=8240/3@0;k=2 %@0", "TFF", sole=False),
    "breast-later": _row("C17.2 C50.9~later", "m=8240/3;k=2 %", "TFF"),
    "leukaemia-beside": _row("C17.2 C95~two-years", "m=8240/3@0;k=2 %@0", "TFF", sole=False, named=True),
    "skin": _row("C17.2 C44.3~two-years", "m=8240/3@0;k=2 %@0", "TFF", sole=False, named=True),
    "skin-controlled": _row(
        "C17.2 C44.3~two-years", "m=8240/3@0;k=2 %@0", "TFF", f"{_CONTROLLED}=yes", sole=False, named=True
    ),
    "skin-not-controlled": _row(
        "C17.2 C44.3~two-years", "m=8240/3@0;k=2 %@0", "TFF", f"{_CONTROLLED}=no", sole=False, named=True
    ),
    "cervix": _row("C17.2 D06.9~two-years", "m=8240/3;k=2 %", "TFF"),
    "cervix-controlled": _row("C17.2 D06.9~over-three-years", "m=8240/3;k=2 %", "TFF", f"{_CONTROLLED}=by-role-yes"),
    "skin-beside-prostate": _row(
        "C17.2 C44.3~two-years C61~two-years", "m=8240/3@0;k=2 %@0", "TFF", f"{_CONTROLLED}=yes", sole=False
    ),
    "caecum-beside-ileum": _row("C17.2 C18.0~two-years", "m=8240/3@0;k=2 %@0", "TFF", sole=False, named=True),
    "unknown-beside-ileum": _row("C17.2 C80~two-years", "m=8240/3@0;k=2 %@0", "TFF", sole=False, named=True),
    "same-tumour-twice": _row("C17.2 C17.9", "m=8240/3;k=2 %", "TFF"),
    "uncertain-behaviour": _row("C17.2 D37.2", "m=8240/3;k=2 %", "TFF"),
    "metastases": _row("C17.2 C78.7 C77.2", "m=8240/3;k=2 %", "TFF", weight=6),
    "carcinoid-syndrome": _row("C17.2 E34.0 C78.7", "m=8249/3;k=6 %", "TFF"),
    "pancreas-endocrine": _row("C25.4", "m=8240/3;k=2 %", "FTF", weight=8),
    "pancreas-histology": _row("C25.9", "m=8249/3;k=8 %", "FTF", weight=4),
    "pancreas-unspecified": _row("C25.9", "", "UUU"),
    "pancreas-beside-ileum": _row("C17.2 C25.4", "m=8240/3@0;k=2 %@0", "TUF", sole=False),
    "stomach": _row("C16.9", "m=8240/3;k=2 %", "FUF", weight=4),
    "lung-carcinoid": _row("C34", "m=8240/3;k=2 %", "FUF", weight=8),
    "unknown-primary": _row("C80", "m=8240/3;k=2 %", "UUF", weight=4),
    "carcinoma-large-cell": _row("C18.0", "m=8013/3;k=80 %", "FFT"),
    "carcinoma-small-cell": _row("C17.9", "m=8041/3", "UFT"),
    "review-8246": _row("C17.2", "m=8246/3", "UFU"),
    "review-8246-poor": _row("C17.2", "m=8246/3", "UFT", "E05.poorly-differentiated=stale-yes"),
    "review-8246-well": _row("C17.2", "m=8246/3", "UFF", "E05.poorly-differentiated=no"),
    "review-8244": _row("C18.1", "m=8244/3", "UFU"),
    "review-8244-poor": _row("C18.1", "m=8244/3", "UFT", "E05.poorly-differentiated=yes"),
}

OTHER: dict[str, Tumour] = {
    "breast": _row("C50.9", "t=Carcinome canalaire infiltrant", "UUU", weight=300),
    "breast-ki67": _row("C50.9", "t=Carcinome canalaire infiltrant;k=35 %", "UUU", weight=60),
    "lung": _row("C34", "t=Adénocarcinome", "UUU", weight=130),
    "lung-small-cell": _row("C34", "m=8041/3", "UUT", weight=20),
    "prostate": _row("C61", "t=Adénocarcinome acinaire", "UUU", weight=170),
    "prostate-psma": _row("C61", "t=Adénocarcinome acinaire", "UUU", weight=12),
    "colorectal": _row("C18", "t=Adénocarcinome lieberkühnien", "UFU", weight=70),
    "rectum-adenocarcinoma": _row("C20", "t=Adénocarcinome lieberkühnien", "UFU", weight=30),
    "melanoma": _row("C43", "", "UUU", weight=50),
    "kidney": _row("C64", "t=Carcinome à cellules claires", "UUU", weight=40),
    "leukaemia": _row("C95", "", "UUU", weight=30),
    "myelodysplasia": _row("D46", "", "UUU", weight=15),
    "no-tumour": _row("I10", "", "UUU", weight=20),
}


@dataclass(frozen=True, slots=True)
class Pathology:
    """One pathology result to write: its code and value."""

    code: dict[str, Any]
    body: dict[str, Any]


def tumour(chart: Chart, row: Tumour) -> tuple[Truth, Truth, Truth]:
    """Write the Conditions and pathology of a tumour.

    Returns:
        the truths of I02, E04 and E05; the chart learns the tumour's Condition and whether it is the only
        malignancy on record.
    """
    conditions = [_condition(chart, code, first=index == 0) for index, code in enumerate(row.codes)]
    chart.net, chart.sole, chart.named = conditions[0], row.sole, row.named
    reported = [_finding(chart, finding, conditions) for finding in row.findings]
    if row.sole and reported and chart.chance(0.5):
        _report(chart, reported)
    for link in row.attested:
        name, _, how = link.partition("=")
        attest(chart, name, how)
    return row.supports


def _condition(chart: Chart, written: str, *, first: bool) -> str:
    rest, _, told = written.partition("~")
    icd, _, verification = rest.partition(":")
    day = chart.day(DIAGNOSED - chart.rng.randrange(300) - (0 if first else 200))
    share = chart.rng.random()
    onset = the_day(day) if share < _DATED else the_month(day) if share < _DATED_BY_MONTH else None
    diagnosis = Diagnosis(icd, verification or "confirmed", onset=onset, recorded=day)
    if told:
        diagnosis = replace(diagnosis, **history(told, chart.on))
    text = "Tumeur neuroendocrine" if first and icd.startswith("C17") else None
    return diagnose(chart, diagnosis, text=text, stay=True)


def _finding(chart: Chart, finding: str, conditions: list[str]) -> str:
    rest, _, standing = finding.partition("!")
    rest, _, focus = rest.partition("@")
    kind, _, value = rest.partition("=")
    pathology = {"m": _morphology, "k": _ki67, "g": _grade, "s": _snomed, "t": _text}[kind](chart, value)
    body = dict(pathology.body)
    if focus:
        body["focus"] = [{"reference": f"Condition/{conditions[int(focus)]}"}]
    before = -5 if standing == "future" else 2600 - chart.rng.randrange(200)
    status = standing if standing not in ("", "future") else "final"
    return chart.observe(pathology.code, body, when=When(chart.day(before), 660), status=status)


def _morphology(chart: Chart, value: str) -> Pathology:
    if value == "local":
        code = {"coding": [coding(LOCAL_RECORD, "MORPHO", "Type histologique")]}
        return Pathology(code, {"valueCodeableConcept": {"text": "Tumeur neuroendocrine bien différenciée"}})
    answer = {"coding": [coding(ICDO3, value)]}
    return Pathology(_histology(chart), {"valueCodeableConcept": answer})


def _histology(chart: Chart) -> dict[str, Any]:
    loinc = chart.rng.choice((HISTOLOGY, MORPHOLOGY))
    return {"coding": [coding(LOCAL_RECORD, "HISTO", "Histologie"), coding(LOINC, loinc)], "text": "Histologie"}


def _snomed(chart: Chart, value: str) -> Pathology:
    return Pathology(_histology(chart), {"valueCodeableConcept": {"coding": [coding(SCT, NET_SNOMED)]}})


def _text(chart: Chart, value: str) -> Pathology:
    return Pathology(_histology(chart), {"valueCodeableConcept": {"text": value}})


def _ki67(chart: Chart, value: str) -> Pathology:
    code = {"coding": [coding(LOCAL_LAB, "KI67", "Ki-67"), coding(LOINC, KI67)], "text": "Ki-67"}
    figure = value.removesuffix(" %")
    if not value.endswith("%"):
        return Pathology(code, {"valueQuantity": {"value": Decimal(value)}})
    percent = {"unit": "%", "system": UCUM, "code": "%"}
    if figure.startswith("range:"):
        low, high = figure.removeprefix("range:").split("-")
        limits = {"low": {"value": Decimal(low), **percent}, "high": {"value": Decimal(high), **percent}}
        return Pathology(code, {"valueRange": limits})
    if "-" in figure:
        return Pathology(code, {"valueString": chart.rng.choice((f"{figure} %", f"{figure}%", f"{figure}\u00a0%"))})
    comparator = figure[0] if figure[0] in "<>" else ""
    number = figure.lstrip("<> ")
    if chart.chance(0.3):
        return Pathology(code, {"valueString": f"{comparator}{number.replace('.', ',')} %"})
    quantity: dict[str, Any] = {"value": Decimal(number), **percent}
    if comparator:
        quantity["comparator"] = comparator
    return Pathology(code, {"valueQuantity": quantity})


def _grade(chart: Chart, value: str) -> Pathology:
    kind, _, grade = value.rpartition(":")
    if kind == "ncit":
        return Pathology({"coding": [coding(NCIT, "C18000", "Histologic Grade")]}, {"valueString": grade})
    code = {"coding": [coding(TERMS, "grade")], "text": "Grade OMS"}
    if kind == "text":
        return Pathology(code, {"valueString": grade})
    return Pathology(code, {"valueCodeableConcept": {"coding": [coding(TERMS, grade)]}})


def _report(chart: Chart, observations: list[str]) -> None:
    day = chart.day(2390)
    body = {
        "status": "final",
        "code": {"coding": [coding(LOCAL_RECORD, "CRANAPATH", "Compte rendu d'anatomie pathologique")]},
        "subject": chart.subject(),
        "effectiveDateTime": day.isoformat(),
        "result": [{"reference": f"Observation/{identity}"} for identity in observations],
        "conclusion": "Voir le compte rendu.",
    }
    chart.add("DiagnosticReport", body, day=day, identity=chart.name("report"))
