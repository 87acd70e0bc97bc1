"""In: lesion diameters and counts, on both sides of each limit. Out: whether the disease is measurable at the latest assessment."""

from __future__ import annotations

import itertools
import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.answer import Answer, Wanted
from adapter.criteria.concepts.lesions import answer_measurable
from adapter.criteria.scene import Scene
from adapter.criteria.tree import MeasurableDisease
from adapter.fhir import parse_when
from adapter.terminology import Analyte
from tests.unit.criteria.making import ON, reluth, scene

T, F, U = Truth.T, Truth.F, Truth.U
TERMS = "urn:reluth:terms"
DIAMETER = Analyte(
    id="lesion_longest_diameter",
    codes=frozenset({(TERMS, "lesion-longest-diameter")}),
    unit="mm",
    factors={"mm": Decimal(1), "cm": Decimal(10)},
    plausible=(Decimal(0), Decimal(500)),
    label={"fr": "d", "en": "d"},
)
COUNT = Analyte(
    id="lesion_count",
    codes=frozenset({(TERMS, "lesion-count")}),
    unit="1",
    factors={"1": Decimal(1)},
    plausible=(Decimal(0), Decimal(1000)),
    label={"fr": "n", "en": "n"},
    unitless=True,
)
NODE = MeasurableDisease(
    diameter=DIAMETER,
    count=COUNT,
    at_least=Decimal(10),
    lesions=2,
    modalities=("CT", "MR"),
    node_text=re.compile(r"ganglion|ad[ée]nopathie|lymph node", re.IGNORECASE),
)
NET: dict[str, Any] = {"condition": {"icd10": "C17.2", "onset": "2019-01-01", "id": "net"}}
BREAST: dict[str, Any] = {"condition": {"icd10": "C50.9", "onset": "2019-01-01", "id": "breast"}}
DAY = "2025-05-20"


def coded(code: str, when: str | None, more: dict[str, Any]) -> dict[str, Any]:
    dated = {} if when is None else {"effectiveDateTime": when}
    concept = {"coding": [{"system": TERMS, "code": code}]}
    return {"resourceType": "Observation", "status": "final", "code": concept, **dated, **more}


def size(value: Any, unit: str = "mm", **more: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"valueString": value}
    return {"valueQuantity": {"value": value, "unit": unit, **more}}


def lesion(value: Any, when: str | None = DAY, *, unit: str = "mm", comparator: str | None = None, **more: Any) -> Any:
    compared = {"comparator": comparator} if comparator else {}
    site = {"bodySite": {"text": more.pop("site")}} if "site" in more else {}
    return coded("lesion-longest-diameter", when, {**size(value, unit, **compared), **site, **more})


def count(value: Any, when: str | None = DAY, **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"valueString": value} if isinstance(value, str) else {"valueInteger": value}
    return coded("lesion-count", when, {**said, **more})


