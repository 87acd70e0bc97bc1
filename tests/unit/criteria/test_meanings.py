"""What a coding means is found once for a site, and is that site's: never another's, nor another trial's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapter.criteria import meanings
from adapter.criteria.meanings import Meaning, Meanings
from adapter.documents import load_trial
from adapter.fhir.datatypes import Coding
from adapter.terminology import ICD10, Site, ValueSet

_BOWEL = ValueSet("bowel", ICD10, prefixes=("C17",))
_LOCAL = ("urn:example:local", "NET-7")


def _sets_of(system: str, code: str) -> tuple[ValueSet, ...]:
    return (_BOWEL,) if _BOWEL.has(system, code) else ()


def _coding(system: str | None, code: str | None) -> Coding:
    return Coding(system=system, code=code)


def test_codings_of_one_thing_mean_all_that_each_of_them_means() -> None:
    known = Meanings(_sets_of, Site("icm", concept_map={_LOCAL: ((ICD10, "C17.2"),)}))

    found = known.of(_coding(*_LOCAL), _coding("http://snomed.info/sct", "1"))

    assert found == Meaning((_LOCAL, (ICD10, "C17.2"), ("http://snomed.info/sct", "1")), frozenset({_BOWEL}))


def test_a_padded_code_is_the_same_code() -> None:
    known = Meanings(_sets_of, Site.plain("icm"))

    assert known.of(_coding(f" {ICD10} ", " C17.2\t")) == known.of(_coding(ICD10, "C17.2"))


@pytest.mark.parametrize(("system", "code"), [(None, "C17.2"), (ICD10, None), (None, None)])
def test_without_a_system_or_a_code_a_coding_means_nothing(system: str | None, code: str | None) -> None:
    known = Meanings(_sets_of, Site.plain("icm"))

    assert known.of(_coding(system, code)) == known.of() == Meaning((), frozenset())


def test_the_same_after_more_codes_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanings, "_MOST_CODINGS", 3)
    known = Meanings(_sets_of, Site.plain("icm"))

    found = [known.of(_coding(ICD10, f"C{number}")).codes for number in (16, 17, 18, 19, 16, 17, 20, 16)]

    assert found == [((ICD10, f"C{number}"),) for number in (16, 17, 18, 19, 16, 17, 20, 16)]


def test_sites_of_one_name_with_other_documents_do_not_share_what_codes_mean() -> None:
    trial = load_trial("nct04954820")
    maps = [{}, {_LOCAL: ((ICD10, "C17.2"),)}, {_LOCAL: ((ICD10, "C25.4"),)}]

    # More often than sites are kept, and each gone before the next is made, so that their addresses come again.
    found = [trial.meanings(Site("icm", concept_map=maps[turn % 3])).of(_coding(*_LOCAL)).codes for turn in range(200)]

    assert found == [(_LOCAL, *maps[turn % 3].get(_LOCAL, ())) for turn in range(200)]


def test_a_changed_trial_does_not_take_over_what_codes_meant_to_the_other() -> None:
    trial, site = load_trial("nct04954820"), Site.plain("icm")
    whole = trial.meanings(site).of(_coding(ICD10, "C17.2"))

    none = replace(trial, value_sets={}, _sets={}).meanings(site).of(_coding(ICD10, "C17.2"))

    assert whole.sets
    assert none == Meaning(whole.codes, frozenset())
