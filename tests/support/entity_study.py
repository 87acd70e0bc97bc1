"""In: nothing. Out: one study with every field told, and hypothesis strategies for studies and their parts, set or not."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from adapter.fhir import FhirVersion, Json
from mappings.elements import resources_in
from mappings.entities import (
    Arm,
    ArmKind,
    Characteristic,
    Citation,
    Contact,
    EntityError,
    Identifier,
    Measure,
    Recruitment,
    Site,
    Study,
    StudyIdentifier,
    StudyStatus,
)
from mappings.entity.fields import CONTROL, check_order, check_time

__all__ = [
    "FORMS",
    "STUDY",
    "arms",
    "characteristics",
    "citations",
    "contacts",
    "measures",
    "resource_of",
    "sites",
    "studies",
    "study_identifiers",
]

#: Every form that a study is written in: the version, and the profile.
FORMS: list[tuple[FhirVersion, Any]] = [*((version, None) for version in FhirVersion), (FhirVersion.R4, "eclaire")]

_SPOKEN = (
    "Hôpital « Cœur » n° 3",
    'two  "quoted"\n\n* lines',
    "µ 10⁹/L ≥ 80 000",
    "🧬 ☢️",
    "<b>&amp;</b>",
    "a\u2028b",
    "I01: 1/2",
    "0",
)

#: A study with every field told, invented.
STUDY = Study(
    id="nct00000000",
    title="Retraitement « à l'identique » of an example",
    acronym="EXAMPLE",
    identifiers=(
        StudyIdentifier(value="2000-000000-00", type="EudraCT", assigner="EudraCT"),
        StudyIdentifier(value="NCT00000000", use="official", system="http://clinicaltrials.gov"),
    ),
    status=StudyStatus.ACTIVE,
    recruitment=Recruitment.RECRUITING,
    phase="phase-2",
    purpose="treatment",
    summary="In a few sentences.",
    conditions=("Neuroendocrine tumour",),
    start="2021-10-18",
    end="2031-10",
    country="FR",
    sponsor="A cancer centre",
    principal_investigator="A. Professor",
    contacts=(Contact(name="A. Coordinator", role="CONTACT", phone="+33 4 00 00 00 00", email="trial@example.org"),),
    arms=(
        Arm(name="more", label="Two more cycles", kind=ArmKind.EXPERIMENTAL, description="2 infusions"),
        Arm(name="bras témoin", label="Control", kind=ArmKind.NO_INTERVENTION, description="Visits every 2 months"),
    ),
    sites=(
        Site(
            name="Centre d'exemple",
            city="Montpellier",
            country="FR",
            recruitment=Recruitment.NOT_YET_RECRUITING,
            code="05",
            identifier=Identifier(system="https://example.org/sites", value="340000000"),
            contact=Contact(name="B. Doctor, MD", role="primary"),
        ),
    ),
    objectives=(Measure(kind="primary", name="Efficacy", description="Of *two* cycles", time_frame="6 months"),),
    outcomes=(
        Measure(kind="primary", name="Disease control", description="CR, PR, SD", time_frame="6 months"),
        Measure(kind="secondary", name="Safety"),
    ),
    target=146,
    characteristics=(
        Characteristic(id="I01", text="Age ≥ 18 years", exclude=False),
        Characteristic(id="E04", text="Pancreatic NET", exclude=True),
    ),
    citations=(
        Citation(text="Author A. A title. 2017.", kind="background", pmid="28076709"),
        Citation(text="Author B. Another. 2022.", kind="derived"),
    ),
)


def resource_of(mapped: Json, kind: str = "ResearchStudy") -> Json:
    """The resource of a type in a Bundle."""
    return next(resource for _, resource in resources_in(mapped) if resource["resourceType"] == kind)


def texts(longest: int = 40) -> st.SearchStrategy[str]:
    """Texts that FHIR can hold: any sign but controls, trimmed."""
    signs = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t\"' é,")
    written = st.text(signs, min_size=1, max_size=longest).map(str.strip)
    return st.sampled_from(_SPOKEN) | written.filter(lambda text: bool(text) and not CONTROL.search(text))


def codes() -> st.SearchStrategy[str]:
    """Codes: FHIR ids for the most part, others with blanks and accents."""
    spoken = texts(12).map(lambda text: " ".join(text.split())).filter(bool)
    return st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,15}", fullmatch=True) | st.just("bras témoin") | spoken


def systems() -> st.SearchStrategy[str]:
    """URIs of systems."""
    return st.sampled_from(
        ("http://clinicaltrials.gov", "urn:oid:2.16.840.1.113883.3.1077", "urn:x-é:1", "urn:reluth:study")
    )


@st.composite
def times(draw: st.DrawFn) -> str:
    """A year, a month, a day, or a moment with its offset."""
    day = draw(st.dates()).isoformat()
    moment = draw(st.times(timezones=st.none())).isoformat(timespec="seconds")
    offset = draw(st.sampled_from(("Z", "+02:00", "-11:30")))
    return draw(st.sampled_from((day[:4], day[:7], day, f"{day}T{moment}{offset}", f"{day}T{moment}.120{offset}")))


def _in_order(period: tuple[str | None, str | None]) -> bool:
    try:
        check_order("end", *(check_time("time", one) for one in period))
    except EntityError:
        return False
    return True


def _struct(kind: Any, needed: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A strategy for a Struct: ``optional`` fields are left out, or are as they may be."""
    return st.fixed_dictionaries(needed, optional=optional).map(lambda fields: kind(**fields))


