"""In: records that raise the question of a criterion. Out: whether they are shown beside an open answer, and never decide it."""

from __future__ import annotations

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.answer import Answer, Evidence
from adapter.criteria.answering import answer_criterion
from tests.unit.criteria.making import criterion, scene, tiny

T, F, U = Truth.T, Truth.F, Truth.U
SUBSTANCES = {"in": ["Condition"], "codes": ["substance_use"]}
PROMPTS: dict[str, list[dict[str, Any]]] = {
    "substances": [SUBSTANCES],
    "palliative": [{"in": ["Condition"], "codes": ["palliative_care"]}],
    "documents": [{"in": ["DocumentReference"], "codes": ["rcp_document"]}],
    "guardian": [{"in": ["Flag"], "text": "tutelle|curatelle"}],
    "contraception": [{"in": ["MedicationRequest"], "text": "contracep"}],
    "both": [{"in": ["Condition", "Flag"], "codes": ["substance_use"], "text": "alcool"}],
}


def asked(prompts: str, *entries: Any, **more: Any) -> Answer:
    trial = tiny(criterion({"attested": "E14"}, "E14", prompts=PROMPTS[prompts]))
    return answer_criterion(trial.criteria[0], scene(trial, entries, **more))


def shown(prompts: str, *entries: Any, **more: Any) -> list[tuple[str, str | None]]:
    found = asked(prompts, *entries, **more)
    assert (found.truth, found.reason, found.evidence) == (U, Reason.NEEDS_ATTESTATION, ())
    return [(item.reference, item.value) for item in found.context]


def alcohol(**more: Any) -> dict[str, Any]:
    return {"condition": {"icd10": "F10.2", "onset": "2024-01-01", **more}}


@pytest.mark.parametrize(
    ("code", "prompts"),
    [
        ("F10.2", True),
        ("F16", True),
        ("F17.2", False),
        ("F18.0", True),
        ("F19.9", True),
        ("F20.0", False),
        ("F09", False),
    ],
)
def test_substance_abuse_prompts_and_tobacco_does_not(code: str, prompts: bool) -> None:
    found = shown("substances", {"condition": {"icd10": code}})

    assert found == ([("Condition/condition-1", code)] if prompts else [])


@pytest.mark.parametrize(
    ("prompts", "entry", "expected"),
    [
        ("palliative", {"condition": {"icd10": "Z51.5"}}, [("Condition/condition-1", "Z51.5")]),
        ("palliative", {"condition": {"icd10": "Z51.0"}}, []),
        ("documents", {"document": {}}, [("DocumentReference/document-1", "rcp-document")]),
        (
            "documents",
            {"document": {"term": "tumour-board-decision"}},
            [("DocumentReference/document-1", "tumour-board-decision")],
        ),
        ("documents", {"document": {"term": "other"}}, []),
        ("guardian", {"flag": {"text": "Sous Curatelle renforcée"}}, [("Flag/flag-1", None)]),
        ("guardian", {"flag": {"text": "allergie"}}, []),
        (
            "contraception",
            {"prescription": {"text": "Contraception orale"}},
            [("MedicationRequest/prescription-1", None)],
        ),
        ("contraception", {"prescription": {"atc": "G03AA07"}}, []),
        ("both", alcohol(), [("Condition/condition-1", "F10.2")]),
        ("both", {"condition": {"text": "intoxication à l'alcool"}}, [("Condition/condition-1", None)]),
        ("both", {"flag": {"text": "Alcoolisation"}}, [("Flag/flag-1", None)]),
        ("both", {"prescription": {"text": "alcool modifié"}}, []),
    ],
)
def test_a_record_is_shown_by_its_code_and_never_by_its_words(
    prompts: str, entry: dict[str, Any], expected: list[tuple[str, str | None]]
) -> None:
    assert shown(prompts, entry) == expected


@pytest.mark.parametrize(
    ("more", "prompts"),
    [
        ({"onset": "2025-06-01"}, True),
        ({"onset": "2025-06"}, True),
        ({"onset": "2025-06-02"}, False),
        ({"recorded": "2025-06-02", "onset": "2024-01-01"}, True),
        ({"verification": "unconfirmed"}, True),
        ({"verification": "refuted"}, False),
        ({"verification": "entered-in-error"}, False),
        ({"clinical": "resolved"}, True),
    ],
)
def test_a_condition_prompts_while_it_may_be_on_record(more: dict[str, Any], prompts: bool) -> None:
    assert bool(shown("substances", alcohol(**more))) is prompts


def test_a_condition_recorded_later_without_onset_does_not_prompt() -> None:
    entry = {"condition": {"icd10": "F10.2", "recorded": "2025-06-02"}}

    assert shown("substances", entry) == []
    assert shown("substances", entry, on=date(2025, 6, 2)) != []


@pytest.mark.parametrize(
    ("prompts", "entry"),
    [
        ("documents", {"document": {"date": "2025-06-02"}}),
        ("documents", {"document": {"status": "entered-in-error"}}),
        ("contraception", {"prescription": {"text": "contraception", "date": "2025-06-02"}}),
        ("contraception", {"prescription": {"text": "contraception", "status": "cancelled"}}),
        ("contraception", {"prescription": {"text": "contraception", "status": "entered-in-error"}}),
        ("guardian", {"flag": {"text": "tutelle", "status": "entered-in-error"}}),
    ],
)
def test_what_is_later_or_was_not_so_does_not_prompt(prompts: str, entry: dict[str, Any]) -> None:
    assert shown(prompts, entry) == []


@pytest.mark.parametrize(("said", "truth"), [(True, T), (False, F)])
@pytest.mark.parametrize("when", ["2024-01-01", "2025-05-25"])
def test_a_prompt_neither_contradicts_nor_reopens_an_attestation(said: bool, truth: Truth, when: str) -> None:
    found = asked("substances", alcohol(onset=when), {"attest": {"E14": said}})

    assert (found.truth, found.attested, found.context) == (truth, True, ())
    assert [item.reference for item in found.evidence] == ["QuestionnaireResponse/attestation-1"]


def test_a_decided_criterion_shows_no_prompt() -> None:
    trial = tiny(criterion({"sex": "male"}, prompts=[SUBSTANCES]))
    found = answer_criterion(trial.criteria[0], scene(trial, [alcohol()]))

    assert (found.truth, found.context) == (T, ())


def test_a_prompt_leaves_an_open_answer_as_attestable_as_it_was() -> None:
    plain, prompted = asked("substances"), asked("substances", alcohol())

    assert prompted == plain.but(context=prompted.context)
    assert plain.attestable


def test_every_prompt_is_shown_once_in_any_order() -> None:
    entries = [alcohol(id="a"), alcohol(id="b"), {"flag": {"text": "alcool", "id": "c"}}]
    found = {tuple(shown("both", *order)) for order in permutations(entries)}

    assert found == {(("Condition/a", "F10.2"), ("Condition/b", "F10.2"), ("Flag/c", None))}


def test_a_record_that_two_prompts_find_is_shown_once() -> None:
    trial = tiny(criterion({"attested": "E14"}, "E14", prompts=[SUBSTANCES, SUBSTANCES]))
    found = answer_criterion(trial.criteria[0], scene(trial, [alcohol()]))

    assert [(item.reference, item.value) for item in found.context] == [("Condition/condition-1", "F10.2")]
    assert isinstance(found.context[0], Evidence)
