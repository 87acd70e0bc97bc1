"""In: codes as systems write them. Out: whether they are compared plainly and found in the value sets they belong to."""

from __future__ import annotations

import pytest

from adapter.documents import load_trial
from adapter.errors import DocumentError
from adapter.terminology import ATC, ICD10, ICDO3, Node, ValueSet, parse_value_sets, plain_code

SNOMED = "http://snomed.info/sct"


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        (ICD10, "C17.2", "C172"),
        (ICD10, "c17.2", "C172"),
        (ICD10, " C172 ", "C172"),
        (ICD10, "C17.2+0", "C1720"),
        (ICD10, "C17", "C17"),
        (ICDO3, "8240/3", "8240/3"),
        (ICDO3, "M8240/3", "8240/3"),
        (ICDO3, "m-8240/3", "8240/3"),
        (ICDO3, "M82403", "8240/3"),
        (ICDO3, "82403", "8240/3"),
        (ICDO3, "824031", "824031"),
        (ATC, " v10xx04 ", "V10XX04"),
        (SNOMED, " 255046005 ", "255046005"),
        (SNOMED, "c17.2", "c17.2"),
    ],
)
def test_a_code_is_compared_plainly(system: str, code: str, expected: str) -> None:
    assert plain_code(system, code) == expected


@pytest.mark.parametrize(
    ("name", "system", "code", "expected"),
    [
        ("intestinal_primary", ICD10, "C17", True),
        ("intestinal_primary", ICD10, "c17.2", True),
        ("intestinal_primary", ICD10, "C1720", True),
        ("intestinal_primary", ICD10, "C16.9", False),
        ("intestinal_primary", ICD10, "C1", False),
        ("intestinal_primary", "http://hl7.org/fhir/sid/icd-10-cm", "C17.2", False),
        ("intestinal_uncertain", ICD10, "D37.2", True),
        ("intestinal_uncertain", ICD10, "D37", False),
        ("intestinal_uncertain", ICD10, "D37.3", False),
        ("pancreas", ICD10, "C25.4", True),
        ("endocrine_pancreas", ICD10, "C25.4", True),
        ("endocrine_pancreas", ICD10, "C25.9", False),
        ("endocrine_pancreas", ICD10, "C25", False),
        ("lutathera", "http://www.whocc.no/atc", "V10XX04", True),
        ("lutathera", "http://www.whocc.no/atc", "V10XX05", False),
        ("lutathera", "http://www.whocc.no/atc", "V10XX", False),
        ("net_morphology", ICDO3, "M82403", True),
        ("net_morphology", ICDO3, "8240/1", False),
        ("net_morphology", ICDO3, "8246/3", False),
        ("net_any", SNOMED, "255046005", True),
        ("net_any", ICDO3, "255046005", False),
        ("brain_metastasis", ICD10, "C79.30", True),
        ("brain_metastasis", ICD10, "C79.4", False),
        ("brain_metastasis", ICD10, "D32.0", False),
        ("malignancy", ICD10, "C00.0", True),
        ("malignancy", ICD10, "C76.8", True),
        ("malignancy", ICD10, "C77.2", False),
        ("malignancy", ICD10, "C79.3", False),
        ("malignancy", ICD10, "C80", True),
        ("malignancy", ICD10, "C97", True),
        ("malignancy", ICD10, "D05.1", False),
        ("pregnancy", ICD10, "Z34.0", True),
        ("pregnancy", ICD10, "Z39.0", False),
        ("nephrotic", ICD10, "N04.9", True),
        ("nephrotic", ICD10, "N05", False),
    ],
)
def test_the_trials_value_sets_hold_what_the_specification_says(
    name: str, system: str, code: str, expected: bool
) -> None:
    assert load_trial("nct04954820").value_sets[name].has(system, code) is expected


def test_a_set_without_prefixes_holds_exact_codes_only() -> None:
    found = ValueSet("x", SNOMED, codes=frozenset({"1"}))

    assert (found.has(SNOMED, "1"), found.has(SNOMED, "12"), found.has(SNOMED, "")) == (True, False, False)


def test_a_range_has_both_its_ends() -> None:
    found = ValueSet("x", ICD10, ranges=(("C10", "C12"),))

    assert [found.has(ICD10, code) for code in ("C09.9", "C10.0", "C11", "C12.9", "C13.0")] == [
        False,
        True,
        True,
        True,
        False,
    ]


DOCUMENT = {"kind": "value-sets", "codesystems": {"icd10": ICD10}}


def parse(**value_set: object) -> dict[str, ValueSet]:
    return parse_value_sets(Node({**DOCUMENT, "value_sets": {"x": value_set}}, "vs.yaml"))


def test_a_value_set_document_is_read() -> None:
    found = parse(
        system="icd10",
        source="who10",
        match="prefix",
        codes={"C17.2": "Ileum"},
        ranges=["C00-C02"],
        label={"fr": "a", "en": "b"},
    )["x"]

    assert (found.prefixes, found.codes, found.ranges, found.label) == (
        ("C172",),
        frozenset(),
        (("C00", "C02"),),
        {"fr": "a", "en": "b"},
    )


@pytest.mark.parametrize(
    ("value_set", "pointer"),
    [
        ({"source": "s"}, "/value_sets/x"),
        ({"system": "icd9", "source": "s"}, "/value_sets/x/system"),
        ({"system": "icd10"}, "/value_sets/x"),
        ({"system": "icd10", "source": ""}, "/value_sets/x/source"),
        ({"system": "icd10", "source": "s", "match": "prefixes"}, "/value_sets/x/match"),
        ({"system": "icd10", "source": "s", "codes": ["C17"]}, "/value_sets/x/codes"),
        ({"system": "icd10", "source": "s", "ranges": "C00-C02"}, "/value_sets/x/ranges"),
        ({"system": "icd10", "source": "s", "ranges": ["C00-C02", "C00"]}, "/value_sets/x/ranges/1"),
        ({"system": "icd10", "source": "s", "ranges": ["C02-C00"]}, "/value_sets/x/ranges/0"),
        ({"system": "icd10", "source": "s", "ranges": ["C00.1-C02"]}, "/value_sets/x/ranges/0"),
        ({"system": "icd10", "source": "s", "label": {"fr": "a"}}, "/value_sets/x/label"),
        ({"system": "icd10", "source": "s", "code": {}}, "/value_sets/x"),
    ],
)
def test_a_fault_of_a_value_set_points_to_its_place(value_set: dict[str, object], pointer: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(**value_set)

    assert (caught.value.file, caught.value.pointer) == ("vs.yaml", pointer)


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({**DOCUMENT, "kind": "value-set", "value_sets": {}}, "/kind"),
        (DOCUMENT, ""),
        ({**DOCUMENT, "value_sets": []}, "/value_sets"),
        ({**DOCUMENT, "value_sets": {}, "valuesets": {}}, ""),
        ({**DOCUMENT, "value_sets": {}, "codesystems": {"icd10": 5}}, "/codesystems/icd10"),
        ([], ""),
        (None, ""),
    ],
)
def test_a_fault_of_the_document_points_to_its_place(document: object, pointer: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_value_sets(Node(document, "vs.yaml"))

    assert caught.value.pointer == pointer
