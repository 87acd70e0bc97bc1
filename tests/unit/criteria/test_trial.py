"""In: a trial that was read. Out: whether its criteria, names, validities and signals are found as the documents give them."""

from __future__ import annotations

import pytest

from adapter.criteria import Truth
from adapter.criteria.attestation import FOR_GOOD, Validity
from tests.unit.criteria.making import criteria_document, criterion, parsed, reluth, tiny, trial_document

WORDS = {"fr": "a", "en": "b"}


@pytest.mark.parametrize(("truth", "passes"), [(Truth.T, True), (Truth.F, False), (Truth.U, None)])
def test_an_inclusion_passes_on_true_and_an_exclusion_on_false(truth: Truth, passes: bool | None) -> None:
    trial = tiny(criterion({"sex": "male"}), criterion({"sex": "male"}, "Y", kind="exclusion"))

    assert trial.criterion("X").passes(truth) is passes
    assert trial.criterion("Y").passes(truth) is (None if passes is None else not passes)


def test_a_trial_finds_its_criteria() -> None:
    trial = tiny(criterion({"sex": "male"}))

    assert trial.criterion("X") is trial.criteria[0]
    with pytest.raises(KeyError):
        trial.criterion("Y")


LONG, DEFAULT = Validity(months=2), Validity(days=28)


@pytest.mark.parametrize(
    ("link", "validity"),
    [("I03", FOR_GOOD), ("I03.a", FOR_GOOD), ("X.long", LONG), ("X.long.er", LONG), ("X", DEFAULT), ("I031", DEFAULT)],
)
def test_an_attestation_holds_as_long_as_the_longest_matching_entry_says(link: str, validity: Validity) -> None:
    assert tiny(criterion({"sex": "male"})).validity(link) == validity


@pytest.mark.parametrize(
    ("what", "expected"),
    [("thing", "chose"), ("hemoglobin", "hémoglobine"), ("X", "X"), ("X.a", "a"), ("nothing", "nothing")],
)
def test_what_is_wanted_has_a_name(what: str, expected: str) -> None:
    trial = tiny(criterion({"part": "a"}, parts={"a": {"label": WORDS, "rule": {"sex": "male"}}}))

    assert trial.wanted_label(what, "fr") == expected


def test_signals_carry_exact_codes_and_prefixes() -> None:
    document = trial_document()
    document["candidate_when"] = [
        {
            "id": "x",
            "label": WORDS,
            "in": ["Condition"],
            "codes": ["intestinal_primary", "net_morphology"],
            "text": "NET",
        }
    ]
    (signal,) = parsed(document, criteria_document(criterion({"sex": "male"}))).signals

    assert "http://hl7.org/fhir/sid/icd-10|C17" in signal.prefixes
    assert "http://terminology.hl7.org/CodeSystem/icd-o-3|8240/3" in signal.codes
    assert (signal.text, signal.study) == ("NET", ())


def test_the_real_trial_leaves_nothing_without_a_name() -> None:
    trial = reluth()
    wanted = {what for item in trial.criteria for what in item.wanted}

    assert {what for what in wanted if trial.wanted_label(what, "fr") == what} == set()


def test_a_signal_has_a_name_and_what_is_none_stands_for_itself() -> None:
    trial = tiny(criterion({"sex": "male"}))

    assert (trial.signal_label("tumour", "fr"), trial.signal_label("added", "fr")) == ("t", "added")
