"""In: a study and its R4 ResearchStudy. Out: the ResearchStudy as the French trials portal (ECLAIRE guide, R4) takes it.

clinical-spec.md section 8: no `sponsor`, no `principalInvestigator`; associatedParty, outcomeMeasure, label and
descriptionSummary as R5 extensions; identifiers official once and secondary else; an extension for the recruitment status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapter.fhir import Json
from mappings.cross_version import as_extensions
from mappings.elements import extension, without_empty
from mappings.entities import Recruitment, Study
from mappings.study_parts import lead_parties

__all__ = ["as_eclaire"]

_FORBIDDEN: Final = frozenset({"sponsor", "principalInvestigator"})
#: The guide's three codes. It has none for what was withdrawn before anybody was recruited.
_RECRUITMENT: Final[Mapping[Recruitment, str]] = {
    Recruitment.NOT_YET_RECRUITING: "upcoming",
    Recruitment.RECRUITING: "recruiting",
    Recruitment.ACTIVE_NOT_RECRUITING: "completed-recruiting",
    Recruitment.COMPLETED: "completed-recruiting",
    Recruitment.TERMINATED: "completed-recruiting",
}


def as_eclaire(resource: Json, study: Study) -> Json:
    """The profile's form of a ResearchStudy.

    Args:
        resource: as R4 has it.
        study: that it was made of.

    Returns:
        another resource; `from_fhir` reads it as it reads the first one.
    """
    kept = {key: value for key, value in resource.items() if key not in {*_FORBIDDEN, "description", "extension"}}
    moved = as_extensions(
        "ResearchStudy",
        without_empty({"associatedParty": lead_parties(study), "descriptionSummary": study.summary}),
    )
    # The guide's URL for it is not verified here (clinical-spec.md section 8), hence a name of ours; the exact status stays beside it.
    code = _RECRUITMENT.get(study.recruitment) if study.recruitment is not None else None
    status = [extension("eclaire-recruitment-status", "Code", code)] if code is not None else []
    return {"resourceType": kept.pop("resourceType"), "extension": [*resource["extension"], *moved, *status], **kept}
