"""In: generated patients of the real trial. Out: whether verdicts keep the laws that hold for every record, whatever stands in it.

The law of deletion is stated narrowly: where a record holds at most one result of each analyte, one statement of grade and one attestation of each
question, taking away an Observation or an attestation never turns T into F or F into T. (An older result could else become the latest, a lower
grade the highest; and of Conditions and infusions it is the number that tells: four cycles of five are another course.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.criteria import CriterionVerdict, PartVerdict, PatientVerdict, Stage, Trial, Truth, evaluate
from adapter.criteria.answering import answer_criterion
from adapter.criteria.scene import Scene
from adapter.documents import load_trial
from adapter.fhir import PatientRecord
from adapter.terminology import Site
from tests.support.records import ChartWriter, encode

ON = date(2025, 6, 1)
PLAIN = Site.plain("icm")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
STEADY = settings(derandomize=True, max_examples=40, deadline=None, suppress_health_check=SLOW)
Resource = dict[str, Any]


@cache
def trial() -> Trial:
    return load_trial("nct04954820")


def judge(
    resources: Iterable[Mapping[str, Any]], *, stage: Stage = Stage.REGISTRATION, on: date = ON
) -> PatientVerdict:
    record = PatientRecord.read("Patient/1", [encode(dict(item)) for item in resources])
    return evaluate(trial(), record, site=PLAIN, stage=stage, on=on)


def truths(found: PatientVerdict) -> dict[str, Truth]:
    every = {item.id: item.truth for item in found.criteria}
    return every | {part.id: part.truth for item in found.criteria for part in item.parts}


def recent(days: int = 40) -> st.SearchStrategy[str]:
    return st.integers(0, days).map(lambda back: str(ON - timedelta(days=back)))


LABS: dict[str, tuple[str, list[int], dict[str, int]]] = {
    "hb": ("g/dL", [7, 8, 9, 12], {}),
    "neutrophils": ("G/L", [1, 2, 4], {}),
    "platelets": ("G/L", [60, 80, 150], {}),
    "creatinine": ("umol/L", [80, 152, 153, 300], {}),
    "mdrd": ("mL/min/{1.73_m2}", [30, 40, 80], {}),
    "alt": ("UI/L", [30, 110, 300], {"high": 41}),
    "ast": ("UI/L", [30, 110], {"high": 41}),
    "bilirubin": ("umol/L", [10, 60], {"high": 20}),
    "albumin": ("g/L", [27, 30, 40], {}),
    "tp": ("%", [55, 92], {"low": 70, "high": 120}),
    "glucose-fasting": ("mmol/L", [5, 14], {"high": 6}),
    "glucose": ("mmol/L", [5, 14], {"high": 6}),
    "hcg": ("UI/L", [1, 900], {"high": 5}),
}
LINKS = [
    "I01",
    "I02.b",
    "I02.c",
    "I03",
    "I04",
    "I05",
    "I06",
    "I08",
    "I11",
    "I11.a",
    "I12",
    "I12.not-of-childbearing-potential",
    "I14",
    "E05",
    "E07",
    "E07.b",
]
LINKS += [
    "E07.due-to-malignancy",
    "E08",
    "E11.optimal-therapy",
    "E12",
    "E12.treated",
    "E12.imaging-documented",
    "E13",
    "E13.breast-feeding",
    "E17",
]


@st.composite
def results(draw: st.DrawFn, *, most: int) -> list[Resource]:
    entries: list[Resource] = []
    for name, (unit, values, limits) in LABS.items():
        for _ in range(draw(st.integers(0, most))):
            fields = {
                "of": name,
                "value": draw(st.sampled_from(values)),
                "unit": unit,
                "date": draw(recent()),
                **limits,
            }
            comparator = draw(st.sampled_from([None, None, None, "<", ">="]))
            status = draw(st.sampled_from(["final", "final", "final", "corrected", "preliminary", "entered-in-error"]))
            entries.append({"lab": {**fields, **({"comparator": comparator} if comparator else {}), "status": status}})
    scores = range(draw(st.integers(0, most)))
    entries.extend({"ecog": {"value": draw(st.integers(0, 4)), "date": draw(recent())}} for _ in scores)
    pressures = st.sampled_from(["132/78", "172/98", "160/80", "159/94"])
    days = draw(st.lists(recent(), max_size=3, unique=True))
    entries.extend({"bp": {"value": draw(pressures), "date": when}} for when in days)
    return entries


@st.composite
def histories(draw: st.DrawFn) -> list[Resource]:
    """Tumours, pathology, PRRT and attestations."""
    entries: list[Resource] = [
        {"condition": {"icd10": code, "onset": "2019-03-01"}}
        for code in draw(
            st.lists(
                st.sampled_from(["C17.2", "C25.4", "C25.9", "C50.9", "C79.3", "N04.9", "Z33", "D37.2"]),
                max_size=3,
                unique=True,
            )
        )
    ]
    if draw(st.booleans()):
        entries.append({"morphology": {"code": draw(st.sampled_from(["8240/3", "8249/3", "8246/3", "8041/3"]))}})
    match draw(st.sampled_from(["", "grade", "ki67"])):
        case "grade":
            entries.append({"grade": {"value": draw(st.sampled_from(["G1", "G2", "G3"]))}})
        case "ki67":
            entries.append(
                {"lab": {"of": "ki67", "value": draw(st.sampled_from([2, 20, 35])), "unit": "%", "date": "2021-03-01"}}
            )
    cycles = draw(st.integers(0, 5))
    if cycles:
        entries.append(
            {"course": {"cycles": cycles, "last": "2022-03-10", "every": draw(st.sampled_from([28, 56, 112, 120]))}}
        )
    if draw(st.booleans()):
        entries.append({"progress": {"date": draw(st.sampled_from(["2022-12-01", "2023-03-10", "2024-01-05"]))}})
    entries.extend(
        {"attest": {"answers": {link: [{"valueBoolean": draw(st.booleans())}]}, "authored": draw(recent(30))}}
        for link in draw(st.lists(st.sampled_from(LINKS), max_size=5, unique=True))
    )
    return entries


@st.composite
def charts(draw: st.DrawFn, *, most: int = 2) -> list[Resource]:
    person = draw(
        st.sampled_from(
            [
                {"gender": "male", "birthDate": "1960-05-02"},
                {"gender": "female", "birthDate": "1985-01-01"},
                {"gender": "female", "birthDate": "1985"},
                {"birthDate": "2007-06-20"},
            ]
        )
    )
    writer = ChartWriter()
    return [writer.person(person), *writer.write([*draw(results(most=most)), *draw(histories())])]


stages = st.sampled_from(list(Stage))


@STEADY
@given(charts(), stages)
def test_a_verdict_is_open_exactly_when_it_has_a_reason_and_cites_what_is_there(
    chart: list[Resource], stage: Stage
) -> None:
    found = judge(chart, stage=stage)
    there = {f"{item['resourceType']}/{item['id']}" for item in chart}

    every: list[CriterionVerdict | PartVerdict] = [*found.criteria]
    every.extend(part for criterion in found.criteria for part in criterion.parts)
    for item in every:
        assert (item.truth is Truth.U) == (item.reason is not None), item.id
        assert {entry.reference for entry in item.evidence} <= there, item.id
        assert item.truth is Truth.U or item.evidence or item.presumed, item.id


@STEADY
@given(charts(), stages, st.randoms(use_true_random=False))
def test_the_order_of_the_feed_does_not_matter(chart: list[Resource], stage: Stage, random: Any) -> None:
    shuffled = list(chart)
    random.shuffle(shuffled)

    assert judge(shuffled, stage=stage) == judge(chart, stage=stage)


@STEADY
@given(charts(), stages, st.data())
def test_what_is_sent_twice_under_another_id_counts_once(
    chart: list[Resource], stage: Stage, data: st.DataObject
) -> None:
    twice = data.draw(
        st.lists(st.sampled_from(chart[1:]), unique_by=lambda item: f"{item['resourceType']}/{item['id']}")
        if chart[1:]
        else st.just([])
    )
    found = judge([*chart, *({**item, "id": f"{item['id']}-again"} for item in twice)], stage=stage)

    assert truths(found) == truths(judge(chart, stage=stage))
    assert found.outcome is judge(chart, stage=stage).outcome


@STEADY
@given(charts(), charts(), stages)
def test_what_lies_after_the_reference_date_does_not_count(
    chart: list[Resource], later: list[Resource], stage: Stage
) -> None:
    elements = ("effectiveDateTime", "onsetDateTime", "performedDateTime", "authored", "recordedDate")
    future = [
        {key: "2025-07-01" if key in elements else value for key, value in item.items()} | {"id": f"{item['id']}-later"}
        for item in later[1:]
    ]

    assert truths(judge([*chart, *future], stage=stage)) == truths(judge(chart, stage=stage))


@STEADY
@given(charts(most=1), stages, st.data())
def test_less_data_never_turns_one_decision_into_the_other(
    chart: list[Resource], stage: Stage, data: st.DataObject
) -> None:
    deletable = [item for item in chart if item["resourceType"] in ("Observation", "QuestionnaireResponse")]
    if not deletable:
        return
    gone = data.draw(st.sampled_from(deletable))
    before, after = (
        truths(judge(chart, stage=stage)),
        truths(judge([item for item in chart if item is not gone], stage=stage)),
    )

    turned = {
        name for name, truth in before.items() if Truth.U not in (truth, after[name]) and truth is not after[name]
    }
    assert not turned


@STEADY
@given(charts(), stages)
def test_the_answer_to_one_day_is_that_of_its_own_scene(chart: list[Resource], stage: Stage) -> None:
    # A scene of another day shares what it has read with the first one, and keeps answers that no day of change lies before.
    record = PatientRecord.read("Patient/1", [encode(item) for item in chart])
    base = Scene(trial(), record, PLAIN, ON)
    for criterion in (item for item in trial().criteria if stage in item.stages):
        answer_criterion(criterion, base)
        for days in (1, 17, 29):
            day = ON + timedelta(days=days)
            shared = answer_criterion(criterion, base.at(day))
            own = answer_criterion(criterion, Scene(trial(), record, PLAIN, day))
            assert (shared.truth, shared.attestable) == (own.truth, own.attestable)


@settings(STEADY, max_examples=8)
@given(charts())
def test_flips_on_is_the_first_later_day_with_another_truth(chart: list[Resource]) -> None:
    record = PatientRecord.read("Patient/1", [encode(item) for item in chart])
    told = {item.id: item for item in judge(chart).criteria}
    waiting = {name for name, item in told.items()}
    first: dict[str, date] = {}
    for days in range(1, 401):
        scene = Scene(trial(), record, PLAIN, ON + timedelta(days=days))
        for name in sorted(waiting):
            if answer_criterion(trial().criterion(name), scene).truth is not told[name].truth:
                first[name] = scene.on
                waiting.discard(name)

    within = {
        name: item.flips_on
        for name, item in told.items()
        if item.flips_on and item.flips_on <= ON + timedelta(days=400)
    }
    assert within == first
