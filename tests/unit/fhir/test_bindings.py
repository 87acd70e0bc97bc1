"""The required bindings, held against the codes that HL7 FHIR 4.0.1, 4.3.0 and 5.0.0 define."""

from __future__ import annotations

import pytest

from adapter.fhir import FhirVersion, bound_elements, parse_fhir_version, required_binding
from adapter.fhir.bindings import VALUE_SET_BASE
from adapter.fhir.structure import elements_of

R4, R4B, R5 = FhirVersion.R4, FhirVersion.R4B, FhirVersion.R5

SUBJECT_STATES = {
    *("candidate", "eligible", "follow-up", "ineligible", "not-registered", "off-study", "on-study"),
    *(
        "on-study-intervention",
        "on-study-observation",
        "pending-on-study",
        "potential-candidate",
        "screening",
        "withdrawn",
    ),
}
PUBLICATION_STATUS = {"draft", "active", "retired", "unknown"}
STUDY_STATUS = {
    *("active", "administratively-completed", "approved", "closed-to-accrual", "closed-to-accrual-and-intervention"),
    *("completed", "disapproved", "in-review", "temporarily-closed-to-accrual"),
    *("temporarily-closed-to-accrual-and-intervention", "withdrawn"),
}
GROUP_TYPE_R4 = {"person", "animal", "practitioner", "device", "medication", "substance"}
GROUP_TYPE_R5 = {
    *("person", "animal", "practitioner", "device", "careteam", "healthcareservice", "location", "organization"),
    *("relatedperson", "specimen"),
}
REQUEST_STATUS_R4 = {"active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft", "unknown"}
BUNDLE_TYPE_R4 = {
    *("document", "message", "transaction", "transaction-response", "batch", "batch-response", "history", "searchset"),
    "collection",
}
EVENT_STATUS = {
    *("preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown"),
}
OBSERVATION_STATUS = {
    *("registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"),
}
ADMINISTRATION_STATUS = {"in-progress", "not-done", "on-hold", "completed", "entered-in-error", "stopped", "unknown"}


@pytest.mark.parametrize(
    ("version", "path", "codes"),
    [
        (R4, "ResearchSubject.status", SUBJECT_STATES),
        (R4B, "ResearchSubject.status", SUBJECT_STATES),
        (R5, "ResearchSubject.status", PUBLICATION_STATUS),
        (R5, "ResearchSubject.progress.subjectState", SUBJECT_STATES),
        (R4, "ResearchStudy.status", STUDY_STATUS),
        (R4B, "ResearchStudy.status", STUDY_STATUS),
        (R5, "ResearchStudy.status", PUBLICATION_STATUS),
        (R4, "Group.type", GROUP_TYPE_R4),
        (R4B, "Group.type", GROUP_TYPE_R4),
        (R5, "Group.type", GROUP_TYPE_R5),
        (R5, "Group.membership", {"definitional", "enumerated"}),
        (R4, "Observation.status", OBSERVATION_STATUS),
        (R4B, "Observation.status", OBSERVATION_STATUS),
        (R5, "Observation.status", OBSERVATION_STATUS),
        (R4, "MedicationAdministration.status", ADMINISTRATION_STATUS),
        (R4B, "MedicationAdministration.status", ADMINISTRATION_STATUS),
        (R5, "MedicationAdministration.status", ADMINISTRATION_STATUS),
        (R4, "Medication.status", {"active", "inactive", "entered-in-error"}),
        (R4, "MedicationRequest.status", REQUEST_STATUS_R4),
        (R4B, "MedicationRequest.status", REQUEST_STATUS_R4),
        (R5, "MedicationRequest.status", REQUEST_STATUS_R4 | {"ended"}),
        (R4, "Procedure.status", EVENT_STATUS),
        (R5, "Procedure.status", EVENT_STATUS),
        (R4, "AdverseEvent.actuality", {"actual", "potential"}),
        (R4, "AdverseEvent.severity", {"mild", "moderate", "severe"}),
        (R4, "AdverseEvent.outcome", {"resolved", "recovering", "ongoing", "resolvedWithSequelae", "fatal", "unknown"}),
        (R5, "AdverseEvent.status", {"in-progress", "completed", "entered-in-error", "unknown"}),
        (R4, "Provenance.entity.role", {"derivation", "revision", "quotation", "source", "removal"}),
        (R5, "Provenance.entity.role", {"instantiates", "revision", "quotation", "source", "removal"}),
        (R4, "List.status", {"current", "retired", "entered-in-error"}),
        (R4, "List.mode", {"working", "snapshot", "changes"}),
        (R4, "Bundle.type", BUNDLE_TYPE_R4),
        (R5, "Bundle.type", BUNDLE_TYPE_R4 | {"subscription-notification"}),
        (R4, "Bundle.entry.request.method", {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}),
        (R4, "Quantity.comparator", {"<", "<=", ">=", ">"}),
        (R5, "Quantity.comparator", {"<", "<=", ">=", ">", "ad"}),
        (R4, "Identifier.use", {"usual", "official", "temp", "secondary", "old"}),
        (R4, "HumanName.use", {"usual", "official", "temp", "nickname", "anonymous", "old", "maiden"}),
        (R4, "ContactPoint.system", {"phone", "fax", "email", "pager", "url", "sms", "other"}),
        (R4, "ContactPoint.use", {"home", "work", "temp", "old", "mobile"}),
        (R4, "Address.use", {"home", "work", "temp", "old", "billing"}),
        (R4, "Address.type", {"postal", "physical", "both"}),
        (R4, "Narrative.status", {"generated", "extensions", "additional", "empty"}),
        (R4, "Timing.repeat.periodUnit", {"s", "min", "h", "d", "wk", "mo", "a"}),
        (
            R4,
            "RelatedArtifact.type",
            {
                *("documentation", "justification", "citation", "predecessor", "successor", "derived-from"),
                *("depends-on", "composed-of"),
            },
        ),
    ],
)
def test_bindings_hold_the_codes_of_the_definitions(version: FhirVersion, path: str, codes: set[str]) -> None:
    assert bound_elements(version)[path].codes == codes