def _tuples(of: st.SearchStrategy[Any], **limits: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, **{"max_size": 3, **limits}).map(tuple)


def contacts() -> st.SearchStrategy[Contact]:
    """Contacts."""
    return _struct(Contact, {"name": texts()}, {name: texts(20) for name in ("role", "phone", "email")})


@st.composite
def study_identifiers(draw: st.DrawFn) -> tuple[StudyIdentifier, ...]:
    """One official number, anywhere among secondary ones."""
    one = st.fixed_dictionaries(
        {"value": texts(20)}, optional={"system": systems(), "type": texts(20), "assigner": texts(20)}
    )
    told = draw(st.lists(one, min_size=1, max_size=4, unique_by=lambda found: (found.get("system"), found["value"])))
    official = draw(st.integers(0, len(told) - 1))
    return tuple(
        StudyIdentifier(**fields, use="official" if at == official else "secondary") for at, fields in enumerate(told)
    )


def arms() -> st.SearchStrategy[Arm]:
    """Arms."""
    return st.builds(Arm, name=codes(), label=texts(), kind=st.sampled_from(ArmKind), description=texts())


def countries() -> st.SearchStrategy[str]:
    """Countries."""
    return st.sampled_from(("FR", "BE", "CH"))


def sites() -> st.SearchStrategy[Site]:
    """Sites."""
    identifier = st.builds(Identifier, system=systems(), value=texts(20))
    return _struct(
        Site,
        {"name": texts(), "city": texts(20), "country": countries(), "recruitment": st.sampled_from(Recruitment)},
        {"code": codes(), "identifier": identifier, "contact": contacts()},
    )


def measures() -> st.SearchStrategy[Measure]:
    """Objectives and outcomes."""
    kinds = st.sampled_from(("primary", "secondary", "exploratory"))
    return _struct(Measure, {"kind": kinds, "name": texts()}, {"description": texts(), "time_frame": texts()})


def characteristics() -> st.SearchStrategy[Characteristic]:
    """Criteria."""
    return st.builds(Characteristic, id=codes(), text=texts(), exclude=st.booleans())


def citations() -> st.SearchStrategy[Citation]:
    """Publications."""
    number = st.integers(1, 999_999_999).map(str)
    return _struct(Citation, {"text": texts(), "kind": st.sampled_from(("background", "derived"))}, {"pmid": number})


@st.composite
def studies(draw: st.DrawFn) -> Study:
    """Studies with every field set or not, independently."""
    start, end = draw(st.tuples(st.none() | times(), st.none() | times()).filter(_in_order))
    optional = {
        "acronym": texts(20),
        "recruitment": st.sampled_from(Recruitment),
        "phase": st.sampled_from(("phase-2", "n-a")) | codes(),
        "purpose": st.sampled_from(("treatment", "diagnostic")) | codes(),
        "summary": texts(),
        "conditions": _tuples(texts()),
        "country": countries(),
        "sponsor": texts(),
        "principal_investigator": texts(),
        "contacts": _tuples(contacts()),
        "sites": _tuples(sites(), unique_by=lambda one: (one.name, one.city)),
        "objectives": _tuples(measures()),
        "outcomes": _tuples(measures()),
        "target": st.integers(1, 2**31 - 1),
        "characteristics": _tuples(characteristics(), unique_by=lambda one: one.id),
        "citations": _tuples(citations()),
    }
    needed = {
        "id": codes(),
        "title": texts(),
        "identifiers": study_identifiers(),
        "status": st.sampled_from(StudyStatus),
        "arms": _tuples(arms(), min_size=1, unique_by=lambda one: one.name),
    }
    return Study(**draw(st.fixed_dictionaries(needed, optional=optional)), start=start, end=end)
