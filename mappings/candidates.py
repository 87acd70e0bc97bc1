"""In: who a site's screening has on its list, or a List. Out: the List (R4, R4B, R5), or who is on it.

One List a study and site, as recruIT's list asks for it: by its code, with the study in the first extension, whose ``display``
is the acronym that it shows, and with ResearchSubjects as items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapter.fhir import FhirVersion, Json, parse_when
from mappings.elements import OURS, SUBJECT_SYSTEM, concept, identifier, without_empty
from mappings.entities import Candidate, CandidateList, Coding, EntityError, Identifier, Study
from mappings.foreign import Element
from mappings.subject import TRIAL_SYSTEM

__all__ = ["BELONGS_TO_STUDY", "CANDIDATES_SYSTEM", "OWNED", "SCREENING_LIST", "from_fhir", "to_fhir"]

#: Identifier.system of our lists; the value is the trial's id, a slash, and the site.
CANDIDATES_SYSTEM: Final = f"{OURS}candidates"
#: What recruIT's list searches by, and where it finds the study (github.com/miracum/recruit, src/list and src/query).
SCREENING_LIST: Final = Coding(
    system="https://fhir.miracum.org/uc1/CodeSystem/screeningList", code="screening-recommendations"
)
BELONGS_TO_STUDY: Final = "https://fhir.miracum.org/uc1/StructureDefinition/belongsToStudy"

#: Names of the elements that this mapper speaks of; they are the same in all versions.
OWNED: Final[Mapping[FhirVersion, Mapping[str, frozenset[str]]]] = {
    version: {"List": frozenset({"identifier", "status", "mode", "title", "code", "date", "entry"})}
    for version in FhirVersion
}
# R4 ValueSet/list-status: recruIT's administrators set `retired` for a trial that they no longer show.
_CURRENT: Final = "current"
_RETIRED: Final = "retired"
# R4 ValueSet/list-mode: entries come and go, and only such a list may date them (invariant lst-3).
_WORKING: Final = "working"
_DAY: Final = 10


def to_fhir(entity: CandidateList, *, version: FhirVersion = FhirVersion.R4, study: Study | None = None) -> Json:
    """The List of a site's candidates.

    Args:
        entity: the list.
        version: of FHIR; a List without encounter and source is the same in all of them.
        study: gives the acronym and the number that the study is registered by; without it the trial's id stands for both.

    Raises:
        EntityError: the study is another one than the list's.
    """
    if study is not None and study.id != entity.study:
        raise EntityError("study", "is another study than the list's")
    shown = entity.study if study is None else study.acronym or study.id
    belongs = {"type": "ResearchStudy", "identifier": _number_of(entity, study), "display": shown}
    return without_empty(
        {
            "resourceType": "List",
            "extension": [{"url": BELONGS_TO_STUDY, "valueReference": belongs}],
            "identifier": [identifier(_business_identifier(entity), use="official")],
            "status": _RETIRED if entity.retired else _CURRENT,
            "mode": _WORKING,
            "title": f"{shown}: candidats, {entity.site}",
            "code": concept(SCREENING_LIST),
            "date": entity.as_of,
            "entry": [_entry(one) for one in entity.candidates],
        }
    )


def from_fhir(resource: Json) -> CandidateList:
    """Who is on a List of ours, also as a server gives it back.

    Raises:
        MappingError: it is no such List, or somebody has put on it what is no subject of ours.
    """
    found = Element(resource)
    if found.text("resourceType") != "List":
        raise found.fail("resourceType", "a List is wanted")
    found.refuse_modifiers()
    _refuse_another_code(found)
    status = found.needed("status")
    if status not in (_CURRENT, _RETIRED):
        raise found.fail("status", "neither current nor retired")
    if found.needed("mode") != _WORKING:
        raise found.fail("mode", "a working list is wanted")
    study, site = _study_and_site(found)
    candidates = [_candidate(one) for one in found.children("entry")]
    try:
        return CandidateList(
            study=study,
            site=site,
            as_of=_day(found, "date", wanted=True) or "",
            candidates=tuple(sorted(candidates, key=lambda one: one.number)),
            retired=status == _RETIRED,
        )
    except EntityError as error:
        raise found.fail(error.field, error.problem) from None


def _business_identifier(entity: CandidateList) -> Identifier:
    return Identifier(system=CANDIDATES_SYSTEM, value=f"{entity.study}/{entity.site}")


def _number_of(entity: CandidateList, study: Study | None) -> Json:
    if study is None:
        return identifier(Identifier(system=TRIAL_SYSTEM, value=entity.study))
    official = study.official
    return without_empty({"system": official.system, "value": official.value})


def _entry(one: Candidate) -> Json:
    subject = identifier(Identifier(system=SUBJECT_SYSTEM, value=one.number))
    return without_empty({"date": one.since, "item": {"type": "ResearchSubject", "identifier": subject}})


def _refuse_another_code(found: Element) -> None:
    code = found.child("code")
    codings = code.children("coding") if code is not None else []
    wanted = (SCREENING_LIST.system, SCREENING_LIST.code)
    if all((one.text("system"), one.text("code")) != wanted for one in codings):
        raise found.fail("code", "is not that of a screening list")


def _study_and_site(found: Element) -> tuple[str, str]:
    ours = [one for one in found.children("identifier") if one.text("system") == CANDIDATES_SYSTEM]
    if len(ours) != 1:
        raise found.fail("identifier", "one of ours is wanted")
    study, _, site = ours[0].needed("value").partition("/")
    if not site:
        raise ours[0].fail("value", "a study and a site are wanted")
    return study, site


def _candidate(entry: Element) -> Candidate:
    if entry.flag("deleted"):
        raise entry.fail("deleted", "a working list has no deleted entries")
    item = entry.child("item")
    if item is None:
        raise entry.fail("item", "is missing")
    number = item.child("identifier")
    if number is None or number.text("system") != SUBJECT_SYSTEM:
        raise item.fail("identifier", "that of a subject of ours is wanted")
    try:
        return Candidate(number=number.needed("value"), since=_day(entry, "date"))
    except EntityError as error:
        raise entry.fail(error.field, error.problem) from None


def _day(element: Element, name: str, *, wanted: bool = False) -> str | None:
    """A day; of a time, the day that it is in Paris."""
    text = element.needed(name) if wanted else element.text(name)
    if text is None or len(text) == _DAY:
        return text
    when = parse_when(text)
    if when is None or not when.is_one_day:
        raise element.fail(name, "a whole day is wanted")
    return when.earliest.isoformat()
