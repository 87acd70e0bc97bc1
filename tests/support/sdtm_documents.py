"""SDTM documents of one small domain, made for a test: a view with a few columns, and whatever the test wants said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapter.datasets.sdtm import Documents, parse_documents
from adapter.datasets.sdtm.documents import ViewColumns
from adapter.terminology import Node

__all__ = ["COLUMNS", "VIEWS", "documents", "domain", "variable"]

#: Columns of the view ``things`` of type Observation.
COLUMNS = ("id", "version", "usubjid", "row", "code", "value", "unit", "unit_code", "effective", "encounter", "other")
VIEWS: Mapping[str, ViewColumns] = {
    "things": ViewColumns("Observation", COLUMNS, ("row", "component")),
    "others": ViewColumns("BodyStructure", ("id", "usubjid", "label")),
    "patient": ViewColumns("Patient", ("id", "usubjid", "gender", "age", "deceased", "deceased_date", "site_code")),
    "subject_event": ViewColumns(
        "ResearchSubject",
        ("id", "usubjid", "row", "position", "kind", "on", "reason", "cycle", "arm", "visit"),
        ("row", "extension('urn:reluth:extension:event')"),
    ),
    "encounter": ViewColumns("Encounter", ("id", "usubjid", "status", "visit_kind", "visit", "start", "end")),
}
_STUDY: Mapping[str, Any] = {
    "kind": "sdtm-study",
    "trial": "nct04954820",
    "study_id": "RELUTH",
    "standard": "SDTMIG 3.4",
    "study_treatment_from": "randomised",
    "reference_start": ["randomised_on"],
    "elements": [
        {"code": "SCRN", "name": "Screening", "epoch": "SCREENING", "starts": [{"event": "consented"}], "start_rule": "s", "end_rule": "e"},
        {"code": "OBS", "name": "Surveillance", "epoch": "OBSERVATION", "starts": [{"event": "randomised"}], "start_rule": "s", "end_rule": "e"},
    ],
    "arms": [{"name": "control", "code": "OBS", "label": "Surveillance", "treated": False, "steps": [{"element": "SCRN"}, {"element": "OBS"}]}],
    "visits": [
        {"number": 1, "name": "MONTH 2", "kind": "visit-follow-up", "visit": 1, "event": "visit", "day": 62, "window": {"before": 7, "after": 7}, "start_rule": "s"},
    ],
    "confirm": {"XX": "a default"},
}  # fmt: skip
_SUPP = ("STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM", "QLABEL", "QVAL", "QORIG", "QEVAL")


def variable(name: str, **changes: Any) -> dict[str, Any]:
    """A variable; a text unless it is changed."""
    told = {
        "name": name,
        "label": f"Label of {name}",
        "type": "text",
        "length": 200,
        "core": "Perm",
        "role": "Record Qualifier",
        "origin": {"type": "Collected"},
    }
    return told | changes


def domain(
    sets: Mapping[str, Any],
    variables: Sequence[Mapping[str, Any]] = (),
    *,
    source: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A document of a domain XX whose one source reads ``things``; variables that are set and not described are texts."""
    described = {one["name"] for one in variables}
    named = [*sets, *more.get("derive", ())]
    return {
        "kind": "sdtm-domain",
        "domain": "XX",
        "label": "Things",
        "class": "FINDINGS",
        "structure": "One record per thing",
        "keys": ["USUBJID", "XXSEQ"],
        "version": "1.0.0",
        "sources": [{"id": "thing", "view": "things", "set": dict(sets), **(source or {})}],
        "variables": [
            variable("USUBJID"),
            variable("XXSEQ", type="integer", length=8),
            *(variable(name) for name in named if name not in described),
            *variables,
        ],
        **more,
    }


def documents(*domains: Mapping[str, Any], codelists: Mapping[str, Any] | None = None, **changes: Any) -> Documents:
    """All SDTM documents with these domains; ``changes`` are of the study's document."""
    files = {
        "study.yaml": dict(_STUDY) | changes,
        "supp.yaml": {"kind": "sdtm-supplemental", "variables": [variable(name) for name in _SUPP]},
        **{f"{at}.yaml": dict(one) for at, one in enumerate(domains)},
    }
    if codelists is not None:
        files["codelists.yaml"] = {"kind": "sdtm-codelists", "codelists": codelists}
    return parse_documents({name: Node(value, f"sdtm/{name}") for name, value in files.items()}, VIEWS)
