"""In: nothing. Out: the columns that a file of subjects, laboratory results or infusions may have, each with its field and examples.

`docs/loading.md` lists them and the templates are made of them: there is no other place to change one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from mappings.entities import Infusion, LabResult, Study, Subject

__all__ = ["COLUMNS", "LOADABLE", "LOINC", "Column", "Loadable", "column_of"]

Loadable = Study | Subject | LabResult | Infusion
#: What can be loaded; a list of candidates is made by screening, by nobody else.
LOADABLE: Final[Mapping[str, type[Loadable]]] = {
    "study": Study,
    "subjects": Subject,
    "labs": LabResult,
    "infusions": Infusion,
}
LOINC: Final = "http://loinc.org"
_DAY = "YYYY-MM-DD"
_MOMENT = "YYYY-MM-DDThh:mm:ss+02:00"


class Column(NamedTuple):
    """One column.

    Attributes:
        name: as the header has it.
        field: the field of the entity (of the event, for subjects) that it fills; what an `EntityError` names.
        holds: what is to be written in it.
        examples: its cells in the two rows of the template.
        needed: a file without it cannot be read.
    """

    name: str
    field: str
    holds: str
    examples: tuple[str, str]
    needed: bool = False


#: Who it is about; the same in every table.
_PERSON = (
    Column("patient", "patient.value", "the hospital's own number of the person", ("EXAMPLE-1",) * 2, needed=True),
    Column(
        "patient_system",
        "patient.system",
        "URI of that numbering; else `identifier_system` of the settings",
        ("urn:example:patient",) * 2,
    ),
)

_SUBJECTS = (
    Column("number", "number", "the trial's pseudonym, e.g. `RELUTH-05-0001`", ("EXAMPLE-0001",) * 2, needed=True),
    Column("site", "site", "the sponsor's number of the site; else `site_code` of the settings", ("99", "99")),
    *_PERSON,
    Column("event", "kind", "what happened; the names stand below", ("consented", "registered"), needed=True),
    Column("on", "on", f"the day, {_DAY}", ("2025-05-20", "2025-05-21"), needed=True),
    Column("reason", "reason", "a code: the id of a criterion (`E07`) or a decision reason", ("", "")),
    Column("cycle", "cycle", "1 to 4, of a `cycle`", ("", "")),
    Column(
        "arm", "arm", "name of the arm, of `randomised`; whether something is given in it, the study tells", ("", "")
    ),
    Column("visit", "visit", "number from 1, of a `visit`", ("", "")),
)

_LABS = (
    Column(
        "id", "id.value", "the laboratory's own identifier of the result", ("EXAMPLE-R1", "EXAMPLE-R2"), needed=True
    ),
    Column("id_system", "id.system", "URI of these identifiers; else `urn:reluth:site:SITE:result`", ("", "")),
    *_PERSON,
    Column(
        "subject",
        "subject",
        "the trial's pseudonym, where the person is a subject: the one that is loaded for the patient",
        ("EXAMPLE-0001", ""),
    ),
    Column("loinc", "codes", "LOINC code; this or a local code is wanted", ("718-7", "777-3")),
    Column("local_system", "codes", "URI of the laboratory's own codes", ("urn:example:laboratory", "")),
    Column("local_code", "codes", "the laboratory's own code", ("HB", "")),
    Column("local_display", "codes", "the text shown for it", ("Hémoglobine", "")),
    Column("name", "name", "what was measured, in words", ("Hémoglobine", "Plaquettes")),
    Column(
        "effective",
        "effective",
        f"when the sample was taken: {_DAY} or {_MOMENT}",
        ("2025-05-20T08:10:00+02:00", "2025-05-20"),
        needed=True,
    ),
    Column("issued", "issued", f"when the result was released, {_MOMENT}", ("2025-05-20T11:00:00+02:00", "")),
    Column(
        "status",
        "status",
        "`registered`, `preliminary`, `final` (where empty), `amended`, `corrected`, `cancelled`, `entered-in-error` or `unknown`",
        ("final", ""),
    ),
    Column("value", "value", "the number; exactly one of value, text and absent is wanted", ("12.1", "80")),
    Column("comparator", "comparator", "`<`, `<=`, `>=` or `>`, before the number", ("", "<")),
    Column(
        "unit",
        "unit",
        "UCUM code of value, low and high; `1` where there is none; empty where only unit_text tells it",
        ("g/dL", "10*9/L"),
    ),
    Column("unit_text", "unit_text", "the unit as the laboratory prints it", ("g/dL", "G/L")),
    Column("text", "text", "the result in words, where it is no number", ("", "")),
    Column("absent", "absent", "why there is no result, where there is none: code of data-absent-reason", ("", "")),
    Column("low", "low", "lower limit of the reference range, in the same unit", ("12.0", "150")),
    Column("high", "high", "upper limit of the reference range, in the same unit", ("16.0", "400")),
    Column("range_text", "range_text", "the reference range as printed", ("12,0 - 16,0", "")),
    Column("specimen", "specimen", "what was examined, in words", ("sang veineux", "")),
    Column("laboratory", "laboratory.value", "who measured it, e.g. a FINESS number", ("EXAMPLE-LAB", "")),
    Column(
        "laboratory_system",
        "laboratory.system",
        "URI of that numbering; wanted beside laboratory",
        ("urn:example:laboratories", ""),
    ),
    Column(
        "interpretation",
        "interpretation",
        "codes of v3-ObservationInterpretation, blanks between: `L`, `H HH`",
        ("", "L"),
    ),
)

_INFUSIONS = (
    Column(
        "id",
        "id.value",
        "the hospital's own identifier of the administration",
        ("EXAMPLE-I1", "EXAMPLE-I2"),
        needed=True,
    ),
    Column("id_system", "id.system", "URI of these identifiers; else `urn:reluth:site:SITE:infusion`", ("", "")),
    *_PERSON,
    Column(
        "subject",
        "subject",
        "the trial's pseudonym, where the person is a subject: the one that is loaded for the patient",
        ("EXAMPLE-0001",) * 2,
    ),
    Column("product", "product.code", "code of what was given, e.g. ATC `V10XX04`", ("V10XX04",) * 2, needed=True),
    Column("product_system", "product.system", "URI of that code; else ATC, `http://www.whocc.no/atc`", ("", "")),
    Column("product_display", "product.display", "the text shown for the code", ("lutetium (177Lu) oxodotreotide", "")),
    Column("product_text", "product_text", "the product as labelled", ("LUTATHERA 370 MBq/mL", "")),
    Column(
        "status",
        "status",
        "`in-progress`, `not-done`, `on-hold`, `completed`, `entered-in-error`, `stopped` or `unknown`",
        ("completed", "not-done"),
        needed=True,
    ),
    Column(
        "status_reason",
        "status_reason",
        "why it was stopped, held or not done",
        ("", "example: platelets too low"),
    ),
    Column("start", "start", f"when it began: {_DAY} or {_MOMENT}", ("2025-07-10T10:30:00+02:00", "")),
    Column("end", "end", "when it ended, likewise", ("2025-07-10T11:00:00+02:00", "")),
    Column("planned", "planned", f"the day it was planned for, {_DAY}, where it was not done", ("", "2025-09-04")),
    Column("course", "course", "which PRRT, from 1", ("2", "2")),
    Column("cycle", "cycle", "which cycle of the course, from 1", ("1", "2")),
    Column("prescribed", "prescribed", "activity prescribed, MBq", ("7400", "7400")),
    Column("administered", "administered", "activity measured as given, MBq", ("7385.5", "")),
    Column("calibrated", "calibrated", "activity at the calibration time, MBq", ("7400", "")),
    Column("calibration_time", "calibration_time", _MOMENT, ("2025-07-10T12:00:00+02:00", "")),
    Column("batch_number", "batch.number", "number of the batch", ("EXAMPLE-BATCH", "")),
    Column(
        "batch_expires",
        "batch.expires",
        f"until when it may be given: {_DAY} or {_MOMENT}",
        ("2025-07-12T14:00:00+02:00", ""),
    ),
    Column("route", "route.code", "code of the route, e.g. SNOMED CT `47625008`", ("47625008", "")),
    Column("route_system", "route.system", "URI of that code; else SNOMED CT, `http://snomed.info/sct`", ("", "")),
    Column("route_display", "route.display", "the text shown for the code", ("Intravenous route", "")),
    Column("body_site", "body_site", "where it was given, in words", ("avant-bras gauche", "")),
    Column("rate", "rate", "mL/h", ("46", "")),
    Column(
        "amino_product",
        "amino_acids.product",
        "the amino-acid solution given beside it",
        ("Lysine 2.5 % / arginine 2.5 %", ""),
    ),
    Column(
        "amino_start", "amino_acids.start", f"when it began: {_DAY} or {_MOMENT}", ("2025-07-10T10:00:00+02:00", "")
    ),
    Column("amino_end", "amino_acids.end", "when it ended, likewise", ("2025-07-10T14:00:00+02:00", "")),
    Column("amino_volume", "amino_acids.volume", "mL", ("1000", "")),
    Column(
        "interruption_start",
        "interruptions[0].start",
        f"a pause, {_MOMENT}; more than one: load JSON",
        ("2025-07-10T10:40:00+02:00", ""),
    ),
    Column("interruption_end", "interruptions[0].end", "its end, likewise", ("2025-07-10T10:45:00+02:00", "")),
    Column("interruption_reason", "interruptions[0].reason", "why, in words", ("example: nausea", "")),
    Column("extravasation", "extravasation.occurred", "`yes` or `no`; empty where nobody looked", ("no", "")),
    Column("extravasation_note", "extravasation.note", "in words; beside extravasation only", ("", "")),
    Column("performer", "performer.value", "who gave it, e.g. an RPPS number", ("EXAMPLE-NP1", "")),
    Column(
        "performer_system",
        "performer.system",
        "URI of that numbering; wanted beside performer",
        ("urn:example:practitioners", ""),
    ),
    Column("note", "note", "in words", ("synthetic example", "")),
)

#: By kind, in the order of the template. A study is no table.
COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {"subjects": _SUBJECTS, "labs": _LABS, "infusions": _INFUSIONS}

_BY_FIELD: Final = {
    kind: {column.field: column.name for column in reversed(columns)} for kind, columns in COLUMNS.items()
}


def column_of(kind: str, path: str) -> str | None:
    """The column that fills a field, for the path that an `EntityError` names; None where it is the row as a whole.

    >>> column_of("labs", "patient.system"), column_of("labs", "id"), column_of("labs", "interpretation[1]")
    ('patient_system', 'id', 'interpretation')
    >>> column_of("infusions", "extravasation"), column_of("subjects", "events") is None
    ('extravasation', True)
    """
    fields = _BY_FIELD[kind]
    while path:
        for tried in (path, f"{path}.value", f"{path}.code", f"{path}.occurred"):
            if tried in fields:
                return fields[tried]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return None
