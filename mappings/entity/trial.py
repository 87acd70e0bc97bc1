"""In: what a registry says of a trial. Out: a study with its arms, sites, criteria and outcomes."""

from __future__ import annotations

import re
from enum import StrEnum

from mappings.entity.fields import (
    URI,
    EntityError,
    Values,
    check_code,
    check_order,
    check_text,
    check_time,
    check_unique,
)
from mappings.entity.values import Contact, Identifier

__all__ = [
    "Arm",
    "ArmKind",
    "Characteristic",
    "Citation",
    "Measure",
    "Recruitment",
    "Site",
    "Study",
    "StudyIdentifier",
    "StudyStatus",
]


class StudyStatus(StrEnum):
    """Where a study stands as a whole (the codes of R4 ResearchStudy.status)."""

    ACTIVE = "active"
    ADMINISTRATIVELY_COMPLETED = "administratively-completed"
    APPROVED = "approved"
    CLOSED_TO_ACCRUAL = "closed-to-accrual"
    CLOSED_TO_ACCRUAL_AND_INTERVENTION = "closed-to-accrual-and-intervention"
    COMPLETED = "completed"
    DISAPPROVED = "disapproved"
    IN_REVIEW = "in-review"
    TEMPORARILY_CLOSED_TO_ACCRUAL = "temporarily-closed-to-accrual"
    TEMPORARILY_CLOSED_TO_ACCRUAL_AND_INTERVENTION = "temporarily-closed-to-accrual-and-intervention"
    WITHDRAWN = "withdrawn"


class Recruitment(StrEnum):
    """Whether a study or a site takes patients in, as the registry says it."""

    NOT_YET_RECRUITING = "not-yet-recruiting"
    RECRUITING = "recruiting"
    ACTIVE_NOT_RECRUITING = "active-not-recruiting"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    TERMINATED = "terminated"
    WITHDRAWN = "withdrawn"


class ArmKind(StrEnum):
    """What an arm is, as the registry says it (Group Type)."""

    EXPERIMENTAL = "EXPERIMENTAL"
    ACTIVE_COMPARATOR = "ACTIVE_COMPARATOR"
    PLACEBO_COMPARATOR = "PLACEBO_COMPARATOR"
    SHAM_COMPARATOR = "SHAM_COMPARATOR"
    NO_INTERVENTION = "NO_INTERVENTION"
    OTHER = "OTHER"

    @property
    def is_intervention(self) -> bool:
        """Something is given in it."""
        return self is not ArmKind.NO_INTERVENTION


class StudyIdentifier(Values, frozen=True, kw_only=True):
    """A number that a study is known by.

    Attributes:
        value: the number.
        use: ``official`` once, ``secondary`` else.
        system: URI, None where no verified one exists.
        type: what kind of number it is, e.g. ``EudraCT``.
        assigner: who gave it.
    """

    value: str
    use: str = "secondary"
    system: str | None = None
    type: str | None = None
    assigner: str | None = None

    def __post_init__(self) -> None:
        """Refuse a use that FHIR does not know."""
        check_text("value", self.value, longest=255)
        if self.use not in ("official", "secondary"):
            raise EntityError("use", "is official or secondary")
        if self.system is not None and not URI.fullmatch(self.system):
            raise EntityError("system", "an absolute URI is wanted")
        check_text("type", self.type, longest=255)
        check_text("assigner", self.assigner, longest=255)


class Arm(Values, frozen=True, kw_only=True):
    """One arm; subjects are assigned to it by ``name``."""

    name: str
    label: str
    kind: ArmKind
    description: str

    def __post_init__(self) -> None:
        """Refuse empty texts."""
        check_code("name", self.name)
        check_text("label", self.label)
        check_text("description", self.description)


class Site(Values, frozen=True, kw_only=True):
    """One hospital of a study.

    Attributes:
        name: as the registry names it.
        city: where it lies.
        country: ISO 3166-1, two letters.
        recruitment: its own status.
        code: the sponsor's number for it, None where it is not known.
        identifier: e.g. its FINESS number, None where it is not known.
        contact: who to ask there.
    """

    name: str
    city: str
    country: str
    recruitment: Recruitment
    code: str | None = None
    identifier: Identifier | None = None
    contact: Contact | None = None

    def __post_init__(self) -> None:
        """Refuse empty texts."""
        check_text("name", self.name)
        check_text("city", self.city)
        if not re.fullmatch(r"[A-Z]{2}", self.country):
            raise EntityError("country", "two capital letters of ISO 3166-1 are wanted")
        if self.code is not None:
            check_code("code", self.code)