@pytest.mark.parametrize("version", FhirVersion)
def test_bindings_name_elements_that_the_version_has(version: FhirVersion) -> None:
    for path, binding in bound_elements(version).items():
        *owners, name = path.split(".")
        owner = "".join(part[0].upper() + part[1:] for part in owners)
        element = elements_of(version, "Observation" if owner == "Resource" else owner)[name]

        assert element.type == ("code" if binding.system is None else "CodeableConcept"), path
        assert binding.codes or binding.shape, path
        assert binding.value_set.startswith(VALUE_SET_BASE)


def test_bindings_count_what_the_definitions_of_each_version_bind() -> None:
    assert {version.name: len(bound_elements(version)) for version in FhirVersion} == {"R4": 52, "R4B": 53, "R5": 59}


@pytest.mark.parametrize(
    ("path", "versions"),
    [
        ("AdverseEvent.outcome", {R4, R4B}),
        ("AdverseEvent.status", {R5}),
        ("EvidenceVariable.type", {R4}),
        ("EvidenceVariable.handling", {R4B, R5}),
        ("Group.membership", {R5}),
        ("Observation.triggeredBy.type", {R5}),
        ("ResearchSubject.progress.subjectState", {R5}),
        ("Resource.language", {R5}),
    ],
)
def test_bindings_stand_only_in_the_versions_that_bind(path: str, versions: set[FhirVersion]) -> None:
    assert {version for version in FhirVersion if path in bound_elements(version)} == versions


def test_required_binding_is_none_where_any_code_may_stand() -> None:
    assert required_binding(R4, "Observation", "category") is None
    assert required_binding(R4, "Quantity", "code") is None


def test_elements_of_an_unknown_type_are_refused() -> None:
    with pytest.raises(KeyError):
        elements_of(R4, "ResearchSubjectProgress")


def test_required_binding_of_a_concept_names_its_code_system() -> None:
    binding = required_binding(R5, "ResearchSubjectProgress", "subjectState")

    assert binding is not None
    assert binding.system == "http://terminology.hl7.org/CodeSystem/research-subject-state"


@pytest.mark.parametrize(
    ("type_name", "element", "good", "bad"),
    [
        ("Money", "currency", "EUR", "euro"),
        ("Attachment", "contentType", "text/plain; charset=utf-8", "a text"),
        ("Resource", "language", "fr-FR", "français"),
        ("DataRequirement", "type", "Observation", "an observation"),
        ("SampledData", "intervalUnit", "mm[Hg]", "milli seconds"),
    ],
)
def test_binding_of_a_set_that_cannot_be_listed_holds_the_shape(
    type_name: str, element: str, good: str, bad: str
) -> None:
    binding = required_binding(R5, type_name, element)

    assert binding is not None
    assert binding.allows(good)
    assert not binding.allows(bad)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("4.0.1", R4),
        ("4.0", R4),
        ("R4", R4),
        ("r4b", R4B),
        ("4.3", R4B),
        ("4.3.0", R4B),
        (" R5 ", R5),
        ("5.0.0", R5),
    ],
)
def test_parse_fhir_version_knows_names_and_numbers(text: str, version: FhirVersion) -> None:
    assert parse_fhir_version(text) is version


@pytest.mark.parametrize("text", ["", "4", "3.0.2", "STU3", "R6", "5.0.0-ballot", "4.1.0", "4.0.11"])
def test_parse_fhir_version_refuses_every_other(text: str) -> None:
    with pytest.raises(ValueError, match="not a FHIR version"):
        parse_fhir_version(text)
