"""In: a version of FHIR, a type and an element. Out: the required binding of that element: which codes it may hold.

Covers the resource types that this product writes (ResearchStudy, ResearchSubject, Group, Observation,
MedicationAdministration, Medication, MedicationRequest, Procedure, AdverseEvent, Provenance, List, Bundle,
EvidenceVariable, Organization, Location) and every datatype that occurs within them. Models of FHIR in Python take any
code: the one of fhir.resources lets `ResearchSubject.status = "randomised"` pass.

Source: the StructureDefinitions, ValueSets and CodeSystems of HL7 FHIR R4 (4.0.1, http://hl7.org/fhir/R4),
R4B (4.3.0, http://hl7.org/fhir/R4B) and R5 (5.0.0, http://hl7.org/fhir/R5); HL7 publishes FHIR under CC0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import msgspec

from adapter.fhir.versions import FhirVersion

__all__ = ["VALUE_SET_BASE", "Binding", "bound_elements", "required_binding"]

#: What the names of value sets below begin with in full.
VALUE_SET_BASE = "http://hl7.org/fhir/ValueSet/"

# Name of the value set (versions in which it holds exactly these codes) [of the code system]: codes in the order of the
# definition. The code system stands where a CodeableConcept is bound; a `code` has no system of its own.
_VALUE_SETS = """
address-type (R4 R4B R5): postal physical both
address-use (R4 R4B R5): home work temp old billing
adverse-event-actuality (R4 R4B R5): actual potential
adverse-event-outcome (R4 R4B) of http://terminology.hl7.org/CodeSystem/adverse-event-outcome: resolved recovering
    ongoing resolvedWithSequelae fatal unknown
adverse-event-severity (R4 R4B) of http://terminology.hl7.org/CodeSystem/adverse-event-severity: mild moderate severe
adverse-event-status (R5): in-progress completed entered-in-error unknown
bundle-type (R4 R4B): document message transaction transaction-response batch batch-response history searchset
    collection
bundle-type (R5): document message transaction transaction-response batch batch-response history searchset collection
    subscription-notification
characteristic-combination (R4B): intersection union
characteristic-combination (R5): all-of any-of at-least at-most statistical net-effect dataset
contact-point-system (R4 R4B R5): phone fax email pager url sms other
contact-point-use (R4 R4B R5): home work temp old mobile
contributor-type (R4 R4B): author editor reviewer endorser
days-of-week (R4 R4B R5): mon tue wed thu fri sat sun
event-status (R4 R4B R5): preparation in-progress not-done on-hold stopped completed entered-in-error unknown
event-timing (R4 R4B): AC ACD ACM ACV C CD CM CV HS MORN PC PCD PCM PCV WAKE MORN.early MORN.late NOON AFT AFT.early
    AFT.late EVE EVE.early EVE.late NIGHT PHS
event-timing (R5): AC ACD ACM ACV C CD CM CV HS MORN PC PCD PCM PCV WAKE MORN.early MORN.late NOON AFT AFT.early
    AFT.late EVE EVE.early EVE.late NIGHT PHS IMD
group-measure (R4 R4B): mean median mean-of-mean mean-of-median median-of-mean median-of-median
group-membership-basis (R5): definitional enumerated
group-type (R4 R4B): person animal practitioner device medication substance
group-type (R5): person animal practitioner device careteam healthcareservice location organization relatedperson
    specimen