def sheet(*values: Any, when: str = DAY, **more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": TERMS, "code": "lesion-longest-diameter"}]}
    return coded("sheet", when, {"component": [{"code": code, **size(value)} for value in values], **more})


def to(reference: str) -> list[dict[str, str]]:
    return [{"reference": reference}]


def study(*codes: str, identity: str = "s", **more: Any) -> dict[str, Any]:
    return {"resourceType": "ImagingStudy", "id": identity, "modality": [{"code": code} for code in codes], **more}


def at(*entries: Any, on: date = ON) -> Scene:
    return scene(reluth(), entries, on=on)


def answered(*entries: Any, on: date = ON) -> Answer:
    return answer_measurable(NODE, at(NET, *entries, on=on))


def outcome(found: Answer) -> tuple[Truth, Reason | None]:
    return found.truth, found.reason


# --- sizes and numbers


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([lesion(22, site="foie"), lesion(14, site="foie")], T, None),
        ([lesion(10), lesion(6)], T, None),
        ([lesion(Decimal("9.9")), lesion(6)], U, Reason.NO_DATA),
        ([lesion(Decimal("1.0"), unit="cm"), lesion(6)], T, None),
        ([lesion(Decimal("0.99"), unit="cm"), lesion(6)], U, Reason.NO_DATA),
        ([lesion(30)], U, Reason.NO_DATA),
        ([lesion(30), count(1)], F, None),
        ([lesion(30), count(2)], T, None),
        ([lesion(30), count(0)], U, Reason.CONFLICT),
        ([lesion(30), lesion(20), count(1)], U, Reason.CONFLICT),
        ([lesion(Decimal("9.9")), lesion(6), count(2)], F, None),
        ([lesion(10), lesion(6), count(2)], T, None),
        ([lesion(Decimal("9.9")), lesion(6), count(3)], U, Reason.NO_DATA),
        ([lesion(Decimal("9.9")), lesion(6), count(1)], U, Reason.CONFLICT),
        ([lesion(6), count(1)], F, None),
        ([count(1)], U, Reason.NO_DATA),
        ([count(0)], U, Reason.NO_DATA),
        ([count(5)], U, Reason.NO_DATA),
        ([], U, Reason.NO_DATA),
    ],
)
def test_one_lesion_of_a_centimetre_and_two_in_all_are_measurable(
    entries: list[Any], truth: Truth, reason: Reason | None
) -> None:
    found = answered(*entries)

    assert outcome(found) == (truth, reason)
    assert found.wanted == (() if reason is None else (Wanted("lesions"),))


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([lesion(10, comparator=">="), lesion(6)], T, None),
        ([lesion(10, comparator="<"), lesion(6), count(2)], F, None),
        ([lesion(12, comparator="<"), lesion(6), count(2)], U, Reason.COMPARATOR),
        ([lesion(12, comparator="<"), lesion(22), count(2)], T, None),
        ([lesion(22), count("> 5")], T, None),
        ([lesion(22), count("< 5")], U, Reason.COMPARATOR),
        ([lesion(22), count("< 2")], F, None),
        ([lesion(22), lesion(14), count("< 5")], T, None),
        ([lesion(22), count("multiples")], U, Reason.NOT_READ),
        ([lesion(22), lesion(14), count("multiples")], T, None),
        ([lesion(6), lesion(5), count("multiples")], U, Reason.NOT_READ),
        ([lesion("voir CR"), lesion(22)], U, Reason.NO_DATA),
        ([lesion("voir CR"), lesion(22), count(2)], T, None),
        ([lesion("voir CR"), lesion(6), count(2)], U, Reason.NOT_READ),
        ([lesion("voir CR"), lesion(6), count(1)], U, Reason.NOT_READ),
        ([lesion("voir CR"), count(1)], F, None),
        ([lesion(22, unit="pouces"), lesion(6), count(2)], U, Reason.UNKNOWN_UNIT),
        ([lesion("22-24 mm"), lesion("6 mm")], T, None),
    ],
)
def test_what_a_value_leaves_open_decides_only_where_it_does_not_matter(
    entries: list[Any], truth: Truth, reason: Reason | None
) -> None:
    assert outcome(answered(*entries)) == (truth, reason)


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([lesion(22), lesion(0)], U, Reason.NO_DATA),
        ([lesion(22), lesion(0), count(1)], F, None),
        ([lesion(22), lesion(5, comparator="<")], T, None),
        ([lesion(0), count(0)], F, None),
    ],
)
def test_a_lesion_of_no_size_is_gone(entries: list[Any], truth: Truth, reason: Reason | None) -> None:
    assert outcome(answered(*entries)) == (truth, reason)


@pytest.mark.parametrize(
    ("counts", "truth", "reason"),
    [
        ([count(2), count(4)], T, None),
        ([count(1), count(4)], U, Reason.CONFLICT),
        ([count(1), count(4, status="corrected")], T, None),
        ([count(1), count(4, DAY + "T10:00:00Z", status="corrected")], U, Reason.CONFLICT),
    ],
)
def test_counts_of_one_day_agree_unless_one_is_corrected(
    counts: list[Any], truth: Truth, reason: Reason | None
) -> None:
    assert outcome(answered(lesion(22), *counts)) == (truth, reason)


# --- which lesions are different ones


@pytest.mark.parametrize(
    ("entries", "truth"),
    [
        ([lesion(22), lesion(22)], U),
        ([lesion(22), lesion(Decimal("22.0"))], U),
        ([lesion(22), lesion(Decimal("2.2"), unit="cm")], U),
        ([lesion(22, site="foie"), lesion(22, site="foie")], U),
        ([lesion(22, site="foie"), lesion(22, site="os")], T),
        ([lesion(22, focus=to("Condition/net")), lesion(22, focus=to("Condition/net"))], U),
        ([lesion(22, focus=to("Condition/net")), lesion(22)], T),
        ([lesion(22, DAY + "T10:00:00Z"), lesion(22, DAY + "T10:05:00Z")], T),
        ([lesion(22, DAY + "T10:00:00Z"), lesion(22, DAY + "T10:05:00Z"), lesion(22, DAY)], U),
        ([sheet(22, 22)], T),
        ([sheet(22), sheet(22)], U),
        ([sheet(22, 22), sheet(22, 22), count(2)], T),
        ([sheet(6, 6), sheet(6, 6), count(2)], F),
        ([sheet(22, 22), lesion(22), count(2)], T),
    ],
)
def test_a_lesion_sent_again_is_one_lesion(entries: list[Any], truth: Truth) -> None:
    assert answered(*entries).truth is truth


# --- lymph nodes


