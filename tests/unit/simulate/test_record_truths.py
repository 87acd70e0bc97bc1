"""In: imaging, papers, allergies and participations in the story's words. Out: the truths of the worded vectors."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from adapter.simulate import allergies, consents, covers, lesions, participation, sstr
from adapter.simulate.allergies import Allergy, hypersensitive
from adapter.simulate.attestations import Answer, counts_from, not_before
from adapter.simulate.consents import Paper, consented
from adapter.simulate.covers import Cover, affiliated
from adapter.simulate.decision import decided
from adapter.simulate.facts import Days, the_day, the_month, the_year
from adapter.simulate.lesions import Count, Lesion, measurable
from adapter.simulate.participation import Part, taking_part
from adapter.simulate.sstr import Exam, Finding, positive

ON = date(2025, 6, 30)


@pytest.mark.parametrize(
    ("kind", "truths"),
    [
        ("met", "TTT"),
        ("met-study", "TTT"),
        ("met-report", "TTT"),
        ("untied", "TTT"),
        ("first-day", "TTT"),
        ("day-before", "UUU"),
        ("percent-80", "TFT"),
        ("percent-89", "TFT"),
        ("krenning-1", "TTF"),
        ("below-liver", "TTF"),
        ("at-liver", "TTT"),
        ("disagree", "TTU"),
        ("disagree-and-few", "TFU"),
        ("values-missing", "TUU"),
        ("percent-only", "TTU"),
        ("copper", "UUU"),
        ("glucose-pet", "UUU"),
        ("older-values", "TUU"),
        ("later-counts", "TTT"),
        ("same-day", "TTT"),
        ("tied-elsewhere", "TUU"),
        ("not-done", "UUU"),
        ("cancelled", "UUU"),
        ("preliminary", "TUU"),
        ("future", "UUU"),
        ("month", "TTT"),
        ("year", "UUU"),
        ("none", "UUU"),
    ],
)
def test_receptor_imaging_gives_the_parts_of_its_latest_examination(kind: str, truths: str) -> None:
    assert "".join(positive(ON, *sstr.KINDS[kind][1](ON))) == truths


def test_receptor_imaging_window_opens_on_the_clamped_day() -> None:
    def found(day: date) -> str:
        exam = Exam(the_day(day))
        return positive(ON, [exam], [Finding("percent", "90", exam.days), Finding("krenning", "2", exam.days)])[0]

    assert (found(date(2025, 2, 28)), found(date(2025, 2, 27)), found(ON)) == ("T", "U", "T")


@pytest.mark.parametrize(
    ("kind", "truth"),
    [
        ("met", "T"),
        ("two", "T"),
        ("narrative", "U"),
        ("single", "F"),
        ("single-uncounted", "U"),
        ("ten-and-six", "T"),
        ("under-ten", "F"),
        ("under-ten-uncounted", "U"),
        ("under-ten-of-more", "U"),
        ("count-alone", "U"),
        ("count-below", "U"),
        ("node-alone", "U"),
        ("node-beside", "T"),
        ("small-node", "F"),
        ("older-larger", "F"),
        ("later-larger", "T"),
        ("components", "T"),
        ("equal-components", "T"),
        ("sent-twice", "U"),
        ("sent-twice-counted", "F"),
        ("equal-sizes", "T"),
        ("ultrasound", "U"),
        ("ultrasound-later", "T"),
        ("pet-with-ct", "T"),
        ("centimetres", "T"),
        ("centimetres-under", "F"),
        ("preliminary", "U"),
        ("error-last", "T"),
        ("future", "T"),
    ],
)
def test_lesions_are_measurable_as_the_specification_says(kind: str, truth: str) -> None:
    assert measurable(*lesions.KINDS[kind][1]()) == truth


def test_lesions_of_no_certain_tumour_decide_nothing() -> None:
    assert measurable([Lesion("30")], [Count(1)], attributed=False) == "U"


@pytest.mark.parametrize(
    ("kind", "truth"),
    [
        ("met", "T"),
        ("same-day", "T"),
        ("day-after", "U"),
        ("policy", "T"),
        ("by-subject", "T"),
        ("reuse", "U"),
        ("care-named", "U"),
        ("rejected", "F"),
        ("withdrawn", "F"),
        ("signed-again", "T"),
        ("deny", "F"),
        ("over", "U"),
        ("over-today", "T"),
        ("not-begun", "U"),
        ("draft", "U"),
        ("error", "U"),
        ("error-beside", "T"),
        ("undated", "U"),
        ("disagree", "U"),
        ("withdrawn-later", "T"),
    ],
)
def test_consent_is_the_latest_paper_of_the_trial(kind: str, truth: str) -> None:
    assert consented(consents.KINDS[kind][1]) == truth


def test_consent_of_two_hours_is_that_of_the_later_one() -> None:
    assert consented([Paper("inactive", 3, minute=500), Paper("active", 3, minute=900)]) == "T"


@pytest.mark.parametrize(
    ("kind", "truth"),
    [
        ("met", "T"),
        ("act-code", "T"),
        ("local-code", "T"),
        ("payor-cpam", "T"),
        ("payor-msa", "T"),
        ("none", "U"),
        ("ended-yesterday", "U"),
        ("ends-today", "T"),
        ("starts-today", "T"),
        ("starts-tomorrow", "U"),
        ("ended-and-renewed", "T"),
        ("aid", "U"),
        ("aid-by-cpam", "U"),
        ("no-period", "U"),
        ("draft", "U"),
        ("cancelled", "U"),
        ("complementary", "U"),
    ],
)
def test_cover_is_compulsory_active_and_of_the_day(kind: str, truth: str) -> None:
    assert affiliated(covers.KINDS[kind][1]) == truth


def test_cover_of_two_kinds_needs_one_that_holds() -> None:
    assert affiliated([Cover("", aid=True), Cover("act")]) == "T"


@pytest.mark.parametrize(
    ("kind", "truth"),
    [
        ("none", "U"),
        ("none-known", "F"),
        ("penicillin", "U"),
        ("octreotide", "T"),
        ("lanreotide", "T"),
        ("lutathera", "T"),
        ("unconfirmed", "U"),
        ("unverified", "U"),
        ("no-type", "U"),
        ("amino-acids", "U"),
        ("vomiting", "U"),
        ("intolerant", "U"),
        ("resolved", "U"),
        ("refuted", "U"),
        ("none-known-beside", "U"),
        ("none-known-beside-open", "U"),
        ("none-known-unconfirmed", "U"),
        ("recorded-later", "U"),
        ("begun-before", "T"),
        ("two", "T"),
    ],
)
def test_allergy_counts_when_confirmed_and_of_the_study(kind: str, truth: str) -> None:
    assert hypersensitive(allergies.KINDS[kind][1]) == truth


def test_allergy_that_none_is_known_stands_beside_what_does_not_count() -> None:
    assert hypersensitive([*allergies.KINDS["none-known"][1], Allergy("Pénicilline")]) == "F"


@pytest.mark.parametrize(
    ("kind", "truth"),
    [
        ("none", "U"),
        ("intervention", "T"),
        ("observed-arm", "T"),
        ("no-start", "T"),
        ("starts-later", "U"),
        ("runs-but-ended", "U"),
        ("observational", "U"),
        ("unknown-kind", "U"),
        ("lost-study", "U"),
        ("ended-thirty", "T"),
        ("ended-thirty-one", "U"),
        ("follow-up", "T"),
        ("ended-openly", "U"),
        ("ended-month", "U"),
        ("screening", "U"),
        ("ineligible", "U"),
        ("screening-beside", "T"),
    ],
)
def test_participation_counts_when_interventional_and_within_thirty_days(kind: str, truth: str) -> None:
    on = date(2025, 6, 20)

    assert taking_part(on, participation.KINDS[kind][1](on)) == truth


def test_participation_ending_after_the_day_overlaps_it() -> None:
    assert taking_part(ON, [Part("off-study", end=the_day(ON + timedelta(days=9)))]) == "T"


@pytest.mark.parametrize(
    ("said_of", "progressed", "truth"),
    [
        (date(2025, 3, 1), the_day(date(2025, 3, 2)), "U"),
        (date(2025, 3, 2), the_day(date(2025, 3, 2)), "T"),
        (None, the_day(date(2025, 6, 29)), "U"),
        (None, the_day(date(2025, 6, 28)), "T"),
        (date(2025, 3, 1), None, "T"),
        (date(2025, 3, 1), the_month(date(2025, 3, 9)), "T"),
        (date(2024, 12, 31), the_year(date(2025, 3, 9)), "U"),
    ],
)
def test_board_must_decide_after_the_progression(said_of: date | None, progressed: Days | None, truth: str) -> None:
    assert decided(Answer("T", date(2025, 6, 28)), said_of, progressed) == truth


def test_board_that_refused_before_the_progression_still_refused() -> None:
    assert decided(Answer("F", date(2025, 6, 1)), None, the_day(ON)) == "F"


@pytest.mark.parametrize(
    ("link", "first"),
    [
        ("I08", date(2025, 6, 2)),
        ("I09.b", date(2025, 2, 28)),
        ("E10", date(2024, 6, 30)),
        ("E16", date(2025, 5, 31)),
        ("E17", date(2020, 6, 30)),
        ("I14", date.min),
        ("I02.c", date.min),
    ],
)
def test_attestation_counts_as_far_back_as_its_sentence_looks(link: str, first: date) -> None:
    assert counts_from(link, ON) == first


@pytest.mark.parametrize(
    ("how", "newest", "kept"),
    [
        ("by-role-no", 5, "by-role-no"),
        ("by-role-no", 4, "today-no"),
        ("stale-yes", 89, "today-yes"),
        ("draft-yes", 0, "draft-yes"),
        ("clash", 3, "none"),
        ("none", 0, "none"),
    ],
)
def test_attestation_comes_after_every_record(how: str, newest: int, kept: str) -> None:
    assert not_before(how, ON - timedelta(days=newest), ON) == kept
