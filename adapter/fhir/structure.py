"""In: a version of FHIR and the name of a type. Out: the elements of that type, as the models of fhir.resources define them.

fhir.resources has models of R5 and R4B and none of R4. R4 is read from the R4B models, with what R4 has otherwise; the
difference was found by comparing the StructureDefinitions of HL7 FHIR 4.0.1 and 4.3.0, element by element. Among the types
that this product writes it is Extension.value[x], EvidenceVariable and two lists of reference targets.
"""

from __future__ import annotations

import importlib
import typing
from collections.abc import Iterator
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec

from adapter.fhir.names import RESOURCE_TYPES
from adapter.fhir.versions import FhirVersion

__all__ = ["ANY_RESOURCE", "SIBLING", "Element", "Elements", "elements_of", "has_resource_type", "is_checked"]

#: The type of an element that holds a whole resource: ``contained``, ``Bundle.entry.resource``.
ANY_RESOURCE = "Resource"
#: The type of what stands beside a primitive, ``_status`` beside ``status``: its id and extensions.
SIBLING = "FHIRPrimitiveExtension"

# R4 datatypes.html#primitive, R5 datatypes.html#primitive
_PRIMITIVES = (
    *("base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer"),
    *("integer64", "markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid", "xhtml"),
)

_R4_ONLY_TYPES = frozenset(
    {
        "EffectEvidenceSynthesis",
        "MedicinalProduct",
        "MedicinalProductAuthorization",
        "MedicinalProductContraindication",
        "MedicinalProductIndication",
        "MedicinalProductIngredient",
        "MedicinalProductInteraction",
        "MedicinalProductManufactured",
        "MedicinalProductPackaged",
        "MedicinalProductPharmaceutical",
        "MedicinalProductUndesirableEffect",
        "RiskEvidenceSynthesis",
        "SubstanceNucleicAcid",
        "SubstancePolymer",
        "SubstanceProtein",
        "SubstanceReferenceInformation",
        "SubstanceSourceMaterial",
        "SubstanceSpecification",
    }
)
_NOT_IN_R4 = frozenset(
    {
        "AdministrableProductDefinition",
        "Citation",
        "ClinicalUseDefinition",
        "EvidenceReport",
        "Ingredient",
        "ManufacturedItemDefinition",
        "MedicinalProductDefinition",
        "NutritionProduct",
        "PackagedProductDefinition",
        "RegulatedAuthorization",
        "SubscriptionStatus",
        "SubscriptionTopic",
        "SubstanceDefinition",
    }
)
# Without a model, rewritten between R4 and R4B, or with choices that R4 lacks; nothing here writes them.
_R4_NOT_CHECKED = _R4_ONLY_TYPES | {"ActivityDefinition", "Evidence", "PlanDefinition", "StructureDefinition"}


class Element(msgspec.Struct, frozen=True):
    """One element of a type: its own type, how often it stands there, and which choice it belongs to.

    ``choice`` is the name before ``[x]``; ``targets`` are the resource types that a reference may point to, empty where any.
    """

    type: str
    is_list: bool = False
    required: bool = False
    choice: str | None = None
    choice_required: bool = False
    targets: frozenset[str] = frozenset()

    @property
    def is_primitive(self) -> bool:
        """Whether the element holds a plain JSON value."""
        return self.type in _PRIMITIVES


Elements: typing.TypeAlias = MappingProxyType[str, Element]

# Type -> names of the R4B model that R4 does not know.
_R4_WITHOUT = {
    "Extension": {"valueCodeableReference", "valueRatioRange"},
    "EvidenceVariable": {"actual", "category", "characteristicCombination", "handling"},
    "EvidenceVariableCharacteristic": {"device", "method"},
}
# Type -> elements that R4 has and the R4B model has not, or has otherwise.
_R4_WITH = {
    "Extension": {"valueMeta": Element("Meta", choice="value")},
    "EvidenceVariable": {
        "approvalDate": Element("date"),
        "copyright": Element("markdown"),
        "effectivePeriod": Element("Period"),
        "jurisdiction": Element("CodeableConcept", is_list=True),
        "lastReviewDate": Element("date"),
        "topic": Element("CodeableConcept", is_list=True),
        "type": Element("code"),
        "characteristic": Element("EvidenceVariableCharacteristic", is_list=True, required=True),
    },
    "EvidenceVariableCharacteristic": {
        "definitionReference": Element(
            "Reference", choice="definition", choice_required=True, targets=frozenset({"Group"})
        ),
        "definitionDataRequirement": Element("DataRequirement", choice="definition", choice_required=True),
        "definitionTriggerDefinition": Element("TriggerDefinition", choice="definition", choice_required=True),
        "participantEffectiveDateTime": Element("dateTime", choice="participantEffective"),
        "participantEffectiveDuration": Element("Duration", choice="participantEffective"),
        "participantEffectivePeriod": Element("Period", choice="participantEffective"),
        "participantEffectiveTiming": Element("Timing", choice="participantEffective"),
        "timeFromStart": Element("Duration"),
        "usageContext": Element("UsageContext", is_list=True),
    },
    "GroupMember": {
        "entity": Element(
            "Reference",
            required=True,
            targets=frozenset(
                {"Device", "Group", "Medication", "Patient", "Practitioner", "PractitionerRole", "Substance"}
            ),
        )
    },
    "Observation": {"subject": Element("Reference", targets=frozenset({"Device", "Group", "Location", "Patient"}))},
}


