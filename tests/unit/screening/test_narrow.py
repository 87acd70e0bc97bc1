"""In: a trial's signals and a site's documents. Out: what is looked for, in every spelling that means the same."""

from __future__ import annotations

import pytest

from adapter.criteria import Signal
from adapter.screening.narrow import signal_codes, signal_prefixes
from adapter.terminology import ATC, ICD10, ICDO3, Site, ValueSet

OWN = "urn:oid:1.2.250.1.999.8"
PLAIN = Site.plain("icm")


def _signal(*value_sets: ValueSet, codes: tuple[str, ...] = (), prefixes: tuple[str, ...] = ()) -> Signal:
    return Signal(
        "signal", {"fr": "signe", "en": "signal"}, ("Condition",), codes=codes, prefixes=prefixes, value_sets=value_sets
    )


@pytest.mark.parametrize("spelling", ["8240/3", "82403", "M8240/3", "M82403", "M-8240/3", "m82403"])
def test_narrowing_looks_for_a_morphology_in_every_spelling(spelling: str) -> None:
    morphology = ValueSet("net", ICDO3, codes=frozenset({"8240/3"}))

    assert morphology.has(ICDO3, spelling)
    assert f"{ICDO3}|{spelling}" in signal_codes(_signal(morphology), PLAIN)


def test_narrowing_looks_for_every_category_of_a_range() -> None:
    tumours = ValueSet("tumours", ICD10, ranges=(("C17", "C20"),))

    found = signal_prefixes(_signal(tumours), PLAIN)

    assert {f"{ICD10}|C17", f"{ICD10}|C18", f"{ICD10}|C19", f"{ICD10}|C20", f"{ICD10}|C1A"} <= found
    assert not {f"{ICD10}|C16", f"{ICD10}|C21"} & found


def test_narrowing_looks_for_an_exact_icd10_code_with_and_without_dot() -> None:
    exact = ValueSet("pancreas", ICD10, codes=frozenset({"C254"}))

    assert f"{ICD10}|C254" in signal_prefixes(_signal(exact), PLAIN)
    assert f"{ICD10}|C25.4" in signal_prefixes(_signal(codes=(f"{ICD10}|C25.4",)), PLAIN)


def test_narrowing_looks_for_an_atc_code_in_either_case() -> None:
    lutathera = ValueSet("lutathera", ATC, codes=frozenset({"V10XX04"}))

    assert lutathera.has(ATC, "v10xx04")
    assert f"{ATC}|V10XX04" in signal_prefixes(_signal(lutathera), PLAIN)


def test_narrowing_looks_into_the_sites_own_cim10() -> None:
    site = Site("icm", icd10_systems=frozenset({ICD10, OWN}))

    assert f"{OWN}|C17" in signal_prefixes(_signal(prefixes=(f"{ICD10}|C17",)), site)


@pytest.mark.parametrize(
    "target", [(ICD10, "C17.2"), (ICD10, "c172"), (ICDO3, "M82403"), ("http://www.whocc.no/atc", "V10XX04")]
)
def test_narrowing_looks_for_local_codes_mapped_into_the_signal(target: tuple[str, str]) -> None:
    site = Site("icm", concept_map={("urn:local", "X1"): (target,), ("urn:local", "X2"): (("urn:other", "1"),)})
    signal = _signal(
        ValueSet("net", ICDO3, codes=frozenset({"8240/3"})),
        codes=("http://www.whocc.no/atc|V10XX04",),
        prefixes=(f"{ICD10}|C17",),
    )

    found = signal_codes(signal, site)

    assert "urn:local|X1" in found
    assert "urn:local|X2" not in found
