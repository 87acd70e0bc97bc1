"""The criteria as CQL: what every library holds; that it translates and answers is checked by `make oracle`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest

from adapter.criteria import Criterion, Trial, tree
from adapter.criteria.exchange.cql import cql_answers, cql_library, cql_unsaid
from adapter.documents import code_system_names, load_trial, trials


def _defined(library: str) -> dict[str, str]:
    """Definitions by name, without their comments."""
    parts = re.split(r'^define (?:function )?"([^"]+)"', library, flags=re.MULTILINE)
    texts = ("\n".join(line for line in text.splitlines() if not line.strip().startswith("//")) for text in parts[2::2])
    return dict(zip(parts[1::2], texts, strict=True))


def _with(trial: Trial, node: tree.Node) -> Trial:
    """A trial of one criterion, I01, with this expression."""
    return replace(trial, criteria=(replace(trial.criterion("I01"), node=node),))


def _answer(trial: Trial, node: tree.Node) -> str:
    return _defined(cql_library(_with(trial, node), code_system_names()))["I01"]


@pytest.fixture(scope="module")
def trial() -> Trial:
    return load_trial("nct04954820")


@pytest.mark.parametrize("name", trials())
def test_library_defines_every_criterion_and_part(name: str) -> None:
    known = load_trial(name)

    defined = _defined(cql_library(known, code_system_names()))

    wanted = [item for criterion in known.criteria for item in (criterion.id, *(part.id for part in criterion.parts))]
    assert [identity for identity in wanted if identity not in defined] == []


@pytest.mark.parametrize("name", trials())
def test_library_refers_only_to_what_it_defines(name: str) -> None:
    library = cql_library(load_trial(name), code_system_names())

    defined = _defined(library)

    code = "\n".join(re.sub(r"'(?:[^'\\]|\\.)*'", "''", text) for text in defined.values())
    assert set(re.findall(r'"([^"]+)"', code)) - defined.keys() == {"ReferenceDate"}


@pytest.mark.parametrize("name", trials())
def test_library_is_the_same_text_for_the_same_documents(name: str) -> None:
    first = cql_library(load_trial(name), code_system_names())
    load_trial.cache_clear()

    assert cql_library(load_trial(name), code_system_names()) == first


@pytest.mark.parametrize("name", trials())
def test_library_has_balanced_brackets(name: str) -> None:
    for identity, text in _defined(cql_library(load_trial(name), code_system_names())).items():
        code = re.sub(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"", "", text)

        assert code.count("(") == code.count(")"), identity
        assert code.count("{") == code.count("}"), identity
        assert len(re.findall(r"\bcase\b", code)) == len(re.findall(r"(?<!\.)\bend\b", code)), identity


def test_library_says_what_is_not_said_in_it(trial: Trial) -> None:
    library = cql_library(trial, code_system_names())

    assert "// Not said in CQL, null: attested I08." in library
    assert _defined(library)["I08"].split() == [":", "(null", "as", "Boolean)"]


def test_answers_are_the_measured_criteria_and_parts(trial: Trial) -> None:
    found = cql_answers(trial)

    assert {"I01", "I07", "I11.a", "I11.b", "I11.c", "I11", "I12", "E07", "E07.a", "E07.d", "E08", "E09", "E11"} <= set(
        found
    )
    assert not {"I02", "I03", "I08", "E12"} & set(found)


def test_laboratory_compares_a_quantity_with_its_unit(trial: Trial) -> None:
    defined = _defined(cql_library(trial, code_system_names()))

    assert "\"amount of hemoglobin, 28 days\" > 8 'g/dL'" in defined["I11.a"]
    assert "'http://loinc.org|718-7' in R.codes" in defined["hemoglobin"]
    assert '"ReferenceDate" - 28 days' in defined["hemoglobin, 28 days"]


def test_unit_spellings_are_read_as_ucum_and_an_ambiguous_one_is_not(trial: Trial) -> None:
    defined = _defined(cql_library(trial, code_system_names()))

    assert "when 'G/L' then '10*9/L'" in defined["Unit of platelets"]
    assert "mmol/L" not in defined["Unit of hemoglobin"]
    assert "when '\u03bcmol/L' then 'umol/L'" in defined["Unit of creatinine"]
    assert "when '\u00b5mol/L' then 'umol/L'" in defined["Unit of creatinine"]


def test_multiple_of_the_upper_limit_multiplies_the_reports_own(trial: Trial) -> None:
    defined = _defined(cql_library(trial, code_system_names()))

    assert '"Times"("upper limit of bilirubin_total, 28 days", 2.5)' in defined["E07.d"]


def test_low_count_with_an_artefact_is_open(trial: Trial) -> None:
    defined = _defined(cql_library(trial, code_system_names()))

    assert 'is false and "artefact in platelets, 28 days" then null' in defined["I11.c"]
    assert "artefact" not in defined["I11.a"]


def test_age_and_sex_are_asked_of_the_patient(trial: Trial) -> None:
    assert 'AgeInYearsAt("ReferenceDate") >= 18' in _answer(trial, tree.Age(18))
    assert "when 'female' then true when 'male' then false else null" in _answer(trial, tree.Sex("female"))


def test_case_whose_condition_is_whole_passes_over_an_open_one(trial: Trial) -> None:
    node = tree.Cases((tree.Case(tree.Sex("male"), tree.Age(18)),), tree.Age(21))

    text = _answer(trial, node)

    assert text.split("then")[0].strip(": \n").startswith("(if (case Patient.gender.value")
    assert "is false" not in text


def test_case_whose_condition_is_unsaid_decides_only_when_both_ways_agree(trial: Trial) -> None:
    node = tree.Cases((tree.Case(tree.Attested("I13"), tree.Age(18)),), tree.Age(21))

    text = _answer(trial, node)

    assert 'when "I01 (1)" is false then "I01 (3)"' in text
    assert 'when "I01 (2)" = "I01 (3)" then "I01 (3)" else null' in text
    assert cql_unsaid(_with(trial, node)) == {"I01"}


def test_cross_check_against_what_is_unsaid_never_hides_a_conflict(trial: Trial) -> None:
    lab = next(part.node for part in trial.criterion("I11").parts if part.id == "I11.a")

    text = _answer(trial, tree.CrossCheck(lab, tree.Attested("I13")))

    assert 'if "I01 (1)" = "I01 (2)" then "I01 (1)" else null' in text


def test_part_is_never_surely_open_because_a_person_may_attest_it(trial: Trial) -> None:
    node = tree.Not(tree.PartOf("I11", "I11.a"))
    whole = replace(trial, criteria=(trial.criterion("I11"), replace(trial.criterion("I01"), node=node)))

    assert "I11.a" not in cql_unsaid(whole)
    assert "I01" in cql_unsaid(whole)
    assert '(not "I11.a")' in _defined(cql_library(whole, code_system_names()))["I01"]


def test_unknown_kind_of_node_is_null_and_named(trial: Trial) -> None:
    @dataclass(frozen=True, slots=True)
    class MoonPhase(tree.Node):
        pass

    library = cql_library(_with(trial, MoonPhase()), code_system_names())

    assert "// Not said in CQL, null: moon phase." in library
    assert "(null as Boolean)" in _defined(library)["I01"]


def test_sentence_stands_beside_each_criterion_on_one_line(trial: Trial) -> None:
    criterion: Criterion = trial.criterion("I01")

    library = cql_library(
        replace(trial, criteria=(replace(criterion, text="one\ntwo */ 'three'"),)), code_system_names()
    )

    assert "  // one two */ 'three'\n" in library


def test_library_knows_code_systems_by_their_other_names(trial: Trial) -> None:
    library = cql_library(trial, {"urn:oid:1.2": "http://loinc.org", "https://loinc.org": "http://loinc.org"})

    assert _defined(library)["Standard"].split() == [
        *("(system", "String):", "case", "system"),
        *("when", "'https://loinc.org'", "then", "'http://loinc.org'"),
        *("when", "'urn:oid:1.2'", "then", "'http://loinc.org'"),
        *("else", "system", "end"),
    ]


def test_every_comparison_of_a_systems_name_in_the_library_is_of_the_standard_one(trial: Trial) -> None:
    texts = _defined(cql_library(trial, code_system_names()))

    of_hl7_itself = texts.pop("Ranges")

    compared = re.findall(r"(\S*system\.value\S*)", "\n".join(texts.values()))
    assert len(compared) > 10
    assert {item for item in compared if not item.startswith('"Standard"(') and '("Standard"(' not in item} <= {
        # Whether there is one at all.
        "quantity.system.value"
    }
    assert "hl7.org" in of_hl7_itself
