"""In: the bytes of a file. Out: the entities in it, each with its lines, and the rows that are refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath
from typing import Any

from adapter.errors import UsageError
from adapter.loading.cells import CellError, Row
from adapter.loading.checks import MOST_EVENTS, check_entity, check_unit
from adapter.loading.columns import LOADABLE, Loadable
from adapter.loading.flat import cell_of, event_of, infusion_of, lab_of, patient_of
from adapter.loading.items import read_items, read_lines
from adapter.loading.nested import entity_of
from adapter.loading.report import Refused
from adapter.loading.tables import read_table
from adapter.loading.target import Rules
from mappings.entities import EntityError, Subject, parse_entity

__all__ = ["Content", "Form", "Read", "Reading", "read_entities"]


class Form(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


_FORMS = {
    ".csv": Form.CSV,
    ".tsv": Form.CSV,
    ".txt": Form.CSV,
    ".json": Form.JSON,
    ".ndjson": Form.NDJSON,
    ".jsonl": Form.NDJSON,
}


@dataclass(frozen=True, slots=True)
class Content:
    """What is loaded.

    Attributes:
        kind: ``study``, ``subjects``, ``labs`` or ``infusions``.
        data: the bytes.
        file: name for the report, without its folder.
        form: how it is written; None: by the name, else by how it begins.
    """

    kind: str
    data: bytes = field(repr=False)
    file: str
    form: Form | None = None

    def __post_init__(self) -> None:
        """Refuse a kind that there is not.

        Raises:
            UsageError: the kind is not known, or a study is to be read from a table.
        """
        if self.kind not in LOADABLE:
            raise UsageError(f"{self.kind}: what can be loaded is {', '.join(LOADABLE)}")
        if self.kind == "study" and self.written is Form.CSV and self.data.strip():
            raise UsageError(f"{self.file}: a study is no table: JSON is wanted (`reluth load study --template`)")

    @property
    def written(self) -> Form:
        """How it is written."""
        return self.form or _FORMS.get(PurePath(self.file).suffix.lower()) or _form_of(self.data)


def _form_of(data: bytes) -> Form:
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"["):
        return Form.JSON
    if not head.startswith(b"{"):
        return Form.CSV
    first, _, rest = data.strip().partition(b"\n")
    # An object that is closed on its first line, and something after it.
    return Form.NDJSON if rest.strip() and first.rstrip().endswith(b"}") else Form.JSON


@dataclass(frozen=True, slots=True)
class Read:
    """An entity of a file; ``lines``: of its rows; ``column``: that of its key."""

    entity: Loadable
    lines: tuple[int, ...]


class Reading:
    """What was read so far.

    Args:
        file: its name.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self.rows = 0
        self.entities: list[Read] = []
        self.refused: list[Refused] = []

    def keep(self, entity: Loadable, *lines: int) -> None:
        """An entity that can be loaded."""
        self.entities.append(Read(entity, lines))

    def refuse(self, line: int, error: CellError) -> None:
        """A row that cannot."""
        self.refused.append(
            Refused(file=self._file, row=line, column=error.column, value_class=error.kind, reason=error.reason)
        )


def read_entities(content: Content, rules: Rules) -> Reading:
    """Read a file; nothing is written anywhere.

    Raises:
        UnusableFileError: the file cannot be read as a whole.
    """
    reading = Reading(content.file)
    if content.written is Form.CSV:
        rows = read_table(content.data, kind=content.kind, file=content.file).rows()
        if content.kind == "subjects":
            _gather(rows, reading, rules)
        else:
            _each(content.kind, rows, reading, rules)
        return reading
    read = read_items if content.written is Form.JSON else read_lines
    for line, item in read(content.data, file=content.file):
        reading.rows += 1
        try:
            reading.keep(_entity(content.kind, item, rules), line)
        except CellError as error:
            reading.refuse(line, error)
    return reading


def _entity(kind: str, item: Any, rules: Rules) -> Loadable:
    if isinstance(item, CellError):
        raise item
    return entity_of(kind, item, rules)


def _each(kind: str, rows: Iterable[Row], reading: Reading, rules: Rules) -> None:
    """One entity a row."""
    told_of = lab_of if kind == "labs" else infusion_of
    for row in rows:
        reading.rows += 1
        try:
            row.check()
            told = told_of(row, rules.target)
            try:
                if "unit" in told:
                    check_unit(told["unit"], rules.spellings)
                entity = parse_entity(LOADABLE[kind], told)
                check_entity(entity, rules)
            except EntityError as error:
                raise row.fault(cell_of(kind, error.field, row), error.problem) from None
        except CellError as error:
            reading.refuse(row.line, error)
        else:
            reading.keep(entity, row.line)


def _gather(rows: Iterable[Row], reading: Reading, rules: Rules) -> None:
    """One event a row: the rows of a number are one subject, which is loaded whole or not at all."""
    subjects: dict[str, list[Row]] = {}
    for row in rows:
        reading.rows += 1
        number = row.text("number")
        if number is None:
            reading.refuse(row.line, row.fault("number", "is missing"))
        else:
            subjects.setdefault(number, []).append(row)
    for number, own in subjects.items():
        faults, subject = _subject(number, own, rules)
        if subject is not None:
            reading.keep(subject, *(row.line for row in own))
            continue
        named = ", ".join(str(line) for line in sorted(faults)[:3])
        for row in own:
            error = faults.get(row.line)
            reading.refuse(
                row.line, error or CellError(None, None, f"is left out with row {named} of the same subject")
            )


def _subject(number: str, rows: list[Row], rules: Rules) -> tuple[dict[int, CellError], Subject | None]:
    """The subject of these rows, or what is wrong with which of them."""
    if len(rows) > MOST_EVENTS:
        return {rows[0].line: rows[0].fault("number", f"stands in more than {MOST_EVENTS} rows")}, None
    faults: dict[int, CellError] = {}
    events: list[dict[str, Any]] = []
    told_by: list[Row] = []
    persons: list[dict[str, Any]] = []
    seen: set[frozenset[tuple[str, str]]] = set()
    for row in rows:
        try:
            row.check()
            if row.content in seen:
                continue
            seen.add(row.content)
            persons.append(_person(row, rules))
            if persons[-1] != persons[0]:
                field_ = next(name for name in ("patient", "site") if persons[-1][name] != persons[0][name])
                raise row.fault(field_, "is another one than in the first row of this subject")
            events.append(event_of(row, rules))
            told_by.append(row)
        except CellError as error:
            faults[row.line] = error
    if faults:
        return faults, None
    told = {"study": rules.target.trial, "number": number, **persons[0], "events": events}
    try:
        subject = parse_entity(Subject, told)
        check_entity(subject, rules)
    except EntityError as error:
        row, column = _place(error.field, told_by)
        return {row.line: row.fault(column, error.problem)}, None
    return {}, subject


def _person(row: Row, rules: Rules) -> dict[str, Any]:
    otherwise = "is missing, and the settings give no site_code for this site"
    return {
        "site": row.needed("site", rules.target.site_code, otherwise=otherwise),
        "patient": patient_of(row, rules.target),
    }


def _place(path: str, rows: list[Row]) -> tuple[Row, str | None]:
    """The row and column that a path into a subject leads to."""
    if not path.startswith("events["):
        return rows[0], cell_of("subjects", path, rows[0])
    at, _, rest = path.removeprefix("events[").partition("]")
    # Whether something is given follows from the arm.
    field_ = rest.lstrip(".").replace("intervention", "arm")
    return rows[int(at)], cell_of("subjects", field_, rows[int(at)])