@pytest.mark.parametrize("site", ["Ganglion mésentérique", "adénopathie", "Lymph node", "ADENOPATHIE coeliaque"])
@pytest.mark.parametrize(
    ("others", "truth", "reason"),
    [
        ([lesion(6)], U, Reason.ASKS),
        ([lesion(12)], T, None),
        ([lesion(6), count(2)], U, Reason.ASKS),
        ([count(1)], F, None),
    ],
)
def test_a_lymph_node_is_counted_but_not_measurable(
    site: str, others: list[Any], truth: Truth, reason: Reason | None
) -> None:
    assert outcome(answered(lesion(22, site=site), *others)) == (truth, reason)


def test_a_body_site_is_read_from_its_coding_too() -> None:
    body = {"coding": [{"system": "urn:x", "code": "1", "display": "ganglions"}]}

    assert answered(lesion(22, bodySite=body), lesion(6)).reason is Reason.ASKS


def test_a_small_lymph_node_is_not_measurable_for_sure() -> None:
    assert answered(lesion(8, site="ganglion"), lesion(6), count(2)).truth is F


# --- which assessment


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([lesion(22, "2024-01-01"), lesion(14, "2024-01-01")], T, None),
        ([lesion(22, "2025-01-01"), lesion(14, "2025-01-01"), lesion(6), count(1)], F, None),
        ([lesion(6, "2025-01-01"), count(1, "2025-01-01"), lesion(22), lesion(14)], T, None),
        ([lesion(22, "2025-01-01"), lesion(14)], U, Reason.NO_DATA),
        ([lesion(22, "2025-01-01"), lesion(14, "2025-01-01"), count(5)], U, Reason.NO_DATA),
        ([lesion(22, DAY + "T08:00:00Z"), lesion(14, DAY + "T20:00:00Z")], T, None),
        ([lesion(22, DAY + "T08:00:00Z"), lesion(14, DAY + "T22:30:00Z")], U, Reason.NO_DATA),
        ([lesion(22), lesion(14), lesion(3, "2025-06-02"), count(1, "2025-06-02")], T, None),
        ([lesion(22, "2025-06-01"), lesion(14, "2025-06-01")], T, None),
        ([lesion(22), lesion(14), lesion(6, "2025-05")], U, Reason.IMPRECISE_DATE),
        ([lesion(22), lesion(14), lesion(6, "2025-04")], T, None),
        ([lesion(22), lesion(14), lesion(6, "2025-06")], U, Reason.IMPRECISE_DATE),
        ([lesion(22), lesion(14), lesion(6, None)], U, Reason.IMPRECISE_DATE),
        ([lesion(22), lesion(14), lesion(6, None, issued="2025-05-19T10:00:00Z")], T, None),
        ([lesion(22, "2025-05"), lesion(14, "2025-05")], U, Reason.IMPRECISE_DATE),
    ],
)
def test_the_latest_assessment_counts(entries: list[Any], truth: Truth, reason: Reason | None) -> None:
    assert outcome(answered(*entries)) == (truth, reason)


@pytest.mark.parametrize(("status", "truth"), [("amended", T), ("corrected", T), ("cancelled", U), ("unknown", U)])
def test_only_usable_lesions_count(status: str, truth: Truth) -> None:
    assert answered(lesion(22), lesion(14, status=status)).truth is truth


def test_preliminary_lesions_are_shown_only() -> None:
    found = answered(lesion(22, status="preliminary", id="a"), lesion(14, status="registered", id="b"))

    assert (outcome(found), found.evidence) == ((U, Reason.STATUS), ())
    assert [item.reference for item in found.context] == ["Observation/a", "Observation/b"]


# --- CT and MR only


@pytest.mark.parametrize(
    ("entry", "counts"),
    [
        (study("CT"), True),
        (study("MR"), True),
        (study("PT"), False),
        (study("US"), False),
        (study("PT", "CT"), True),
        (study("NM", "PT"), False),
        (study(), True),
        (study(identity="elsewhere"), True),
        (study(series=[{"modality": {"code": "PT"}}]), False),
        (study(series=[{"modality": {"code": "PT"}}, {"modality": {"code": "ct"}}]), True),
        (study(modality=[{"coding": [{"code": "PT"}]}]), False),
        (study(modality=[{"coding": [{"code": "MR"}]}]), True),
    ],
)
@pytest.mark.parametrize("tie", ["partOf", "derivedFrom"])
def test_a_lesion_of_a_study_that_is_neither_ct_nor_mr_does_not_count(entry: Any, counts: bool, tie: str) -> None:
    more: Any = {tie: to("ImagingStudy/s")}
    found = answered(entry, lesion(22, **more), lesion(14, **more))

    assert outcome(found) == ((T, None) if counts else (U, Reason.NO_DATA))


