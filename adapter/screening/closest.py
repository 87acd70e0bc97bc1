"""In: codes that a trial cannot read, and its documents. Out: the closest targets of each; only ever for a person to confirm."""

from __future__ import annotations

from adapter.criteria import Trial
from adapter.documents import read_document
from adapter.terminology import Site
from adapter.terminology.suggestions import Suggestion, Target, parse_targets, suggest
from adapter.terminology.unmapped import Unmapped, UnmappedCode

__all__ = ["closest", "targets_of"]

_NAMES = "words/targets.yaml"


def targets_of(trial: Trial) -> tuple[Target, ...]:
    """What local codes can be mapped to for a trial.

    Raises:
        DocumentError: a document is missing or wrong.
    """
    name = f"trials/{trial.id}/value-sets.yaml"
    return parse_targets(read_document(_NAMES), read_document(name), analytes=trial.analytes)


def closest(found: Unmapped, trial: Trial, site: Site) -> list[tuple[UnmappedCode, tuple[Suggestion, ...]]]:
    """Each unmapped code with its closest targets."""
    targets, units = targets_of(trial), site.units(trial.units)
    return [(item, suggest(item, targets, units=units)) for item in found.codes]
