"""In: the store, a trial, a site. Out: the codes and units of the site's records that the trial cannot read."""

from __future__ import annotations

from collections.abc import Collection

from adapter.criteria import Trial
from adapter.screening.needs import questions_of
from adapter.screening.stored_codes import read_unmapped
from adapter.store import Store
from adapter.terminology import Site
from adapter.terminology.unmapped import Unmapped
from adapter.terminology.vocabulary import Vocabulary

__all__ = ["unmapped_of", "vocabulary_of"]

#: Answers of ours that may come printed instead of coded (clarifications.md).
_ANSWERS = frozenset({"cr", "pr", "sd", "pd", "ne", "g1", "g2", "g3", "improved", "stable", "worsened"})


def vocabulary_of(trial: Trial, site: Site, *, ranged: Collection[str] = ()) -> Vocabulary:
    """What a trial can read of a site's records.

    Args:
        trial: its documents.
        site: its overlay.
        ranged: analytes whose limits of normal are to be looked at.
    """
    coded = {coding for analyte in trial.analytes.values() if analyte.coded_values for coding in analyte.codes}
    asked = {coding for question in questions_of(trial) for coding in question.codes}
    return Vocabulary(
        site=site,
        systems=frozenset(item.system for item in trial.value_sets.values()),
        analytes=trial.analytes,
        units=trial.units,
        questions=frozenset(coded | asked),
        answers=_ANSWERS,
        ranged=frozenset(ranged),
    )


def unmapped_of(store: Store, trial: Trial, site: Site) -> Unmapped:
    """The codes and units of a site's current records that a trial cannot read, most frequent first."""
    return read_unmapped(store, vocabulary_of(trial, site), trial.resource_types)
