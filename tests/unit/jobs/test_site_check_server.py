"""In: CapabilityStatements with and without what is needed. Out: what a check says that the server lacks, and how much it matters."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.client import Capability, TypeCapability
from adapter.config import SiteSettings
from adapter.jobs.check import Finding, Status
from adapter.jobs.check.server import (
    PUSHED,
    check_export,
    check_push,
    check_statement,
    check_types,
    export_level,
    formats_of,
    lacking_of,
)

WHOLE = TypeCapability(
    interactions=frozenset({"read", "search-type", "history-type", "create", "update"}),
    search_params=frozenset({"_id", "_lastUpdated", "patient", "identifier"}),
    search_includes=frozenset({"*"}),
    conditional_create=True,
    versioning="versioned",
)
TYPES = ("MedicationAdministration", "Observation", "Patient")


def _site(**more: Any) -> SiteSettings:
    return SiteSettings.model_validate({"base_url": "http://127.0.0.1/fhir", **more})


def _without(**less: set[str]) -> TypeCapability:
    return TypeCapability(
        interactions=WHOLE.interactions - less.get("interactions", set()),
        search_params=WHOLE.search_params - less.get("search_params", set()),
        search_includes=frozenset() if "search_includes" in less else WHOLE.search_includes,
    )


def _types(stated: dict[str, TypeCapability], **settings: Any) -> list[Finding]:
    capability = Capability("4.0.1", types=dict.fromkeys(TYPES, WHOLE) | stated)
    return list(check_types(capability, TYPES, _site(**settings)))


def _told(findings: list[Finding]) -> list[tuple[str, Status, object]]:
    return [(one.code, one.status, one.values.get("types")) for one in findings]


def test_a_server_that_states_all_lacks_nothing() -> None:
    assert _told(_types({})) == [("types-stated", Status.OK, None)]


def test_a_type_that_is_not_stated_is_asked_for() -> None:
    capability = Capability("4.0.1", types={"Patient": WHOLE})

    assert _told(list(check_types(capability, TYPES, _site()))) == [
        ("types-missing", Status.ASK, ("MedicationAdministration", "Observation"))
    ]
    assert lacking_of(capability, "Observation", _site()) == ()


@pytest.mark.parametrize(
    ("less", "code", "status"),
    [
        ({"interactions": {"read"}}, "lacks-interaction", Status.ASK),
        ({"interactions": {"search-type"}}, "lacks-interaction", Status.ASK),
        ({"interactions": {"history-type"}}, "lacks-history-type", Status.NOTE),
        ({"search_params": {"_lastUpdated"}}, "lacks-updated", Status.ASK),
        ({"search_params": {"_id"}}, "lacks-id", Status.ASK),
        ({"search_params": {"patient"}}, "lacks-patient", Status.NOTE),
    ],
)
def test_each_lack_is_told_once_with_all_its_types(less: dict[str, set[str]], code: str, status: Status) -> None:
    found = [one for one in _types({name: _without(**less) for name in TYPES[:2]}) if one.code == code]

    assert _told(found) == [(code, status, TYPES[:2])]


@pytest.mark.parametrize(("deletions", "expected"), [("history", [Status.ASK]), ("full", []), ("none", [])])
def test_history_is_wanted_as_far_as_deletions_are_to_be_seen_by_it(deletions: str, expected: list[Status]) -> None:
    found = _types({"Patient": _without(interactions={"history-type"})}, search={"deletions": deletions})

    assert [one.status for one in found if one.code == "lacks-history-type"] == expected


def test_a_plan_by_patient_needs_the_search_parameter() -> None:
    lacking = {"Observation": _without(search_params={"patient"})}

    assert ("lacks-patient", Status.ASK, ("Observation",)) in _told(_types(lacking, search={"plan": "patient"}))


def test_subject_is_as_good_as_patient() -> None:
    by_subject = TypeCapability(WHOLE.interactions, frozenset({"_id", "_lastUpdated", "subject"}))

    assert lacking_of(Capability("4.0.1", types={"AdverseEvent": by_subject}), "AdverseEvent", _site()) == ()


def test_types_that_are_about_nobody_need_no_patient_parameter() -> None:
    shared = TypeCapability(WHOLE.interactions, frozenset({"_id", "_lastUpdated"}))
    capability = Capability("4.0.1", types={"Medication": shared, "ResearchStudy": shared, "Patient": shared})

    assert [lacking_of(capability, name, _site()) for name in capability.types] == [(), (), ()]


@pytest.mark.parametrize(("medication", "status"), [(True, Status.NOTE), (False, Status.ASK)])
def test_medications_come_by_themselves_or_along_with_what_was_given(medication: bool, status: Status) -> None:
    stated = {"MedicationAdministration": _without(search_includes=set())}
    found = _types(stated | ({"Medication": WHOLE} if medication else {}))

    assert ("lacks-include", status, ("MedicationAdministration",)) in _told(found)


def test_an_export_needs_no_searches() -> None:
    bare = {name: TypeCapability() for name in TYPES}

    assert _told(_types(bare, mode="bulk")) == [("types-stated", Status.OK, None)]
    assert _told(list(check_types(Capability("4.0.1"), TYPES, _site(mode="bulk")))) == []


@pytest.mark.parametrize(
    ("settings", "level"),
    [({}, "patient"), ({"group": "g"}, "group"), ({"group": "g", "bulk": {"level": "system"}}, "system")],
)
def test_the_export_is_looked_for_at_the_level_that_is_asked(settings: dict[str, Any], level: str) -> None:
    site = _site(mode="bulk", **settings)
    types = {"Patient": TypeCapability(operations=frozenset({"export"}))}
    found = list(check_export(Capability("4.0.1", types=types), site))

    assert export_level(site) == level
    assert [(one.code, one.values["level"]) for one in found] == [
        ("export" if level == "patient" else "export-missing", level)
    ]
    assert list(check_export(Capability("4.0.1"), _site())) == []


def _statement(version: str, formats: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    found = check_statement(Capability(version, "Ward 1.0"), formats, fhir_version="4.0.1")
    return [(one.code, one.exit_code) for one in found]


def test_another_version_than_the_settings_say_stops_us() -> None:
    assert _statement("4.0.1") == [("statement", 0), ("version", 0)]
    assert _statement("5.0.0") == [("statement", 0), ("version-other", 2)]


@pytest.mark.parametrize(
    ("formats", "lacks"),
    [
        ((), False),
        (("application/fhir+xml", "json"), False),
        (("application/fhir+json; fhirVersion=4.0",), False),
        (("xml", "application/fhir+xml"), True),
    ],
)
def test_json_is_missing_only_where_formats_are_stated_without_it(formats: tuple[str, ...], lacks: bool) -> None:
    assert (("json-missing", 5) in _statement("4.0.1", formats)) is lacks


def test_formats_are_read_off_the_statement_whatever_it_is() -> None:
    assert formats_of(b'{"format":["json","xml",3]}') == ("json", "xml")
    assert formats_of(b'{"format":"json"}') == ()
    assert formats_of(b"<html>") == ()


def _push(stated: TypeCapability, *, transaction: bool = True, **settings: Any) -> dict[str, Status]:
    interactions = frozenset({"transaction"} if transaction else ())
    capability = Capability("4.0.1", types=dict.fromkeys(PUSHED, stated), interactions=interactions)
    return {one.code: one.status for one in check_push(capability, _site(**settings))}


@pytest.mark.parametrize(("pushes", "status"), [(True, Status.ASK), (False, Status.NOTE)])
def test_what_a_push_lacks_is_asked_for_where_there_is_to_be_one(pushes: bool, status: Status) -> None:
    bare = TypeCapability(interactions=WHOLE.interactions)

    assert _push(WHOLE) == {"push-possible": Status.OK}
    assert _push(bare, transaction=False, push_candidates=pushes) == {
        "push-transaction": status,
        "push-conditional": status,
        "push-versioning": status,
    }
    assert _push(TypeCapability(), push_candidates=pushes) == {"push-types": status}
