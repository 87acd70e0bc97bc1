"""In: a coding as a hospital sent it. Out: the codings that may leave the site: known codes in standard systems, without any words.

A code is known when a document names it, or when its system allows only forms that cannot hold a person's number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapter.criteria import Trial
from adapter.terminology import ICD10, ICDO3, Node, Site, plain_code

__all__ = ["CodeTables", "KnownCodes", "parse_code_tables"]

Coding = tuple[str, str]

_LOINC = re.compile(r"[1-9]\d{0,4}-\d", re.ASCII)
#: CIM-10: three characters, one or two more, and the French extension behind a plus.
_ICD10 = re.compile(r"[A-Z]\d\d(\.?\d{1,2}(\+\d{1,2})?)?", re.ASCII)
#: Anatomical main groups only; a substance has seven characters.
_ATC = re.compile(r"[ABCDGHJLMNPRSV](\d\d([A-Z]([A-Z](\d\d)?)?)?)?", re.ASCII)
#: Morphology 8000/0 to 9999/9: no year of birth begins so. Topography C00 to C80.
_ICDO3 = re.compile(r"[89]\d{3}/[012369]|C[0-8]\d(\.\d)?", re.ASCII)
#: Eight digits: a number of a person might have the form, so it holds where a rule names the system, and nowhere else.
_MEDDRA = re.compile(r"10\d{6}", re.ASCII)
_MOST_KEPT: Final = 20_000


def _is_loinc(code: str) -> bool:
    """Its check digit is right (LOINC Users' Guide, appendix: mod 10).

    >>> _is_loinc("718-7"), _is_loinc("718-8"), _is_loinc("180053417201-5")
    (True, False, False)
    """
    if not _LOINC.fullmatch(code):
        return False
    digits, _, check = code.partition("-")
    total = 0
    for at, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if at % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return (-total) % 10 == int(check)


_FORMS: Final[Mapping[str, Callable[[str], bool]]] = {
    "loinc": _is_loinc,
    "icd-10": lambda code: _ICD10.fullmatch(code) is not None,
    "atc": lambda code: _ATC.fullmatch(code) is not None,
    "icd-o-3": lambda code: _ICDO3.fullmatch(code) is not None,
    "meddra": lambda code: _MEDDRA.fullmatch(code) is not None,
}


@dataclass(frozen=True, slots=True)
class CodeTables:
    """The document of known codes.

    Attributes:
        forms: name of the form by code system.
        forms_where_named: the same, of systems that a rule has to name.
        codes: the only ones of a system.
        units: UCUM codes besides those of the unit tables.
        words: printed results that are codes, by the word in lower case.
        absent: printed results that say why there is none, as codes of data-absent-reason.
        reasons: of events of a subject.
    """

    forms: Mapping[str, str]
    forms_where_named: Mapping[str, str]
    codes: frozenset[Coding]
    units: frozenset[str]
    words: Mapping[str, Coding]
    absent: Mapping[str, str]
    reasons: frozenset[str]


def parse_code_tables(document: Node) -> CodeTables:
    """The tables of a document of kind ``known-codes``.

    Raises:
        DocumentError: with the place of the fault.
    """
    document["kind"].one_of("known-codes")
    document["version"].text()
    forms, named = (
        {system: node.one_of(*sorted(_FORMS)) for system, node in document[key].items()}
        for key in ("forms", "forms_where_named")
    )
    codes: set[Coding] = set()
    for system, node in document["codes"].items():
        for element in node.elements():
            coding = (system, element.text())
            if coding in codes:
                raise element.fault("stands twice")
            codes.add(coding)
    words: dict[str, Coding] = {}
    for word, node in document["words"].items():
        system, mark, code = node.text().rpartition("|")
        if not mark or (system, code) not in codes:
            raise node.fault("is none of the codes above")
        words[word] = (system, code)
    found = CodeTables(
        forms=forms,
        forms_where_named=named,
        codes=frozenset(codes),
        units=frozenset(document["units"].texts()),
        words=words,
        absent={word: node.text() for word, node in document["absent"].items()},
        reasons=frozenset(document["reasons"].texts()),
    )
    document.close()
    return found


@dataclass
class KnownCodes:
    """What is known of codes at one site, for one trial; what was found is kept, as a feed has few codes, very often.

    Args:
        tables: the document.
        trial: its value sets, analytes and prepared concepts name codes, too.
        site: its ConceptMaps and its own system for CIM-10.
    """

    tables: CodeTables
    trial: Trial
    site: Site
    _named: frozenset[Coding] = field(init=False)
    _kept: dict[tuple[Any, Any, frozenset[str]], tuple[Coding, ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        named = set(self.tables.codes)
        for analyte in self.trial.analytes.values():
            named |= analyte.codes
            named |= analyte.coded_values.keys()
        self._named = frozenset(named)

    def standard(self, system: Any, code: Any, *, named: frozenset[str] = frozenset()) -> tuple[Coding, ...]:
        """The codings that a coding leaves: itself where it is known, and what the site's ConceptMaps make of it.

        Args:
            system: as sent.
            code: as sent.
            named: systems that the element's rule names, whose codes are known by their form there.
        """
        try:
            return self._kept[system, code, named]
        except KeyError:
            found = self._find(system, code, named)
        except TypeError:
            return ()
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[system, code, named] = found
        return found

    def _find(self, system: Any, code: Any, named: frozenset[str]) -> tuple[Coding, ...]:
        if not isinstance(system, str) or not isinstance(code, str):
            return ()
        found = (known for one in self.site.standard(system, code) if (known := self._known(*one, named)) is not None)
        return tuple(dict.fromkeys(found))

    def _known(self, system: str, code: str, named: frozenset[str]) -> Coding | None:
        """The coding as it is written out: ICD-10 in capitals, ICD-O-3 with its slash."""
        if (system, code) in self._named:
            return system, code
        if system == ICD10:
            code = code.strip().upper()
        elif system == ICDO3:
            code = plain_code(system, code)
        form = self.tables.forms.get(system)
        if system in named:
            form = self.tables.forms_where_named.get(system)
        if form is not None:
            return (system, code) if _FORMS[form](code) else None
        # Exact members only: a code that merely begins like one of a value set may go on in a number.
        exact = any(plain_code(system, code) in one.codes for one in self.trial.value_sets_of(system, code))
        return (system, code) if exact else None

    def codings(self, listed: Any) -> tuple[Coding, ...]:
        """The codings that a list of codings leaves, each once, in their order."""
        if not isinstance(listed, list):
            return ()
        found: list[Coding] = []
        for one in listed:
            if isinstance(one, dict):
                found += self.standard(one.get("system"), one.get("code"))
        return tuple(dict.fromkeys(found))

    @staticmethod
    def concept(codings: Iterable[Coding]) -> dict[str, Any]:
        """A CodeableConcept of codings."""
        return {"coding": [{"system": system, "code": code} for system, code in codings]}

    def units(self) -> Collection[str]:
        """UCUM codes that may stand in a Quantity."""
        site = set(self.site.unit_spellings.values())
        return frozenset(self.trial.units.spellings.values()) | self.tables.units | site