def has_resource_type(version: FhirVersion, name: str) -> bool:
    """Whether the version has a resource type of that name."""
    if name not in RESOURCE_TYPES:
        return False
    if version is FhirVersion.R4:
        return name in _R4_ONLY_TYPES or (name not in _NOT_IN_R4 and _model(FhirVersion.R4B, name) is not None)
    return _model(version, name) is not None


def is_checked(version: FhirVersion, name: str) -> bool:
    """Whether the elements of a resource type that the version has are known here."""
    return version is not FhirVersion.R4 or name not in _R4_NOT_CHECKED


@cache
def elements_of(version: FhirVersion, type_name: str) -> Elements:
    """Elements of a resource type, a datatype or a part of one, by their name in JSON.

    Args:
        version: version of FHIR.
        type_name: in the way of fhir.resources: ``BundleEntryRequest`` for ``Bundle.entry.request``.

    Raises:
        KeyError: the version has no such type.
    """
    model = _model(version, type_name)
    if model is None:
        raise KeyError(type_name)
    found = dict(_elements(version, model))
    if version is FhirVersion.R4:
        for name in _R4_WITHOUT.get(type_name, ()):
            del found[name]
            found.pop(f"_{name}", None)
        for name, element in _R4_WITH.get(type_name, {}).items():
            found[name] = element
            if element.is_primitive:
                found[f"_{name}"] = Element(SIBLING)
    return MappingProxyType(found)


def _package(version: FhirVersion) -> Any:
    import fhir.resources.R4B  # noqa: PLC0415 - takes a quarter of a second, and most commands need none of it (design 5)

    return fhir.resources if version is FhirVersion.R5 else fhir.resources.R4B


@cache
def _model(version: FhirVersion, type_name: str) -> Any:
    try:
        return _package(version).get_fhir_model_class(type_name)
    except ValueError:
        return None


@cache
def _primitive_names(version: FhirVersion) -> dict[Any, str]:
    fhirtypes = importlib.import_module(f"{_package(version).__name__}.fhirtypes")
    return {getattr(fhirtypes, f"{name[0].upper()}{name[1:]}Type"): name for name in _PRIMITIVES}


def _elements(version: FhirVersion, model: Any) -> Iterator[tuple[str, Element]]:
    # The annotations as written: pydantic's own FieldInfo has parted `Annotated[str, Code()]` where a field is not optional.
    annotations = typing.get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        if name == "fhir_comments":  # of DSTU2's JSON
            continue
        extra = field.json_schema_extra or {}
        leaf, is_list = _leaf(annotations[name])
        type_name = _primitive_names(version).get(leaf) or leaf.__name__.removesuffix("Type")
        yield (
            field.alias or name,
            Element(
                type_name,
                is_list=is_list,
                required=bool(field.is_required() or extra.get("element_required", False)),
                choice=extra.get("one_of_many"),
                choice_required=bool(extra.get("one_of_many_required", False)),
                targets=frozenset(extra.get("enum_reference_types", ())) - {ANY_RESOURCE},
            ),
        )


def _leaf(annotation: Any) -> tuple[Any, bool]:
    """Type within ``Optional`` and ``List``, and whether there was a list."""
    is_list = False
    while (parts := typing.get_args(annotation)) and not hasattr(annotation, "__metadata__"):
        is_list = is_list or typing.get_origin(annotation) is list
        annotation = next(part for part in parts if part is not type(None))
    return annotation, is_list