def test_a_count_of_another_imaging_does_not_count() -> None:
    assert answered(study("PT"), lesion(22), lesion(14), count(1, partOf=to("ImagingStudy/s"))).truth is T


def test_a_lesion_of_two_studies_counts_when_one_is_a_ct() -> None:
    both = [*to("ImagingStudy/s"), *to("ImagingStudy/t")]
    found = answered(study("PT"), study("CT", identity="t"), lesion(22, derivedFrom=both), lesion(14))

    assert found.truth is T


def test_other_imaging_is_not_the_latest_assessment() -> None:
    old = [lesion(22, "2025-01-01"), lesion(14, "2025-01-01")]

    assert answered(*old, study("PT"), lesion(6, partOf=to("ImagingStudy/s"))).truth is T


def test_a_report_of_a_pet_ties_its_lesions_to_it() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "imagingStudy": to("ImagingStudy/s"),
        "result": [*to("Observation/a"), *to("Observation/b")],
    }

    assert answered(study("PT"), report, lesion(22, id="a"), lesion(14, id="b")).reason is Reason.NO_DATA
    assert answered(study("CT"), report, lesion(22, id="a"), lesion(14, id="b")).truth is T


# --- of the NET


@pytest.mark.parametrize(
    ("tie", "truth", "reason"),
    [
        ({"focus": to("Condition/net")}, T, None),
        ({"focus": to("Condition/breast")}, U, Reason.NO_DATA),
        ({}, U, Reason.UNATTRIBUTED),
    ],
)
def test_lesions_must_be_of_the_net(tie: Any, truth: Truth, reason: Reason | None) -> None:
    found = answered(BREAST, lesion(22, **tie), lesion(14, **tie))

    assert outcome(found) == (truth, reason)


MINE: dict[str, Any] = {"focus": to("Condition/net")}


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([lesion(22, **MINE), lesion(14, **MINE), lesion(6)], T, None),
        ([lesion(22, **MINE), lesion(14)], U, Reason.UNATTRIBUTED),
        ([lesion(6, **MINE), count(1, **MINE), lesion(22)], U, Reason.UNATTRIBUTED),
        ([lesion(22, **MINE), count(1, **MINE), lesion("voir CR", **MINE), count(1)], U, Reason.UNATTRIBUTED),
        ([lesion(22, "2025-01-01", **MINE), lesion(14, "2025-01-01", **MINE), lesion(6)], U, Reason.UNATTRIBUTED),
        ([lesion(22, "2025-01-01"), lesion(22, **MINE), lesion(14, **MINE)], T, None),
        ([lesion(30, **MINE), count(1, **MINE), count(1, id="loose")], F, None),
    ],
)
def test_lesions_of_nobody_knows_which_tumour_decide_only_what_the_others_say_too(
    entries: list[Any], truth: Truth, reason: Reason | None
) -> None:
    assert outcome(answered(BREAST, *entries)) == (truth, reason)


# --- evidence, order, what is later


def test_the_evidence_is_the_whole_latest_assessment() -> None:
    found = answered(
        lesion(9, "2025-01-01", id="old"),
        lesion(Decimal("2.20"), unit="cm", id="a"),
        lesion(6, id="b"),
        count(2, id="n"),
    )

    shown = {(item.reference, item.value, item.converted.value if item.converted else None) for item in found.evidence}
    assert shown == {
        ("Observation/a", "2.20 cm", "22"),
        ("Observation/b", "6 mm", "6"),
        ("Observation/n", "2", "2"),
    }
    assert found.changes == frozenset()


@pytest.mark.parametrize(
    ("since", "truth", "reason", "shown"),
    [
        ("2025-05-25", U, Reason.NO_DATA, 0),
        ("2025-05-10", T, None, 2),
    ],
)
def test_what_is_later_than_a_moment_is_read_alone(since: str, truth: Truth, reason: Reason | None, shown: int) -> None:
    moment = parse_when(since)
    assert moment is not None
    found = answer_measurable(NODE, at(NET, lesion(22), lesion(14)).since(moment))

    assert (outcome(found), len(found.evidence)) == ((truth, reason), shown)


def test_the_study_of_a_later_lesion_is_known_from_the_whole_record() -> None:
    moment = parse_when("2025-05-10")
    assert moment is not None
    pet = study("PT", started="2025-05-01")
    tied = [lesion(value, partOf=to("ImagingStudy/s")) for value in (22, 14)]

    assert answer_measurable(NODE, at(NET, pet, *tied).since(moment)).reason is Reason.NO_DATA


def test_order_does_not_matter() -> None:
    entries = [lesion(22, id="a"), lesion(22, id="b"), lesion(6, id="c"), count(2, id="n"), count(3, id="m")]
    found = {answer_measurable(NODE, at(NET, *order)) for order in itertools.permutations(entries)}

    assert [answer.truth for answer in found] == [T]
