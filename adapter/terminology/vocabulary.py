"""In: what a trial's documents and a site's overlay name. Out: whether a coding, and a unit of an analyte, can be read. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from adapter.fhir.datatypes import CodeableConcept, Coding
from adapter.terminology.analytes import Analyte, UnitProblem, Units
from adapter.terminology.coded import UCUM
from adapter.terminology.site import Site
from adapter.terminology.valuesets import ICD10, ICD10_CM, TERMS

__all__ = ["Vocabulary"]

#: Systems whose codes are read as they stand, besides those of the trial's own documents and HL7's (clinical-spec.md 6).
_READ = frozenset(
    {
        "http://loinc.org",
        "http://snomed.info/sct",
        ICD10,
        ICD10_CM,
        "http://www.whocc.no/atc",
        "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
        TERMS,
        UCUM,
    }
)
_HL7 = ("http://terminology.hl7.org/", "http://hl7.org/fhir/")
#: HL7 lists foreign systems here; of these only the ones above are read.
_FOREIGN = "http://hl7.org/fhir/sid/"


@dataclass(frozen=True)
class Vocabulary:
    """What a trial can read of a site's records.

    Attributes:
        site: its ConceptMaps, code systems and units.
        systems: code systems of the trial's documents.
        analytes: those of the trial.
        units: general unit spellings.
        questions: codes of Observations whose coded answer is read.
        answers: printed answers that are read, in lower case.
        ranged: analytes of which a limit of normal is needed.
    """

    site: Site
    systems: frozenset[str]
    analytes: Mapping[str, Analyte]
    units: Units
    questions: frozenset[tuple[str, str]] = frozenset()
    answers: frozenset[str] = frozenset()
    ranged: frozenset[str] = frozenset()

    def reads_system(self, system: str) -> bool:
        """Codes of this system are read as they stand, or say nothing that a site could map (UCUM, HL7's own)."""
        system = self.site.system_of(system)
        if system in _READ or system in self.systems:
            return True
        return system.startswith(_HL7) and not system.startswith(_FOREIGN)

    def translates(self, system: str, code: str) -> bool:
        """A document of the site says what this code means."""
        return self.site.translates(system, code) or self.site.translates(self.site.system_of(system), code)

    def reads(self, coding: Coding) -> bool:
        """A coding that needs no further mapping."""
        if coding.system is None or coding.code is None:
            return False
        return self.reads_system(coding.system) or self.translates(coding.system, coding.code)

    def analytes_of(self, concept: CodeableConcept) -> tuple[Analyte, ...]:
        """The analytes that a concept names."""
        found = {analyte.id: analyte for coding in self.standard(concept) for analyte in self.by_code.get(coding, ())}
        return tuple(found.values())

    @cached_property
    def by_code(self) -> Mapping[tuple[str, str], tuple[Analyte, ...]]:
        """The analytes that a code names; a plain glucose that is always fasting here is a fasting one."""
        found: dict[tuple[str, str], list[Analyte]] = defaultdict(list)
        for analyte in self.analytes.values():
            fasting = self.site.fasting_codes if analyte.id == "glucose_fasting" else frozenset()
            for coding in analyte.codes | fasting:
                found[coding].append(analyte)
        return {coding: tuple(analytes) for coding, analytes in found.items()}

    @cached_property
    def _site_units(self) -> Units:
        return self.site.units(self.units)

    def standard(self, concept: CodeableConcept) -> set[tuple[str, str]]:
        """The codings of a concept in standard systems."""
        return {
            coding
            for item in concept.coding
            if item.system is not None and item.code is not None
            for coding in self.site.standard(item.system, item.code)
        }

    def unit_problem(self, analyte: Analyte, *, code: str | None, text: str | None) -> str | None:
        """Why a unit cannot be used for an analyte, None where it can."""
        try:
            self._site_units.factor(analyte, code=code, text=text)
        except UnitProblem as problem:
            return problem.reason
        return None