http-verb (R4 R4B R5): GET HEAD POST PUT DELETE PATCH
iana-link-relations (R5): about acl alternate amphtml appendix apple-touch-icon apple-touch-startup-image archives
    author blocked-by bookmark canonical chapter cite-as collection contents convertedFrom copyright create-form
    current describedby describes disclosure dns-prefetch duplicate edit edit-form edit-media enclosure external first
    glossary help hosts hub icon index intervalAfter intervalBefore intervalContains intervalDisjoint intervalDuring
    intervalEquals intervalFinishedBy intervalFinishes intervalIn intervalMeets intervalMetBy intervalOverlappedBy
    intervalOverlaps intervalStartedBy intervalStarts item last latest-version license linkset lrdd manifest mask-icon
    media-feed memento micropub modulepreload monitor monitor-group next next-archive nofollow noopener noreferrer
    opener openid2.local_id openid2.provider original P3Pv1 payment pingback preconnect predecessor-version prefetch
    preload prerender prev preview previous prev-archive privacy-policy profile publication related restconf replies
    ruleinput search section self service service-desc service-doc service-meta sponsored start status stylesheet
    subsection successor-version sunset tag terms-of-service timegate timemap type ugc up version-history via
    webmention working-copy working-copy-of
identifier-use (R4 R4B R5): usual official temp secondary old
list-mode (R4 R4B R5): working snapshot changes
list-status (R4 R4B R5): current retired entered-in-error
location-mode (R4 R4B R5): instance kind
location-status (R4 R4B R5): active suspended inactive
medication-admin-status (R4 R4B R5): in-progress not-done on-hold completed entered-in-error stopped unknown
medication-status (R4 R4B R5): active inactive entered-in-error
medicationrequest-intent (R4 R4B R5): proposal plan order original-order reflex-order filler-order instance-order
    option
medicationrequest-status (R4 R4B): active on-hold cancelled completed entered-in-error stopped draft unknown
medicationrequest-status (R5): active on-hold ended stopped completed cancelled entered-in-error draft unknown
name-use (R4 R4B R5): usual official temp nickname anonymous old maiden
narrative-status (R4 R4B R5): generated extensions additional empty
observation-status (R4 R4B R5): registered preliminary final amended corrected cancelled entered-in-error unknown
observation-triggeredbytype (R5): reflex repeat re-run
operation-parameter-use (R4 R4B R5): in out
provenance-entity-role (R4 R4B): derivation revision quotation source removal
provenance-entity-role (R5): revision quotation source instantiates removal
publication-status (R4 R4B R5): draft active retired unknown
quantity-comparator (R4 R4B): < <= >= >
quantity-comparator (R5): < <= >= > ad
related-artifact-type (R4 R4B): documentation justification citation predecessor successor derived-from depends-on
    composed-of
related-artifact-type (R5): documentation justification citation predecessor successor derived-from depends-on
    composed-of part-of amends amended-with appends appended-with cites cited-by comments-on comment-in contains
    contained-in corrects correction-in replaces replaced-with retracts retracted-by signs similar-to supports
    supported-with transforms transformed-into transformed-with documents specification-of created-with cite-as
request-priority (R4 R4B R5): routine urgent asap stat
research-study-status (R4 R4B): active administratively-completed approved closed-to-accrual
    closed-to-accrual-and-intervention completed disapproved in-review temporarily-closed-to-accrual
    temporarily-closed-to-accrual-and-intervention withdrawn
research-subject-state (R5) of http://terminology.hl7.org/CodeSystem/research-subject-state: candidate eligible
    follow-up ineligible not-registered off-study on-study on-study-intervention on-study-observation pending-on-study
    potential-candidate screening withdrawn
research-subject-status (R4 R4B): candidate eligible follow-up ineligible not-registered off-study on-study
    on-study-intervention on-study-observation pending-on-study potential-candidate screening withdrawn
search-entry-mode (R4 R4B R5): match include outcome
sort-direction (R4 R4B R5): ascending descending
trigger-type (R4 R4B R5): named-event periodic data-changed data-added data-modified data-removed data-accessed
    data-access-ended
