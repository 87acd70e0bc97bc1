"""In: a trial and the same with something changed. Out: what is said to differ, and where."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

from adapter.criteria import Criterion, Stage, Trial, tree
from adapter.criteria.exchange import Difference, differences
from adapter.documents import load_trial, trials
from adapter.terminology import Analyte, ValueSet


@cache
def reluth() -> Trial:
    return load_trial("nct04954820")


def changed(identity: str, **to: Any) -> Trial:
    """ReLUTH with one criterion changed."""
    made = tuple(replace(item, **to) if item.id == identity else item for item in reluth().criteria)
    return replace(reluth(), criteria=made)


def with_limit(limit: str) -> Trial:
    """ReLUTH with another limit for haemoglobin."""
    criterion = reluth().criterion("I11")
    first, *others = criterion.parts
    assert isinstance(first.node, tree.Laboratory)
    compared = replace(first.node.comparison, limit=Decimal(limit))
    return changed("I11", parts=(replace(first, node=replace(first.node, comparison=compared)), *others))


def test_a_trial_differs_in_nothing_from_itself() -> None:
    assert differences(reluth(), reluth()) == []


def test_a_trial_read_again_differs_in_nothing() -> None:
    again = load_trial.__wrapped__("nct04954820")

    assert differences(reluth(), again) == []


def test_a_changed_limit_is_told_with_both_numbers_at_its_part() -> None:
    assert differences(reluth(), with_limit("9")) == [Difference("I11.a", "rule.comparison.limit", "8", "9")]


def test_differences_the_other_way_round_say_the_opposite() -> None:
    assert differences(with_limit("9"), reluth()) == [Difference("I11.a", "rule.comparison.limit", "9", "8")]


def test_a_changed_version_is_told() -> None:
    assert differences(reluth(), replace(reluth(), version="9.0")) == [
        Difference("version", "changed", reluth().version, "9.0")
    ]


def test_added_and_removed_criteria_and_parts_are_told() -> None:
    fewer = replace(reluth(), criteria=tuple(item for item in reluth().criteria if item.id != "I11"))
    one_part_less = changed("I11", parts=reluth().criterion("I11").parts[:-1])

    assert differences(reluth(), fewer) == [Difference("I11", "removed")]
    assert differences(fewer, reluth()) == [Difference("I11", "added")]
    assert differences(reluth(), one_part_less) == [Difference("I11.c", "removed")]


def test_a_changed_rule_of_another_kind_is_told_by_the_kinds() -> None:
    found = differences(reluth(), changed("I01", node=tree.Sex("male")))

    assert found == [Difference("I01", "rule", "Age", "Sex")]


def test_a_rule_of_another_number_of_conditions_is_told() -> None:
    rule = reluth().criterion("I11").node
    assert isinstance(rule, tree.All)

    found = differences(reluth(), changed("I11", node=tree.All(rule.of[:-1])))

    assert found == [Difference("I11", "rule.of")]


def test_texts_kind_stages_and_labels_are_told() -> None:
    criterion = reluth().criterion("I07")
    other = changed(
        "I07",
        text="another sentence",
        kind="exclusion",
        stages=frozenset({Stage.REGISTRATION}),
        label={**criterion.label, "fr": "autre"},
    )

    found = {item.what: (item.before, item.after) for item in differences(reluth(), other)}

    assert found == {
        "kind": ("inclusion", "exclusion"),
        "stages": ("randomisation", None),
        "text": (criterion.text, "another sentence"),
        "label.fr": (criterion.label["fr"], "autre"),
    }


def test_a_value_set_with_other_codes_is_told_once_and_not_in_its_rules() -> None:
    old = reluth().value_sets["pancreas"]
    new = replace(old, prefixes=("C26",))
    other = replace(
        reluth(),
        value_sets={**reluth().value_sets, "pancreas": new},
        criteria=tuple(_swapped(item, old, new) for item in reluth().criteria),
    )

    assert differences(reluth(), other) == [Difference("value_sets.pancreas", "prefixes", "C25", "C26")]


def _swapped(criterion: Criterion, old: ValueSet, new: ValueSet) -> Criterion:
    """The E04 of a trial in which ``old`` is ``new``."""
    return replace(criterion, node=_swap(criterion.node, old, new)) if criterion.id == "E04" else criterion


def _swap(value: Any, old: ValueSet, new: ValueSet) -> Any:
    if isinstance(value, tuple):
        return tuple(_swap(item, old, new) for item in value)
    if isinstance(value, ValueSet):
        return new if value == old else value
    if isinstance(value, tree.Node | tree.Case):
        names = value.__dataclass_fields__
        return replace(value, **{name: _swap(getattr(value, name), old, new) for name in names})
    return value


def test_a_rule_that_names_another_value_set_is_told_there() -> None:
    sets = reluth().value_sets
    before = changed("I01", node=tree.Coded(sets["pancreas"]))

    found = differences(before, changed("I01", node=tree.Coded(sets["pregnancy"])))

    assert found == [Difference("I01", "rule.value_set", "pancreas", "pregnancy")]


def test_a_rule_of_several_value_sets_is_told_by_their_names_only() -> None:
    sets = reluth().value_sets
    other = replace(sets["net_any"], codes=frozenset({"1"}))
    before = changed("I01", node=tree.Histology((sets["net_morphology"], sets["net_any"])))

    same = differences(before, changed("I01", node=tree.Histology((sets["net_morphology"], other))))
    fewer = differences(before, changed("I01", node=tree.Histology((sets["net_morphology"],))))

    of_pancreas = changed("I01", node=tree.Histology((sets["net_morphology"], sets["net_any"]), of=sets["pancreas"]))

    assert same == []
    assert differences(before, of_pancreas) == [Difference("I01", "rule.of", None, "pancreas")]
    assert fewer == [Difference("I01", "rule.value_sets", "net_any", None)]


def test_an_analyte_signal_or_other_entry_that_changed_is_told_under_its_name() -> None:
    analyte: Analyte = reluth().analytes["ecog"]
    first, *others = reluth().signals
    other = replace(
        reluth(),
        analytes={**reluth().analytes, "ecog": replace(analyte, unitless=False)},
        signals=(*others,),
        title="another title",
    )

    found = {(item.where, item.what) for item in differences(reluth(), other)}

    assert found == {
        ("analytes.ecog", "unitless"),
        (f"candidate_when.{first.id}", "removed"),
        ("title", "changed"),
    }


def test_a_list_of_words_is_told_by_what_left_and_what_came() -> None:
    types = reluth().resource_types
    other = replace(reluth(), resource_types=(*types[1:], "Encounter"))

    assert differences(reluth(), other) == [Difference("resource_types", "changed", types[0], "Encounter")]


def test_words_in_another_order_are_told_whole() -> None:
    found = differences(changed("I07", wanted=("ecog", "hcg")), changed("I07", wanted=("hcg", "ecog")))

    assert found == [Difference("I07", "wanted", "ecog, hcg", "hcg, ecog")]


def test_a_default_that_came_or_changed_is_told_by_its_id() -> None:
    window, repeated = reluth().criterion("I07").defaults
    other = replace(window, text={**window.text, "en": "Latest value of the 14 days before."})

    found = differences(changed("I07", defaults=(window,)), changed("I07", defaults=(other, repeated)))

    assert [(item.where, item.what) for item in found] == [
        ("I07", f"defaults.{window.id} text.en"),
        ("I07", f"defaults.{repeated.id} added"),
    ]


def test_a_changed_pattern_of_a_concept_is_told_as_written() -> None:
    concepts = reluth().concepts
    assert concepts.courses is not None
    first, second = (
        replace(reluth(), concepts=replace(concepts, courses=replace(concepts.courses, text=re.compile(text))))
        for text in ("lutat", "luta")
    )

    assert differences(first, second) == [Difference("concepts", "courses.text", "lutat", "luta")]


def test_what_is_only_kept_at_hand_is_no_difference() -> None:
    used = load_trial.__wrapped__("nct04954820")
    for analyte in used.analytes.values():
        for system, code in analyte.codes:
            used.value_sets_of(system, code)

    assert differences(used, load_trial.__wrapped__("nct04954820")) == []


def test_every_two_trials_can_be_compared() -> None:
    for one in trials():
        for other in trials():
            found = differences(load_trial(one), load_trial(other))

            assert bool(found) is (one != other)


def test_an_entry_that_is_of_another_kind_altogether_is_told() -> None:
    found = differences(reluth(), replace(reluth(), default_validity=None))  # type: ignore[arg-type]

    assert [(item.where, item.what, item.after) for item in found] == [("default_validity", "changed", None)]


def test_a_difference_is_json_with_from_and_to() -> None:
    assert Difference("I11.a", "rule", "8", "9").to_json() == {"where": "I11.a", "what": "rule", "from": "8", "to": "9"}
