"""In: the name or number of a FHIR version. Out: the version that we read and write, and the type of a resource as plain JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

__all__ = ["FhirVersion", "Json", "parse_fhir_version"]

# A resource or an element of it as decoded JSON: numbers are int or Decimal, never float.
Json: TypeAlias = dict[str, Any]


class FhirVersion(StrEnum):
    """A published version of FHIR, its value as in `CapabilityStatement.fhirVersion`."""

    R4 = "4.0.1"
    R4B = "4.3.0"
    R5 = "5.0.0"


def parse_fhir_version(text: str) -> FhirVersion:
    """Version of FHIR by its name (`R4B`), number (`4.3.0`) or the number's beginning (`4.3`), in any case.

    A further part of the number, such as `4.0.0` or `5.0.0-ballot`, is another version than ours, and refused.

    Raises:
        ValueError: the text names none of the versions.

    >>> parse_fhir_version("r4b"), parse_fhir_version("4.0")
    (<FhirVersion.R4B: '4.3.0'>, <FhirVersion.R4: '4.0.1'>)
    """
    wanted = text.strip().upper()
    for version in FhirVersion:
        if wanted in (version.name, version.value, version.value.rpartition(".")[0]):
            return version
    raise ValueError("not a FHIR version that we know: 4.0.1 (R4), 4.3.0 (R4B) or 5.0.0 (R5)")