units-of-time (R4 R4B R5): a d h min mo s wk
value-filter-comparator (R5): eq gt lt ge le sa eb
variable-handling (R4B R5): continuous dichotomous ordinal polychotomous
variable-type (R4): dichotomous continuous descriptive
"""

# Value sets that nobody can list (BCP 47, BCP 13, UCUM), or whose list changes outside FHIR (ISO 4217) or is the list of
# all types: their codes have a shape.
_SHAPES = {
    "all-languages": r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*",
    "all-types": r"[A-Za-z][A-Za-z0-9]*",
    "currencies": r"[A-Z]{3}",
    "fhir-types": r"[A-Za-z][A-Za-z0-9]*",
    "mimetypes": r"[A-Za-z0-9!#$&^_.+-]+(/[A-Za-z0-9!#$&^_.+-]+)?(\s*;\s*\S.*)?",
    "ucum-units": r"[!-~]+",
}

# Element, versions in which it is bound, value set.
_ELEMENTS = """
Address.type                                                    R4 R4B R5  address-type
Address.use                                                     R4 R4B R5  address-use
AdverseEvent.actuality                                          R4 R4B R5  adverse-event-actuality
AdverseEvent.outcome                                            R4 R4B     adverse-event-outcome
AdverseEvent.severity                                           R4 R4B     adverse-event-severity
AdverseEvent.status                                             R5         adverse-event-status
Age.comparator                                                  R4 R4B R5  quantity-comparator
Attachment.contentType                                          R4 R4B R5  mimetypes
Attachment.language                                             R5         all-languages
Availability.availableTime.daysOfWeek                           R5         days-of-week
Bundle.entry.request.method                                     R4 R4B R5  http-verb
Bundle.entry.search.mode                                        R4 R4B R5  search-entry-mode
Bundle.link.relation                                            R5         iana-link-relations
Bundle.type                                                     R4 R4B R5  bundle-type
ContactPoint.system                                             R4 R4B R5  contact-point-system
ContactPoint.use                                                R4 R4B R5  contact-point-use
Contributor.type                                                R4 R4B     contributor-type
Count.comparator                                                R4 R4B R5  quantity-comparator
DataRequirement.sort.direction                                  R4 R4B R5  sort-direction
DataRequirement.type                                            R4 R4B     all-types
DataRequirement.type                                            R5         fhir-types
DataRequirement.valueFilter.comparator                          R5         value-filter-comparator
Distance.comparator                                             R4 R4B R5  quantity-comparator
Duration.comparator                                             R4 R4B R5  quantity-comparator
EvidenceVariable.characteristic.definitionByCombination.code    R5         characteristic-combination
EvidenceVariable.characteristic.groupMeasure                    R4 R4B     group-measure
EvidenceVariable.characteristicCombination                      R4B        characteristic-combination
EvidenceVariable.handling                                       R4B R5     variable-handling
EvidenceVariable.status                                         R4 R4B R5  publication-status
EvidenceVariable.type                                           R4         variable-type
Group.membership                                                R5         group-membership-basis
Group.type                                                      R4 R4B R5  group-type
HumanName.use                                                   R4 R4B R5  name-use
Identifier.use                                                  R4 R4B R5  identifier-use
List.mode                                                       R4 R4B R5  list-mode
List.status                                                     R4 R4B R5  list-status
Location.hoursOfOperation.daysOfWeek                            R4 R4B     days-of-week
Location.mode                                                   R4 R4B R5  location-mode
Location.status                                                 R4 R4B R5  location-status
Medication.status                                               R4 R4B R5  medication-status
MedicationAdministration.status                                 R4 R4B R5  medication-admin-status
MedicationRequest.intent                                        R4 R4B R5  medicationrequest-intent
MedicationRequest.priority                                      R4 R4B R5  request-priority
MedicationRequest.status                                        R4 R4B R5  medicationrequest-status
Money.currency                                                  R4 R4B R5  currencies
Narrative.status                                                R4 R4B R5  narrative-status
Observation.status                                              R4 R4B R5  observation-status
Observation.triggeredBy.type                                    R5         observation-triggeredbytype
ParameterDefinition.type                                        R4 R4B     all-types
ParameterDefinition.type                                        R5         fhir-types
ParameterDefinition.use                                         R4 R4B R5  operation-parameter-use
Procedure.status                                                R4 R4B R5  event-status
Provenance.entity.role                                          R4 R4B R5  provenance-entity-role
Quantity.comparator                                             R4 R4B R5  quantity-comparator
RelatedArtifact.publicationStatus                               R5         publication-status
RelatedArtifact.type                                            R4 R4B R5  related-artifact-type
ResearchStudy.status                                            R4 R4B     research-study-status
ResearchStudy.status                                            R5         publication-status
ResearchSubject.progress.subjectState                           R5         research-subject-state
ResearchSubject.status                                          R4 R4B     research-subject-status
ResearchSubject.status                                          R5         publication-status
Resource.language                                               R5         all-languages
SampledData.intervalUnit                                        R5         ucum-units
Signature.sigFormat                                             R4 R4B R5  mimetypes
Signature.targetFormat                                          R4 R4B R5  mimetypes
Timing.repeat.dayOfWeek                                         R4 R4B R5  days-of-week
Timing.repeat.durationUnit                                      R4 R4B R5  units-of-time
Timing.repeat.periodUnit                                        R4 R4B R5  units-of-time
Timing.repeat.when                                              R4 R4B R5  event-timing
TriggerDefinition.type                                          R4 R4B R5  trigger-type
"""

_VALUE_SET_HEAD = re.compile(r"(?P<name>\S+) \((?P<versions>[^)]+)\)(?: of (?P<system>\S+))?:(?P<codes>.*)", re.DOTALL)


class Binding(msgspec.Struct, frozen=True):
    """What a required binding allows.

    ``system`` is None where the bound element is a ``code``; ``codes`` is empty where only a shape can be told.
    """

    value_set: str
    system: str | None
    codes: frozenset[str]
    shape: str | None = None

    def allows(self, code: str) -> bool:
        """Whether the value set holds the code, or, where it cannot be listed, may hold it.

        >>> required_binding(FhirVersion.R4, "ResearchSubject", "status").allows("randomised")
        False
        """
        if self.shape is not None:
            return re.fullmatch(self.shape, code) is not None
        return code in self.codes


def required_binding(version: FhirVersion, type_name: str, element: str) -> Binding | None:
    """Required binding of an element, None where it has none.

    Args:
        version: version of FHIR.
        type_name: name of a resource type or datatype, or of a part of one as its path in upper camel case, in the way of
            fhir.resources: ``BundleEntryRequest`` for ``Bundle.entry.request``.
        element: name of the element within the type.
    """
    return _bindings(version).get((type_name, element))


def bound_elements(version: FhirVersion) -> dict[str, Binding]:
    """All required bindings of a version by the element's path in the definitions, such as ``Bundle.entry.request.method``."""
    return {path: _value_sets(version)[value_set] for path, value_set in _element_rows(version)}


@cache
def _bindings(version: FhirVersion) -> dict[tuple[str, str], Binding]:
    found = {}
    for path, binding in bound_elements(version).items():
        *owners, element = path.split(".")
        found["".join(part[0].upper() + part[1:] for part in owners), element] = binding
    return found


def _element_rows(version: FhirVersion) -> Iterator[tuple[str, str]]:
    for row in _ELEMENTS.strip().splitlines():
        path, *versions, value_set = row.split()
        if version.name in versions:
            yield path, value_set


@cache
def _value_sets(version: FhirVersion) -> dict[str, Binding]:
    found = {name: Binding(VALUE_SET_BASE + name, None, frozenset(), shape) for name, shape in _SHAPES.items()}
    for row in re.split(r"\n(?! )", _VALUE_SETS.strip()):
        head = _VALUE_SET_HEAD.fullmatch(row)
        assert head is not None, row
        if version.name in head["versions"].split():
            name = head["name"]
            found[name] = Binding(VALUE_SET_BASE + name, head["system"], frozenset(head["codes"].split()))
    return found