class Characteristic(Values, frozen=True, kw_only=True):
    """One line of the eligibility criteria: its id (``I01``), its text, and whether it excludes."""

    id: str
    text: str
    exclude: bool

    def __post_init__(self) -> None:
        """Refuse empty texts."""
        check_code("id", self.id)
        check_text("text", self.text)


class Measure(Values, frozen=True, kw_only=True):
    """An objective or an outcome.

    Attributes:
        kind: ``primary``, ``secondary`` or ``exploratory``.
        name: in one line.
        description: at length.
        time_frame: when it is measured.
    """

    kind: str
    name: str
    description: str | None = None
    time_frame: str | None = None

    def __post_init__(self) -> None:
        """Refuse a kind that FHIR does not know."""
        if self.kind not in ("primary", "secondary", "exploratory"):
            raise EntityError("kind", "is primary, secondary or exploratory")
        check_text("name", self.name)
        check_text("description", self.description)
        check_text("time_frame", self.time_frame)


class Citation(Values, frozen=True, kw_only=True):
    """A publication: ``kind`` is ``background`` or ``derived`` (it reports on this study)."""

    text: str
    kind: str
    pmid: str | None = None

    def __post_init__(self) -> None:
        """Refuse a kind that the registry does not know."""
        check_text("text", self.text)
        if self.kind not in ("background", "derived"):
            raise EntityError("kind", "is background or derived")
        if self.pmid is not None and not re.fullmatch(r"[1-9]\d{0,8}", self.pmid):
            raise EntityError("pmid", "a PubMed number is wanted")


class Study(Values, frozen=True, kw_only=True):
    """A clinical trial as a registry describes it.

    Attributes:
        id: the product's id of the trial, e.g. ``nct04954820``.
        title: scientific title.
        acronym: e.g. ``ReLUTH``.
        identifiers: exactly one of them is official.
        status: of the study as a whole.
        recruitment: whether it takes patients in.
        phase: code of R4 research-study-phase, e.g. ``phase-2``.
        purpose: code of R4 research-study-prim-purp-type, e.g. ``treatment``.
        summary: in a few sentences.
        conditions: what is studied, in words.
        start: first day.
        end: last day, as planned.
        country: ISO 3166-1, two letters.
        sponsor: who is responsible for it.
        principal_investigator: who leads it.
        contacts: who to ask centrally.
        arms: at least one.
        sites: hospitals.
        objectives: what it wants to know.
        outcomes: what it measures.
        target: how many subjects are planned.
        characteristics: the eligibility criteria, line by line.
        citations: publications.
    """

    id: str
    title: str
    identifiers: tuple[StudyIdentifier, ...]
    status: StudyStatus
    arms: tuple[Arm, ...]
    acronym: str | None = None
    recruitment: Recruitment | None = None
    phase: str | None = None
    purpose: str | None = None
    summary: str | None = None
    conditions: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    country: str | None = None
    sponsor: str | None = None
    principal_investigator: str | None = None
    contacts: tuple[Contact, ...] = ()
    sites: tuple[Site, ...] = ()
    objectives: tuple[Measure, ...] = ()
    outcomes: tuple[Measure, ...] = ()
    target: int | None = None
    characteristics: tuple[Characteristic, ...] = ()
    citations: tuple[Citation, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        check_code("id", self.id)
        for field in ("title", "acronym", "summary", "sponsor", "principal_investigator"):
            check_text(field, getattr(self, field), longest=20_000)
        for at, condition in enumerate(self.conditions):
            check_text(f"conditions[{at}]", condition)
        for field in ("phase", "purpose"):
            if getattr(self, field) is not None:
                check_code(field, getattr(self, field))
        if [one.use for one in self.identifiers].count("official") != 1:
            raise EntityError("identifiers", "exactly one has the use official")
        check_unique("identifiers", ((one.system, one.value) for one in self.identifiers))
        check_order("end", check_time("start", self.start), check_time("end", self.end))
        if not self.arms:
            raise EntityError("arms", "at least one is wanted")
        check_unique("arms", (one.name for one in self.arms))
        check_unique("sites", ((one.name, one.city) for one in self.sites))
        check_unique("characteristics", (one.id for one in self.characteristics))
        if self.country is not None and not re.fullmatch(r"[A-Z]{2}", self.country):
            raise EntityError("country", "two capital letters of ISO 3166-1 are wanted")
        if self.target is not None and not 0 < self.target < 2**31:
            raise EntityError("target", "has to be above 0")

    @property
    def official(self) -> StudyIdentifier:
        """The identifier that it is registered by."""
        return next(one for one in self.identifiers if one.use == "official")

    def arm(self, name: str) -> Arm | None:
        """The arm of a name."""
        return next((one for one in self.arms if one.name == name), None)
