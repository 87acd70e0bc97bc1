"""In: records with odd dates, statuses and values, drawn and by hand. Out: whether a verdict says when it changes, and survives every record that decodes.

The check of ``flips_on`` is slow on purpose: each later day is answered from a scene of its own, which shares nothing with the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from random import Random
from time import process_time
from typing import Any

import pytest

from adapter.criteria import Criterion, PatientVerdict, Stage, Trial, Truth, evaluate
from adapter.criteria.answer import Answer
from adapter.criteria.answering import answer_criterion, answer_part
from adapter.criteria.scene import Scene
from adapter.documents import load_trial
from adapter.fhir import PatientRecord
from adapter.terminology import Completeness, Site
from tests.support.records import ChartWriter, encode

Entry = dict[str, Any]

ON = date(2025, 6, 1)
#: Ends of months, and a leap day: where months are clamped.
DAYS = (ON, date(2025, 6, 30), date(2025, 2, 28), date(2025, 3, 31), date(2024, 2, 29))
FAR = 400
NET = {"condition": {"icd10": "C17.2", "id": "net", "onset": "2019-01-01"}}


@cache
def trial() -> Trial:
    return load_trial("nct04954820")


@dataclass(frozen=True, slots=True)
class Chart:
    """A record as short-hand, the day and the site it is judged by."""

    entries: tuple[Entry, ...]
    on: date = ON
    stage: Stage = Stage.REGISTRATION
    person: Mapping[str, Any] | None = None
    study: str = "interventional"
    complete: tuple[Completeness, ...] = ()

    @property
    def site(self) -> Site:
        return replace(Site.plain("icm"), completeness=self.complete, adverse_event_grade="urn:example:ctcae-grade")

    def record(self, change: Callable[[list[Entry]], list[Entry]] = list) -> PatientRecord:
        writer = ChartWriter()
        person = self.person or {"gender": "male", "birthDate": "1960-05-02"}
        shared = ChartWriter().write([{"research-study": {"category": self.study}}])
        resources = change([writer.person(person), *writer.write(self.entries)])
        return PatientRecord.read(
            "Patient/1",
            [encode(item) for item in resources],
            shared={f"{item['resourceType']}/{item['id']}": encode(item) for item in shared},
        )

    def judge(self, change: Callable[[list[Entry]], list[Entry]] = list) -> PatientVerdict:
        return evaluate(trial(), self.record(change), site=self.site, stage=self.stage, on=self.on)

    def scene(self, day: date) -> Scene:
        """A scene of its own: of what is known on the reference date, looked at on a later day."""
        return Scene(trial(), self.record().until(self.on), self.site, day)

    @property
    def criteria(self) -> list[Criterion]:
        return [item for item in trial().criteria if self.stage in item.stages]


def answers(chart: Chart, scene: Scene) -> dict[str, Answer]:
    return {item.id: answer_criterion(item, scene) for item in chart.criteria}


def outcome(chart: Chart, found: Mapping[str, Answer]) -> str:
    """clarifications.md 8, as far as it does not ask who signed."""
    if any(item.passes(found[item.id].truth) is False for item in chart.criteria):
        return "ineligible"
    open_ = [item for item in found.values() if item.truth is Truth.U]
    return "needs-information" if any(not item.attestable for item in open_) else "ready"


# Drawn records ----------------------------------------------------------------------------------------------------------


def _day(random: Random, on: date, *back: int) -> str:
    day = (
        on - timedelta(days=random.choice(back)) + timedelta(days=random.choice([-1, 0, 0, 1, random.randint(-40, 40)]))
    )
    forms = [f"{day}"] * 7 + [f"{day:%Y-%m}", f"{day}T22:30:00Z", f"{day}T08:00:00+02:00"]
    return random.choice(forms)


def _maybe(random: Random, share: float, **fields: Any) -> Entry:
    return fields if random.random() < share else {}


def _imaging(random: Random, on: date) -> Entry:
    when = _day(random, on, 5, 120, 122)
    status = random.choice(["final", "final", "corrected", "preliminary"])
    tie = {"partOf": random.choice(["Procedure/sstr-1", "ImagingStudy/sstr-1"])}
    return random.choice(
        [
            {"sstr": {"as": random.choice(["procedure", "study", "report"]), "date": when}},
            {
                "sstr-values": {
                    "percent": random.choice([80, 90]),
                    "krenning": random.choice([1, 2]),
                    "date": when,
                    "status": status,
                    **_maybe(random, 0.4, tie=tie),
                }
            },
            {"lesion": {"mm": random.choice([6, 10, 22]), "date": when, "status": status}},
            {"lesion-count": {"value": random.choice([1, 2, 3]), "date": when, "status": status}},
        ]
    )


def _papers(random: Random, on: date) -> Entry:
    near, end = _day(random, on, 0, 5), _day(random, on, 0, 30, 31, -20)
    running = random.choice(["on-study", "follow-up", "off-study", "withdrawn", "screening"])
    allergen = random.choice(
        [{"atc": "H01CB02"}, {"code": "http://snomed.info/sct|716186003"}, {"text": "lysine"}, {"atc": "N02BE01"}]
    )
    return random.choice(
        [
            {
                "consent": {
                    "status": random.choice(["active", "active", "inactive", "draft"]),
                    "date": random.choice([near, None]),
                    **_maybe(random, 0.3, to=_day(random, on, -5, 0, 5)),
                }
            },
            {
                "coverage": {
                    "start": _day(random, on, 5, 400),
                    "type": random.choice(["AMO", "AME"]),
                    **_maybe(random, 0.6, end=end),
                }
            },
            {
                "participation": {
                    "status": running,
                    **_maybe(random, 0.8, start=_day(random, on, 5, 100)),
                    **_maybe(random, 0.7, end=end),
                }
            },
            {
                "allergy": {
                    **allergen,
                    "verification": random.choice(["confirmed", "confirmed", "unconfirmed"]),
                    **_maybe(random, 0.5, onset=_day(random, on, 0, 500)),
                    **_maybe(random, 0.5, recorded=near),
                }
            },
        ]
    )


def _histories(random: Random, on: date) -> Entry:
    codes = ["I63.9", "I50.0", "I48.2", "C50.9", "C44.3", "C18.1", "C80", "Z51.0", "Z33", "N04.9", "C79.3"]
    condition = {
        "icd10": random.choice(codes),
        "clinical": random.choice(["active", "active", "remission", "resolved", None]),
        "verification": random.choice(["confirmed", "confirmed", "unconfirmed"]),
        **_maybe(random, 0.7, onset=_day(random, on, 0, 300, 365, 1826)),
        **_maybe(random, 0.4, recorded=_day(random, on, 0, 100, 365)),
        **_maybe(random, 0.3, abatement=_day(random, on, -30, 0, 365, 1826)),
    }
    after = _day(random, on, 0, 40, 400, 700)
    return random.choice(
        [
            {"condition": condition},
            {"condition": condition},
            {"procedure": {"term": "revascularisation", "date": _day(random, on, 0, 365)}},
            {"marrow-fraction": {"value": random.choice([10, 25, 40]), "date": _day(random, on, 0, 30)}},
            {"radiotherapy": {"date": _day(random, on, 0, 30)}},
            {"recist": {"value": random.choice(["PR", "SD", "PD", "NE"]), "date": after}},
            {"best-response": {"value": random.choice(["SD", "PD"]), "date": after}},
            {"progress": {"status": random.choice(["worsened", "stable"]), "date": after}},
            {
                "adverse-event": {
                    "grade": random.choice([1, 3, 4]),
                    "date": _day(random, on, 5, 800),
                    **_maybe(random, 0.6, suspect=["MedicationAdministration/infusion-1"]),
                }
            },
            {
                "lab": {
                    "of": random.choice(["platelets", "neutrophils"]),
                    "value": random.choice([0.4, 20, 100]),
                    "unit": "G/L",
                    "date": _day(random, on, 5, 28, 700, 800),
                }
            },
            {
                "lab": {
                    "of": "hcg",
                    "value": random.choice([1, 500]),
                    "unit": "UI/L",
                    "high": 5,
                    "date": _day(random, on, 2, 4),
                }
            },
        ]
    )


LINKS = [
    "I03",
    "I04",
    "I05",
    "I06",
    "I06.a",
    "I06.b",
    "I09",
    "I09.a",
    "I09.b",
    "I10",
    "I14",
    "I16",
    "E01",
    "E02",
    "E03.a",
    "E03.b",
    "E06",
    "E07.b",
    "E10",
    "E10.controlled",
    "E12",
    "E12.treated",
    "E12.stable-24-weeks",
    "E15",
    "E16",
    "E17",
    "E17.treated-and-controlled",
    "E13.breast-feeding",
    "I11.a",
    "I08",
]


def _attested(random: Random, on: date) -> Entry:
    said = {
        "valueBoolean": random.choice([True, False]),
        **_maybe(random, 0.3, valueDate=_day(random, on, 5, 100, 168)),
    }
    return {"attest": {"authored": _day(random, on, 0, 5, 28, 60), "answers": {random.choice(LINKS): [said]}}}


def drawn(seed: int) -> Chart:
    """A record told by one number."""
    random = Random(seed)
    on = random.choice(DAYS)
    entries: list[Entry] = [NET] if random.random() < 0.6 else []
    if random.random() < 0.6:
        last = on - timedelta(days=random.choice([700, 760, 57, 40]))
        entries.append({"course": {"cycles": random.choice([3, 4, 4, 5]), "last": str(last)}})
    if random.random() < 0.4:
        entries.append({"course": {"cycles": random.choice([1, 2, 3]), "last": str(on - timedelta(days=30))}})
    kinds = (_imaging, _papers, _histories, _histories, _attested)
    entries += [random.choice(kinds)(random, on) for _ in range(random.randint(1, 9))]
    complete = tuple(
        Completeness(
            domain,
            on - timedelta(days=random.choice([10, 200, 360, 1800, 5000])),
            on + timedelta(days=random.choice([0, 50])),
        )
        for domain in ("condition", "allergy", "study-participation", "medication-administration")
        if random.random() < 0.5
    )
    person = random.choice([None, {"gender": "female", "birthDate": "1985-01-01"}, {"birthDate": "2007-06"}])
    study = random.choice(["interventional", "observational", "other"])
    return Chart(tuple(entries), on, random.choice(list(Stage)), person, study, complete)


#: Every block tells its own records: hypothesis would draw small numbers the most, and with them the same few stories.
blocks = pytest.mark.parametrize("block", range(8))


def told(block: int, count: int = 20) -> Iterator[tuple[Chart, Random]]:
    """Records of a block, each with a source of choices for the test."""
    for number in range(block * count, (block + 1) * count):
        yield drawn(number), Random(number)


@blocks
def test_verdict_of_a_later_day_is_that_of_a_scene_of_its_own(block: int) -> None:
    for chart, random in told(block):
        shared = chart.scene(chart.on)
        changes = {day for item in answers(chart, shared).values() for day in item.changes}
        near = {(day - chart.on).days + more for day in changes for more in (-1, 0)}

        for number in sorted({*random.sample(range(1, FAR), 6), *(day for day in near if 0 < day < FAR)}):
            day = chart.on + timedelta(days=number)
            own, other = chart.scene(day), shared.at(day)
            for criterion in chart.criteria:
                alone, found = answer_criterion(criterion, own), answer_criterion(criterion, other)
                parts = [(answer_part(part, own).truth, answer_part(part, other).truth) for part in criterion.parts]

                assert (found.truth, found.attestable) == (alone.truth, alone.attestable), (criterion.id, day, chart)
                assert all(one is two for one, two in parts), (criterion.id, day, chart)


@blocks
def test_flips_on_is_not_later_than_any_day_with_another_truth(block: int) -> None:
    for chart, random in told(block):
        verdict = chart.judge()
        first = answers(chart, chart.scene(chart.on))
        flips = {item.id: item.flips_on for item in verdict.criteria}
        known = {(day - chart.on).days + more for day in (*flips.values(), verdict.flips_on) if day for more in (-1, 0)}

        for number in sorted({*random.sample(range(1, FAR), 30), *(day for day in known if 0 < day < FAR)}):
            day = chart.on + timedelta(days=number)
            later = answers(chart, chart.scene(day))
            for name, flip in flips.items():
                same = later[name].truth is first[name].truth

                assert same or (flip is not None and flip <= day), (name, day, chart)
                assert not same or flip != day, (name, day, chart)
            if verdict.flips_on is None or day < verdict.flips_on:
                assert outcome(chart, later) == outcome(chart, first), (day, chart)


@blocks
def test_order_of_resources_does_not_change_a_byte_of_a_hardened_record(block: int) -> None:
    for chart, random in told(block):

        def shuffled(resources: list[Entry], random: Random = random) -> list[Entry]:
            return random.sample(resources, len(resources))

        assert encode(chart.judge(shuffled).to_json()) == encode(chart.judge().to_json()), chart


@blocks
def test_resources_under_another_id_count_once_in_a_hardened_record(block: int) -> None:
    for chart, random in told(block):

        def doubled(resources: list[Entry], random: Random = random) -> list[Entry]:
            twice = [item for item in resources[1:] if random.random() < 0.4]
            return [*resources, *({**item, "id": f"{item['id']}-again"} for item in twice)]

        once, again = (
            {item.id: item.truth for item in found.criteria} for found in (chart.judge(), chart.judge(doubled))
        )

        assert again == once, chart


# Records by hand --------------------------------------------------------------------------------------------------------

UNDATED = [
    {
        "resourceType": "MedicationAdministration",
        "id": f"undated-{number}",
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]},
    }
    for number in range(4)
]
BLOOD = {"lab": {"of": "creatinine", "value": 152, "ucum": "umol/L"}}
ODD: dict[str, list[Entry]] = {
    "four infusions without a date, attested": [*UNDATED, {"attest": {"I03": True}}],
    "four infusions without a date, marked": [
        *UNDATED,
        {"procedure": {"term": "prrt-course-first", "date": "2020-01-01"}},
    ],
    "four infusions of unreadable dates, attested": [
        *({**item, "effectiveDateTime": "hier"} for item in UNDATED),
        {"attest": {"I03": True}},
    ],
    "a height from below zero": [
        BLOOD,
        {"body": {"weight": 70}},
        {"lab": {"of": "http://loinc.org|8302-2", "between": [-5, 180], "ucum": "cm"}},
    ],
    "empty codings": [
        {"resourceType": "Condition", "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": ""}]}},
        {"resourceType": "AllergyIntolerance", "code": {"coding": [{}]}},
        {"resourceType": "Coverage", "status": "active", "type": {"coding": [{"code": ""}]}, "payor": [{}]},
        {"resourceType": "Consent", "status": "active", "scope": {}, "policy": [{}], "provision": {}},
        {
            "resourceType": "ImagingStudy",
            "procedureCode": [{}],
            "modality": [None, {"code": 5}],
            "series": [{"modality": 3}],
        },
        {"resourceType": "AdverseEvent", "extension": [{"url": "urn:example:ctcae-grade"}], "suspectEntity": [{}]},
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {},
            "valueString": "\u0000\u0007",
            "component": [{}],
        },
    ],
    "dates at the ends of time": [
        {"condition": {"icd10": "I63.9", "onset": "0001-01-01", "abatement": "9999-12-31"}},
        {"condition": {"icd10": "C61", "onset": "2199-12-31", "abatement": "1800-01-01"}},
        {"coverage": {"start": "0001-01-01", "end": "9999-12-31"}},
        {"participation": {"start": "9999-12-31", "end": "0001-01-01"}},
    ],
}


#: What time alone changes, and when: by the record, the criterion and the completeness that the site declares.
CHANGING: dict[str, tuple[str, Chart]] = {
    "a form of which only the year is known": ("E10", Chart(({"attest": {"E10": False, "authored": "2025"}},))),
    "a declaration of almost five years": (
        "E17",
        Chart((), complete=(Completeness("condition", date(2020, 8, 1), date(2030, 12, 31)),)),
    ),
    "a declaration of almost twenty-four weeks": (
        "E12",
        Chart((), complete=(Completeness("condition", date(2025, 1, 1), date(2030, 12, 31)),)),
    ),
    "an examination at the end of its window": (
        "I09",
        Chart(({"sstr": {"date": "2025-02-01"}}, {"attest": {"I09.b": True, "I09.c": True}})),
    ),
    "a participation that ended thirty days ago": (
        "E16",
        Chart(({"participation": {"status": "off-study", "start": "2025-01-01", "end": "2025-05-02"}},)),
    ),
}


@pytest.mark.parametrize("name", sorted(CHANGING))
def test_flips_on_is_the_first_of_four_hundred_days_with_another_truth(name: str) -> None:
    criterion, chart = CHANGING[name]
    asked = trial().criterion(criterion)
    truth = answer_criterion(asked, chart.scene(chart.on)).truth
    days = (chart.on + timedelta(days=number) for number in range(1, FAR + 1))
    first = next((day for day in days if answer_criterion(asked, chart.scene(day)).truth is not truth), None)

    flips = next(item.flips_on for item in chart.judge().criteria if item.id == criterion)

    assert first is not None
    assert flips == first


def test_flips_on_of_the_outcome_is_found_behind_the_first_change_of_a_criterion() -> None:
    # E16 becomes true on the 30th of June, and open again when the participation is over for longer than it counts.
    chart = Chart(
        (
            {"condition": {"icd10": "I63.9", "onset": "2024-07-10"}},
            {"participation": {"start": "2025-06", "end": "2025-08-01"}},
        )
    )
    days = [chart.on + timedelta(days=number) for number in range(120)]
    said = [outcome(chart, answers(chart, chart.scene(day))) for day in days]

    verdict = chart.judge()

    assert said[0] == str(verdict.outcome) == "ineligible"
    assert verdict.flips_on == next(day for day, word in zip(days, said, strict=True) if word != "ineligible")


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("name", sorted(ODD))
def test_verdict_is_given_for_every_record_that_decodes(name: str, stage: Stage) -> None:
    found = Chart((NET, *ODD[name]), stage=stage).judge()

    assert all((item.truth is Truth.U) == (item.reason is not None) for item in found.criteria)


def test_verdict_on_a_record_with_a_diagnosis_of_every_stay_costs_what_its_diagnoses_cost() -> None:
    # Billing codes the tumour anew at each stay: a few hundred Conditions of one person are usual.
    def seconds(stays: int) -> float:
        codes = [
            {"condition": {"icd10": code, "onset": "2023-01-01"}} for _ in range(stays) for code in ("C17.2", "C18.2")
        ]
        record = Chart(tuple(codes)).record()
        start = process_time()
        evaluate(trial(), record, site=Site.plain("icm"), stage=Stage.REGISTRATION, on=ON)
        return process_time() - start

    few, many = (min(seconds(stays) for _ in range(3)) for stays in (20, 100))

    # Five times the diagnoses: five times the work, not twenty-five times.
    assert many < 12 * few
