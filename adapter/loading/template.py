"""In: a kind of entity. Out: a file of it to begin with: the header and two rows of synthetic data, or for a study one as JSON."""

from __future__ import annotations

import csv
import io
import json

import msgspec

from adapter.errors import UsageError
from adapter.loading.columns import COLUMNS, LOADABLE
from mappings.entities import (
    Arm,
    ArmKind,
    Characteristic,
    Contact,
    Measure,
    Recruitment,
    Site,
    Study,
    StudyIdentifier,
    StudyStatus,
)

__all__ = ["template"]

_EXAMPLE = Study(
    id="example-trial",
    title="Example trial, synthetic: replace all of it",
    acronym="EXAMPLE",
    identifiers=(
        StudyIdentifier(value="EXAMPLE-0001", use="official", system="urn:example:registry"),
        StudyIdentifier(value="EXAMPLE-SPONSOR-1", type="sponsor's number", assigner="Example sponsor"),
    ),
    status=StudyStatus.ACTIVE,
    recruitment=Recruitment.RECRUITING,
    phase="phase-2",
    purpose="treatment",
    summary="What the trial is about, in a few sentences.",
    conditions=("Example condition",),
    start="2025-01-15",
    end="2030-12",
    country="FR",
    sponsor="Example sponsor",
    principal_investigator="Example investigator",
    contacts=(Contact(name="Example contact", role="central", phone="+33 0 00 00 00 00", email="contact@example.org"),),
    arms=(
        Arm(
            name="Experimental",
            label="Example drug",
            kind=ArmKind.EXPERIMENTAL,
            description="What is given in this arm.",
        ),
        Arm(
            name="Control",
            label="No treatment",
            kind=ArmKind.NO_INTERVENTION,
            description="What is done in this arm instead.",
        ),
    ),
    sites=(
        Site(name="Example hospital", city="Montpellier", country="FR", recruitment=Recruitment.RECRUITING, code="99"),
    ),
    objectives=(Measure(kind="primary", name="What the trial wants to know"),),
    outcomes=(Measure(kind="primary", name="What it measures", time_frame="6 months"),),
    target=20,
    characteristics=(
        Characteristic(id="I01", text="Age of 18 years or more", exclude=False),
        Characteristic(id="E01", text="Pregnancy", exclude=True),
    ),
)


def template(kind: str, *, site_code: str | None = None) -> str:
    """A file to begin with, which can be loaded as it is.

    Args:
        kind: ``study`` (JSON), ``subjects``, ``labs`` or ``infusions`` (CSV).
        site_code: the sponsor's number of the site, where the settings tell it: subjects of another one are refused.

    Raises:
        UsageError: there is no such kind.
    """
    if kind not in LOADABLE:
        raise UsageError(f"{kind}: what can be loaded is {', '.join(LOADABLE)}")
    if kind == "study":
        return json.dumps(json.loads(msgspec.json.encode(_EXAMPLE)), indent=2, ensure_ascii=False) + "\n"
    columns = COLUMNS[kind]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.name for column in columns)
    for at in (0, 1):
        writer.writerow(
            (site_code or cell) if column.name == "site" else cell
            for column in columns
            for cell in [column.examples[at]]
        )
    return out.getvalue()
