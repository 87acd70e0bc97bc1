"""In: what nuclear medicine tells of an infusion, with one thing wrong. Out: whether it is refused, and by the field that is wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mappings.entities import EntityError, Infusion, InfusionStatus, parse_entity

TOLD: dict[str, Any] = {
    "id": {"system": "https://hopital.example/administrations", "value": "ADM-1"},
    "patient": {"system": "https://hopital.example/ipp", "value": "147"},
    "product": {"system": "http://www.whocc.no/atc", "code": "V10XX04"},
    "status": "completed",
    "start": "2025-07-10T10:30:00+02:00",
    "end": "2025-07-10T11:00:00+02:00",
}
NOT_DONE = {"status": "not-done", "start": None, "end": None, "planned": "2025-07-10", "status_reason": "plaquettes"}


def infusion(**more: Any) -> Infusion:
    return parse_entity(Infusion, {key: value for key, value in {**TOLD, **more}.items() if value is not None})


def pause(start: str, end: str | None = None) -> dict[str, str]:
    """A pause on the day, by the times of it."""
    told = {"start": f"2025-07-10T{start}+02:00"}
    return told if end is None else {**told, "end": f"2025-07-10T{end}+02:00"}


@pytest.mark.parametrize(
    ("more", "field", "problem"),
    [
        ({"start": None}, "start", "begun"),
        ({"start": "2025-07"}, "start", "whole date"),
        ({"start": "2025-07-10T10:30+02:00"}, "start", "a date"),
        ({"end": "2025-07"}, "end", "whole date"),
        ({"end": "2025-07-10T10:29:59+02:00"}, "end", "before the beginning"),
        ({"end": "2025-07-09"}, "end", "before the beginning"),
        ({"planned": "2025-07-10"}, "planned", "not done only"),
        ({"status": "given"}, "status", "one of the codes"),
        ({"status": "stopped"}, "status_reason", "is wanted for stopped"),
        ({**NOT_DONE, "status_reason": None}, "status_reason", "is wanted for not-done"),
        ({**NOT_DONE, "planned": None}, "planned", "is wanted"),
        ({**NOT_DONE, "planned": "demain"}, "planned", "a date"),
        ({**NOT_DONE, "start": "2025-07-10"}, "start", "not done"),
        ({**NOT_DONE, "end": "2025-07-10"}, "end", "not done"),
        ({**NOT_DONE, "administered": Decimal(0)}, "administered", "not done"),
        ({**NOT_DONE, "rate": Decimal(46)}, "rate", "not done"),
        ({**NOT_DONE, "amino_acids": {"product": "Lysine", "start": "2025-07-10"}}, "amino_acids", "not done"),
        ({**NOT_DONE, "extravasation": {"occurred": False}}, "extravasation", "not done"),
        ({**NOT_DONE, "interruptions": [pause("10:40:00")]}, "interruptions[0]", "is not interrupted"),
        ({"administered": Decimal(0)}, "administered", "above 0"),
        ({"status": "stopped", "status_reason": "x", "administered": Decimal(-1)}, "administered", "below 0"),
        ({"prescribed": Decimal(0)}, "prescribed", "above 0"),
        ({"prescribed": Decimal("NaN")}, "prescribed", "finite"),
        ({"rate": Decimal("Infinity")}, "rate", "finite"),
        ({"calibrated": Decimal(-1), "calibration_time": "2025-07-10T12:00:00Z"}, "calibrated", "above 0"),
        ({"calibrated": Decimal(7400)}, "calibration_time", "belong together"),
        ({"calibration_time": "2025-07-10T12:00:00Z"}, "calibrated", "belong together"),
        ({"calibrated": Decimal(7400), "calibration_time": "2025-07-10"}, "calibration_time", "a time of day"),
        ({"course": 0}, "course", "from 1"),
        ({"cycle": 100}, "cycle", "from 1"),
        ({"batch": {"number": ""}}, "batch.number", "is empty"),
        ({"batch": {"number": "L-1", "expires": "12/2025"}}, "batch.expires", "a date"),
        ({"amino_acids": {"product": "Lysine", "start": "2025-07"}}, "amino_acids.start", "whole date"),
        (
            {"amino_acids": {"product": "Lysine", "start": "2025-07-10", "end": "2025-07-09"}},
            "amino_acids.end",
            "before the beginning",
        ),
        (
            {"amino_acids": {"product": "Lysine", "start": "2025-07-10", "volume": Decimal(0)}},
            "amino_acids.volume",
            "above 0",
        ),
        ({"interruptions": [{"start": "2025-07-10"}]}, "interruptions[0].start", "a time of day"),
        ({"interruptions": [pause("10:45:00", "10:40:00")]}, "interruptions[0].end", "before the beginning"),
        ({"interruptions": [pause("10:29:00")]}, "interruptions[0].start", "before the beginning"),
        ({"interruptions": [pause("11:01:00")]}, "interruptions[0].start", "after the end of the infusion"),
        ({"interruptions": [pause("10:50:00", "11:01:00")]}, "interruptions[0].end", "after the end of the infusion"),
        ({"interruptions": [pause("10:50:00"), pause("10:40:00")]}, "interruptions[1].start", "before it"),
        ({"interruptions": [pause("10:40:00", "10:50:00"), pause("10:45:00")]}, "interruptions[1].start", "before it"),
        ({"interruptions": [{**pause("10:40:00"), "reason": " "}]}, "interruptions[0].reason", "is empty"),
        ({"extravasation": {"note": "bras"}}, "extravasation.occurred", "is missing"),
        ({"extravasation": {"occurred": True, "note": ""}}, "extravasation.note", "is empty"),
        ({"product_text": "a\x07"}, "product_text", "control characters"),
        ({"body_site": ""}, "body_site", "is empty"),
        ({"note": "x" * 4001}, "note", "4000"),
        ({"subject": "MTP 001 "}, "subject", "a code is wanted"),
        ({"route": {"system": "IV", "code": "47625008"}}, "route.system", "absolute URI"),
        ({"performer": {"system": "urn:rpps", "value": " 1"}}, "performer.value", "white space"),
        ({"dose": Decimal(1)}, "entity", "not known"),
    ],
)
def test_an_infusion_is_refused_by_the_field_that_is_wrong(more: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(EntityError) as refused:
        infusion(**more)

    assert refused.value.field == field
    assert problem in refused.value.problem


@pytest.mark.parametrize(
    "more",
    [
        {"start": "2025-07-10", "end": "2025-07-10"},
        {"start": "2025-07-10", "end": "2025-07-10T00:00:01+02:00"},
        {"status": "in-progress", "end": None},
        {"status": "stopped", "status_reason": "malaise", "administered": Decimal(0)},
        {**NOT_DONE, "planned": "2025", "prescribed": Decimal(7400), "cycle": 4, "batch": {"number": "L-1"}},
        {"interruptions": [pause("10:30:00", "10:31:00"), pause("10:31:00"), pause("10:31:00", "11:00:00")]},
        {"calibrated": Decimal(7400), "calibration_time": "2025-07-10T12:00:00Z", "course": 1, "cycle": 99},
        {"batch": {"number": "L-1", "expires": "2025-12"}, "extravasation": {"occurred": False}},
    ],
)
def test_what_nuclear_medicine_may_tell_is_taken(more: dict[str, Any]) -> None:
    found = infusion(**more)

    assert all(getattr(found, field) is not None for field, value in more.items() if value is not None)


def test_a_measured_activity_is_never_filled_in_from_what_was_prescribed() -> None:
    assert infusion(prescribed=Decimal(7400)).administered is None


@pytest.mark.parametrize("status", [one for one in InfusionStatus if one not in ("not-done", "completed")])
def test_only_a_completed_infusion_has_to_have_given_something(status: InfusionStatus) -> None:
    assert infusion(status=status.value, status_reason="malaise", administered=Decimal(0)).administered == 0
