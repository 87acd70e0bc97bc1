"""In: the store, a trial's signals, a site's terminology. Out: the few who may be candidates, by set queries.

Never too few: whoever has a signal comes out. It may be too many (a refuted diagnosis still holds its code): whether a
person is a candidate is decided exactly, on the raw record, by `adapter.criteria.evaluate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from string import ascii_uppercase, digits

from adapter.criteria import Signal, Trial
from adapter.store import CodeSearch, Signs, Store
from adapter.terminology import ATC, ICD10, ICDO3, Site, ValueSet, plain_code

__all__ = ["possible_candidates", "signal_codes", "signal_prefixes", "signs_of"]

#: Code systems in which the case of a code says nothing.
_FOLDED = (ATC, ICD10)
#: What may stand before a morphology code; `plain_code` reads past it.
_MORPHOLOGY_MARKS = ("", "M", "M-", "m", "m-")


def possible_candidates(store: Store, trial: Trial, site: Site) -> set[str]:
    """Persons of a site with a signal of the trial in their record.

    Args:
        store: what was pulled.
        trial: whose signals are looked for.
        site: where; its ConceptMaps tell which local codes are signals too.

    Returns:
        surviving patients (``Patient/id``).
    """
    found, _ = store.lake.signed(site.id, signs_of([trial], site))
    merges = store.lake.merges(site.id)
    return {merges.get(patient, patient) for patient in found}


def signs_of(trials: Iterable[Trial], site: Site) -> Signs:
    """What is looked for at a site, for some trials together."""
    searches = []
    any_subject = False
    for signal in (signal for trial in trials for signal in trial.signals):
        codes, prefixes = signal_codes(signal, site), signal_prefixes(signal, site)
        if codes or prefixes or signal.text:
            searches.append(CodeSearch(codes, prefixes, signal.text, frozenset(signal.resource_types)))
        any_subject = any_subject or bool(signal.study)
    return Signs(tuple(searches), any_subject)


def signal_codes(signal: Signal, site: Site) -> frozenset[str]:
    """The codes of a signal as feeds spell them, with the site's local codes that its ConceptMaps take to them."""
    listed = {*signal.codes, *(f"{found.system}|{code}" for found in signal.value_sets for code in found.codes)}
    return frozenset(other for coding in listed for other in _spellings(coding, site)) | _mapped(signal, site)


def signal_prefixes(signal: Signal, site: Site) -> frozenset[str]:
    """The prefixes of a signal, under every name of its code system, and in every one that the site uses for CIM-10.

    The store compares prefixes without dots and case, so an exact code of ICD-10 or ATC is looked for as a prefix as well:
    one found too many costs an evaluation, one too few a patient.
    """
    folded = tuple(f"{system}|" for system in _FOLDED)
    listed = {*signal.prefixes, *(coding for coding in signal.codes if coding.startswith(folded))}
    for found in signal.value_sets:
        listed |= {f"{found.system}|{prefix}" for prefix in (*found.prefixes, *_categories(found))}
        listed |= {f"{found.system}|{code}" for code in found.codes if found.system in _FOLDED}
    return frozenset(other for prefix in listed for other in _in_all_systems(prefix, site))


def _categories(value_set: ValueSet) -> Iterator[str]:
    """The three-character categories of its ranges, ``C7A`` among them where the range holds it."""
    for low, high in value_set.ranges:
        for letters in product(ascii_uppercase, digits, digits + ascii_uppercase):
            if low <= (category := "".join(letters)) <= high:
                yield category


def _in_all_systems(coding: str, site: Site) -> Iterator[str]:
    system, _, code = coding.partition("|")
    for name in site.names_of(system):
        yield f"{name}|{code}"
        if system == ICDO3:
            for mark in _MORPHOLOGY_MARKS:
                yield f"{name}|{mark}{code}"


def _spellings(coding: str, site: Site) -> Iterator[str]:
    system, _, code = coding.partition("|")
    for name in site.names_of(system):
        yield f"{name}|{code}"
        if system == ICDO3:
            # `plain_code` reads all of these as the same morphology.
            for mark in _MORPHOLOGY_MARKS:
                yield f"{name}|{mark}{code}"
                yield f"{name}|{mark}{code.replace('/', '')}"


def _mapped(signal: Signal, site: Site) -> frozenset[str]:
    """Local codes that the site's ConceptMaps take into the signal."""
    exact = {_plain(coding) for coding in signal.codes}
    prefixes = tuple(_plain(coding) for coding in signal.prefixes)
    local: set[str] = set()
    for source, targets in site.concept_map.items():
        for system, code in targets:
            plain = f"{system}|{plain_code(system, code)}"
            if plain in exact or plain.startswith(prefixes) or any(s.has(system, code) for s in signal.value_sets):
                local |= set(_in_all_systems("|".join(source), site))
    return frozenset(local)


def _plain(coding: str) -> str:
    system, _, code = coding.partition("|")
    return f"{system}|{plain_code(system, code)}"
