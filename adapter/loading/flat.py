"""In: one row of a table. Out: the fields of a laboratory result, an infusion or an event, as `parse_entity` takes them."""

from __future__ import annotations

import re
from typing import Any, Final

from adapter.loading.cells import Row, told
from adapter.loading.columns import LOINC, column_of
from adapter.loading.target import Rules, Target
from mappings.entities import EventKind

__all__ = ["cell_of", "event_of", "infusion_of", "lab_of", "patient_of"]

_ATC: Final = "http://www.whocc.no/atc"
_SNOMED: Final = "http://snomed.info/sct"
_CODE = re.compile(r"codes(?:\[(?P<at>\d+)\](?:\.(?P<part>\w+))?)?")
Told = dict[str, Any]


def lab_of(row: Row, target: Target) -> Told:
    """The fields of a `LabResult`."""
    return _without_none(
        id=told(system=row.text("id_system", target.own_system("result")), value=row.needed("id")),
        patient=patient_of(row, target),
        codes=_codes(row),
        effective=row.needed("effective"),
        value=row.amount("value"),
        low=row.amount("low"),
        high=row.amount("high"),
        laboratory=told(system=row.text("laboratory_system"), value=row.text("laboratory")),
        interpretation=row.words("interpretation"),
        **{name: row.text(name) for name in _LAB_TEXTS},
    )


_LAB_TEXTS: Final = (
    "status", "comparator", "unit", "unit_text", "text", "absent", "range_text", "name", "subject", "issued", "specimen",
)  # fmt: skip


def infusion_of(row: Row, target: Target) -> Told:
    """The fields of an `Infusion`."""
    pause = _parts(row, "interruption", "start", "end", "reason")
    route = row.text("route")
    if route is None and (row.text("route_system") or row.text("route_display")):
        raise row.fault("route", "is missing")
    amino = told(
        product=row.text("amino_product"),
        start=row.text("amino_start"),
        end=row.text("amino_end"),
        volume=row.amount("amino_volume"),
    )
    product = {"system": row.text("product_system", _ATC), "code": row.needed("product")}
    return _without_none(
        id=told(system=row.text("id_system", target.own_system("infusion")), value=row.needed("id")),
        patient=patient_of(row, target),
        product=product | (told(display=row.text("product_display")) or {}),
        status=row.needed("status"),
        route=route and told(system=row.text("route_system", _SNOMED), code=route, display=row.text("route_display")),
        batch=_parts(row, "batch", "number", "expires"),
        amino_acids=amino,
        interruptions=None if pause is None else [pause],
        extravasation=told(occurred=row.answer("extravasation"), note=row.text("extravasation_note")),
        performer=told(system=row.text("performer_system"), value=row.text("performer")),
        **{name: row.count(name) for name in ("course", "cycle")},
        **{name: row.amount(name) for name in ("prescribed", "administered", "calibrated", "rate")},
        **{name: row.text(name) for name in _INFUSION_TEXTS},
    )


_INFUSION_TEXTS: Final = (
    "product_text", "start", "end", "planned", "calibration_time", "body_site", "status_reason", "subject", "note",
)  # fmt: skip


def event_of(row: Row, rules: Rules) -> Told:
    """The fields of a `SubjectEvent`; whether something is given in an arm is the study's to say."""
    arm = row.text("arm")
    kind = row.needed("event")
    intervention = None
    if kind == EventKind.RANDOMISED and arm is not None:
        # An arm that is not the study's is refused with the subject, where the study is not known as well.
        intervention = (rules.arms or {}).get(arm, False)
    return _without_none(
        kind=kind,
        on=row.needed("on"),
        reason=row.text("reason"),
        cycle=row.count("cycle"),
        arm=arm,
        intervention=intervention,
        visit=row.count("visit"),
    )


def patient_of(row: Row, target: Target) -> Told:
    """The hospital's own number of the person."""
    value = row.needed("patient")
    otherwise = "is missing, and the settings give no identifier_system for this site"
    return {"system": row.needed("patient_system", target.identifier_system, otherwise=otherwise), "value": value}


def cell_of(kind: str, path: str, row: Row) -> str | None:
    """The column of a row that fills the field which an `EntityError` names."""
    code = _CODE.fullmatch(path)
    if kind != "labs" or code is None:
        return column_of(kind, path)
    is_local = int(code["at"] or 0) == 1 or (row.text("loinc") is None and row.text("local_code") is not None)
    if not is_local:
        return "loinc"
    return f"local_{code['part'] or 'code'}"


def _codes(row: Row) -> list[Told]:
    codes: list[Told] = []
    if (loinc := row.text("loinc")) is not None:
        codes.append({"system": LOINC, "code": loinc})
    local = told(system=row.text("local_system"), code=row.text("local_code"), display=row.text("local_display"))
    if local is not None:
        for part in ("code", "system"):
            row.needed(f"local_{part}", otherwise="is missing: a local code and the URI of its system belong together")
        codes.append(local)
    return codes


def _parts(row: Row, prefix: str, *names: str) -> Told | None:
    return told(**{name: row.text(f"{prefix}_{name}") for name in names})


def _without_none(**fields: Any) -> Told:
    return told(**fields) or {}
