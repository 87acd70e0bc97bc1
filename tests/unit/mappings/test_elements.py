"""In: pieces of resources. Out: proof of what is read of them, and of what survives an update on which side."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.fhir import FhirVersion, Json
from adapter.fhir.compare import differences
from mappings import infusion as infusions_mapper
from mappings import laboratory
from mappings.elements import (
    EXTENSION,
    bundle_of,
    business_identifiers,
    full_url,
    main_resource,
    patient_reference,
    resources_in,
)
from mappings.entities import Identifier
from mappings.foreign import Element, MappingError
from mappings.updating import carry_over, exceeded
from tests.support.entity_infusion import infusions
from tests.support.entity_laboratory import lab_results

OWNED = frozenset({"status", "identifier", "subject", "code", "value", "part", "urn:hl7:ours"})
WARD = {"url": "https://hospital.example/ward", "valueString": "B2"}
ROOM = {"url": "https://hospital.example/room", "valueString": "7"}


def ours(name: str, value: object = 1) -> Json:
    return {"url": f"{EXTENSION}{name}", "valueInteger": value}


def carried(told: Json, theirs: Json) -> Json:
    return carry_over(told, theirs, owned=OWNED)


# --- what survives an update --------------------------------------------------------------------------------------


def test_element_that_no_mapper_speaks_of_stays_with_its_extensions() -> None:
    theirs = {
        "status": "final",
        "note": [{"text": "a"}],
        "device": {"x": 1},
        "_issued": {"extension": [WARD]},
        "id": "7",
    }

    assert carried({"status": "amended"}, theirs) == theirs | {"status": "amended"}


def test_element_of_ours_that_we_no_longer_write_goes_with_its_extensions() -> None:
    assert carried({}, {"status": "final", "_status": {"extension": [WARD]}}) == {}


def test_extension_beside_a_value_stays_as_long_as_the_value() -> None:
    theirs = {"status": "final", "_status": {"extension": [WARD]}}

    assert carried({"status": "final"}, theirs) == theirs
    assert carried({"status": "amended"}, theirs) == {"status": "amended"}


def test_foreign_extension_stays_in_its_place_and_ours_in_our_order() -> None:
    theirs = {"extension": [WARD, ours("a"), ROOM, ours("b")]}

    assert carried({"extension": [ours("a", 2), ours("b")]}, theirs) == {
        "extension": [WARD, ours("a", 2), ROOM, ours("b")]
    }
    assert carried({"extension": [ours("b", 3), ours("c")]}, theirs) == {
        "extension": [WARD, ours("b", 3), ROOM, ours("c")]
    }
    assert carried({}, theirs) == {"extension": [WARD, ROOM]}
    assert carried({"extension": [ours("a")]}, {}) == {"extension": [ours("a")]}


def test_extension_that_is_ours_by_its_url_goes_when_we_drop_it() -> None:
    assert carried({}, {"extension": [{"url": "urn:hl7:ours", "valueString": "x"}, WARD]}) == {"extension": [WARD]}


def test_extension_that_is_ours_by_its_url_goes_from_an_element_too() -> None:
    theirs = {"part": [{"text": "a", "extension": [{"url": "urn:hl7:ours", "valueString": "of a"}, WARD]}]}

    assert carried({"part": [{"text": "b"}]}, theirs) == {"part": [{"text": "b", "extension": [WARD]}]}


def test_complex_extensions_with_one_url_do_not_mix() -> None:
    def event(kind: str, **more: str) -> Json:
        parts = [
            {"url": "kind", "valueCode": kind},
            *({"url": name, "valueCode": value} for name, value in more.items()),
        ]
        return {"url": f"{EXTENSION}event", "extension": parts}

    told = {"extension": [event("a"), event("b", reason="E07"), event("c")]}

    assert carried(told, {"extension": [event("a"), event("b", reason="E07")]}) == told
    assert carried(told, {"extension": [event("b", reason="E08"), event("a"), WARD]}) == {
        "extension": [event("a"), event("b", reason="E07"), WARD, event("c")]
    }


def test_part_of_a_complex_extension_that_we_drop_goes() -> None:
    whole = {
        "url": "urn:hl7:ours",
        "extension": [{"url": "name", "valueString": "a"}, {"url": "note", "valueString": "b"}],
    }
    part = {"url": "urn:hl7:ours", "extension": [{"url": "name", "valueString": "a"}]}

    assert carried({"extension": [part]}, {"extension": [whole]}) == {"extension": [part]}


def test_further_identifiers_stay_in_their_place_and_ours_keeps_what_was_added_to_it() -> None:
    theirs = {
        "identifier": [{"system": "h", "value": "1"}, {"system": "o", "value": "2", "assigner": {"display": "x"}}]
    }

    assert carried({"identifier": [{"system": "o", "value": "2"}]}, theirs) == theirs
    assert carried({"identifier": [{"system": "o", "value": "3"}]}, theirs)["identifier"] == [
        *theirs["identifier"],
        {"system": "o", "value": "3"},
    ]


def test_single_identifier_is_ours_with_what_was_added_to_it() -> None:
    theirs = {"identifier": {"system": "o", "value": "2", "use": "usual"}}

    assert carried({"identifier": {"system": "o", "value": "2"}}, theirs) == theirs
    assert carried({"identifier": {"system": "o", "value": "3"}}, theirs) == {
        "identifier": {"system": "o", "value": "3"}
    }


def test_what_the_server_says_beyond_ours_stays_unless_it_is_to_be_exact() -> None:
    told = {"subject": {"type": "Patient"}, "code": {"coding": [{"code": "1"}]}}
    theirs = {"subject": {"type": "Patient", "display": "A"}, "code": {"coding": [{"code": "0"}, {"code": "1"}]}}

    assert exceeded(told, theirs) == {"subject", "code"}
    assert carried(told, theirs) == theirs
    assert carry_over(told, theirs, owned=OWNED, exact=frozenset({"code"})) == theirs | {"code": told["code"]}
    assert exceeded(told, told) == frozenset()


def test_changed_element_keeps_foreign_extensions_and_nothing_else_of_the_old_one() -> None:
    theirs = {"value": {"value": 1, "comparator": "<", "extension": [WARD, ours("x")], "id": "a"}}

    assert carried({"value": {"value": 2}}, theirs) == {"value": {"value": 2, "extension": [WARD], "id": "a"}}


def test_foreign_extension_within_a_list_stays_with_the_element_of_the_same_key() -> None:
    theirs = {"code": {"coding": [{"system": "s", "code": "2", "extension": [WARD]}, {"system": "s", "code": "1"}]}}
    told = {"code": {"coding": [{"system": "s", "code": "3"}, {"system": "s", "code": "2"}]}}

    assert carried(told, theirs)["code"]["coding"] == [
        {"system": "s", "code": "3"},
        {"system": "s", "code": "2", "extension": [WARD]},
    ]


def test_elements_without_a_key_are_paired_by_their_place_where_there_are_as_many() -> None:
    theirs = {"part": [{"text": "a", "extension": [WARD]}, {"text": "b"}]}

    assert carried({"part": [{"text": "x"}, {"text": "b"}]}, theirs)["part"][0] == {"text": "x", "extension": [WARD]}
    assert carried({"part": [{"text": "x"}]}, theirs)["part"] == [{"text": "x"}]


def test_narrative_goes_where_it_was_generated_and_stays_where_a_person_wrote_it() -> None:
    generated, written = {"status": "generated", "div": "x"}, {"status": "additional", "div": "x"}

    assert carried({"status": "final"}, {"text": generated}) == {"status": "final"}
    assert carried({"status": "final"}, {"text": written}) == {"status": "final", "text": written}


def test_true_is_not_1_and_amounts_are_by_value() -> None:
    assert carried({"value": {"a": True}}, {"value": {"a": 1, "b": 2}}) == {"value": {"a": True}}
    assert carried({"value": {"a": Decimal("1.0")}}, {"value": {"a": 1, "b": 2}}) == {"value": {"a": 1, "b": 2}}


def test_neither_side_is_changed_by_carrying_over() -> None:
    told = {"subject": {"a": 1}, "extension": [ours("a")], "identifier": [{"system": "o", "value": "2"}]}
    theirs = {"subject": {"a": 2, "extension": [WARD]}, "extension": [WARD], "identifier": []}
    kept = copy.deepcopy((told, theirs))

    carried(told, theirs)

    assert (told, theirs) == kept


def _lab(version: FhirVersion) -> tuple[Callable[[Any], Json], Callable[[Json], Any], Any]:
    return lambda one: laboratory.to_fhir(one, version=version), laboratory.from_fhir, laboratory.OWNED[version]


def _infusion(version: FhirVersion) -> tuple[Callable[[Any], Json], Callable[[Json], Any], Any]:
    def mapped(one: Any) -> Json:
        return infusions_mapper.to_fhir(one, version=version)

    return mapped, infusions_mapper.from_fhir, infusions_mapper.OWNED[version]


def _exact(told: Json, theirs: Json, owned: frozenset[str]) -> Json:
    return carry_over(told, theirs, owned=owned, exact=exceeded(told, theirs))


@given(before=lab_results(), after=lab_results(), version=st.sampled_from(FhirVersion))
@settings(max_examples=60, deadline=None)
def test_result_over_an_older_one_is_the_newer_one_alone(before: Any, after: Any, version: FhirVersion) -> None:
    to_fhir, from_fhir, owned = _lab(version)
    told = to_fhir(after)

    merged = _exact(told, to_fhir(before), owned["Observation"])

    # What a further identifier is, nobody here knows: it stays.
    merged["identifier"] = [one for one in merged["identifier"] if one in told["identifier"]]
    assert differences(told, merged) == []
    assert from_fhir(merged) == after


@given(before=infusions(), after=infusions(), version=st.sampled_from(FhirVersion))
@settings(max_examples=60, deadline=None)
def test_infusion_over_an_older_one_is_the_newer_one_alone(before: Any, after: Any, version: FhirVersion) -> None:
    to_fhir, _, owned = _infusion(version)
    told, old = main_resource(to_fhir(after)), main_resource(to_fhir(before))

    merged = _exact(told, old, owned["MedicationAdministration"])

    merged["identifier"] = [one for one in merged["identifier"] if one in told["identifier"]]
    assert differences(told, merged) == []


@given(one=infusions(), version=st.sampled_from(FhirVersion))
@settings(max_examples=40, deadline=None)
def test_update_with_the_same_changes_nothing_there(one: Any, version: FhirVersion) -> None:
    to_fhir, _, owned = _infusion(version)
    for _, told in resources_in(to_fhir(one)):
        theirs = told | {"note2": 1, "extension": [WARD, *told.get("extension", []), ROOM], "id": "7"}

        assert exceeded(told, theirs) == frozenset()
        assert carry_over(told, theirs, owned=owned[told["resourceType"]]) == theirs


# --- reading --------------------------------------------------------------------------------------------------------


def test_reading_gives_what_is_there() -> None:
    found = Element(
        {
            "resourceType": "Basic",
            "id": "7",
            "flag": False,
            "count": 3,
            "value": Decimal("1.10"),
            "subject": {"identifier": {"system": "s:x", "value": "1"}},
            "names": ["a"],
            "extension": [ours("a"), WARD],
            "identifier": [{"value": "without a system"}, {"system": "s:x", "value": "2"}],
            "code": {"coding": [{"system": "s:x", "code": "c"}, {"display": "alone"}]},
        }
    )

    assert (found.reference, found.flag("flag"), found.decimal("count")) == ("Basic/7", False, Decimal(3))
    assert found.whole("count") == 3
    assert (found.decimal("value"), found.texts("names"), found.texts("none")) == (Decimal("1.10"), ["a"], [])
    assert found.identified("subject") == Identifier(system="s:x", value="1")
    assert (found.identified("none"), found.child("none"), found.children("none")) == (None, None, [])
    assert [one.value for one in found.identifiers()] == ["2"]
    extension, code = found.extension("a"), found.child("code")
    assert extension is not None and extension.whole("valueInteger") == 1 and extension.path == "extension[0]"
    assert code is not None and [one.code for one in code.codings()] == ["c"]
    assert code.codings(systems=frozenset({"other"})) == []


@pytest.mark.parametrize(
    "read",
    [
        lambda found: found.text("x"),
        lambda found: found.flag("x"),
        lambda found: found.whole("x"),
        lambda found: found.decimal("x"),
        lambda found: found.child("x"),
        lambda found: found.texts("x"),
        lambda found: found.children("y"),
        lambda found: found.children("z"),
        lambda found: found.needed("none"),
        lambda found: found.refuse_modifiers(),
    ],
)
def test_element_of_another_form_is_refused_by_its_path_and_not_quoted(read: Callable[[Element], object]) -> None:
    content = {"x": [7], "y": "Dupont", "z": ["Dupont"], "modifierExtension": [WARD]}

    with pytest.raises(MappingError) as caught:
        read(Element({"resourceType": "Basic", "id": "7", "part": content}).child("part"))  # type: ignore[arg-type]

    assert str(caught.value).startswith("Basic/7: part.")
    assert "Dupont" not in str(caught.value)


def test_content_that_is_no_object_is_refused() -> None:
    with pytest.raises(MappingError, match="resource: /: an object is wanted"):
        Element([])  # type: ignore[arg-type]


def test_bundle_and_resource_are_taken_apart_alike() -> None:
    one, two = {"resourceType": "A"}, {"resourceType": "B"}

    assert resources_in(bundle_of([("urn:1", one), ("urn:2", two)])) == [("urn:1", one), ("urn:2", two)]
    assert resources_in(one) == [(None, one)]
    assert main_resource(bundle_of([("urn:1", one), ("urn:2", two)])) == one


def test_full_url_is_the_same_for_the_same_identifier() -> None:
    first, second = Identifier(system="s:x", value="1"), Identifier(system="s:x", value="2")

    assert full_url(first) == full_url(Identifier(system="s:x", value="1")) != full_url(second)
    assert full_url(first).startswith("urn:uuid:")


def test_business_identifiers_are_those_with_system_and_value() -> None:
    known = {"system": "s:x", "value": "1"}

    assert business_identifiers({"identifier": [{"value": "1"}, known]}) == [Identifier(system="s:x", value="1")]
    assert business_identifiers({"identifier": known}) == [Identifier(system="s:x", value="1")]
    assert business_identifiers({}) == []


def test_person_is_referred_to_by_number_only() -> None:
    assert patient_reference(Identifier(system="s:x", value="1")) == {
        "type": "Patient",
        "identifier": {"system": "s:x", "value": "1"},
    }
