"""In: FHIR JSON and its datatypes. Out: values: dates as intervals, numbers as intervals, typed records. No I/O."""

from __future__ import annotations

from adapter.fhir.bindings import Binding, bound_elements, required_binding
from adapter.fhir.dates import ALWAYS, PARIS, When, add_months, age_on, parse_when, period_when
from adapter.fhir.faulty import as_far_as_told
from adapter.fhir.names import RESOURCE_TYPES, SHARED_TYPES, is_shared
from adapter.fhir.numbers import fold_number, folded_numbers, numbers_of
from adapter.fhir.quantities import EXACT, NumberInterval, is_no_result, is_usable, plain, read_printed_number
from adapter.fhir.record import (
    PatientRecord,
    abated,
    has_onset,
    known_from,
    needed_references,
    surely_after,
    when_of,
)
from adapter.fhir.repeated import Summariser
from adapter.fhir.resources import READ_TYPES
from adapter.fhir.summary import ResourceProblem, Summary, normalise_reference, person_of, summarise
from adapter.fhir.ucum import is_ucum
from adapter.fhir.validation import Problem, problems
from adapter.fhir.versions import FhirVersion, Json, parse_fhir_version

__all__ = [
    "ALWAYS",
    "EXACT",
    "PARIS",
    "READ_TYPES",
    "RESOURCE_TYPES",
    "SHARED_TYPES",
    "Binding",
    "FhirVersion",
    "Json",
    "NumberInterval",
    "PatientRecord",
    "Problem",
    "ResourceProblem",
    "Summariser",
    "Summary",
    "When",
    "abated",
    "add_months",
    "age_on",
    "as_far_as_told",
    "bound_elements",
    "fold_number",
    "folded_numbers",
    "has_onset",
    "is_no_result",
    "is_shared",
    "is_ucum",
    "is_usable",
    "known_from",
    "needed_references",
    "normalise_reference",
    "numbers_of",
    "parse_fhir_version",
    "parse_when",
    "period_when",
    "person_of",
    "plain",
    "problems",
    "read_printed_number",
    "required_binding",
    "summarise",
    "surely_after",
    "when_of",
]
