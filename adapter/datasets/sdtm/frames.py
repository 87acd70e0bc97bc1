"""In: nothing. Out: the columns of the engine's own tables, which a source may read in place of a view, and the facts of a subject."""

from __future__ import annotations

from typing import Final

__all__ = ["EARLY_FACTS", "LATE_FACTS", "OWN", "STUDY_FACTS", "VIEWS"]

#: Known before any row is made.
EARLY_FACTS: Final = frozenset(
    {
        "age", "arm", "arm_code", "arm_label", "consented_on", "death_event_on", "death_known", "died_on", "ended_on", "first_cycle_on",
        "no_arm_reason", "participation_ended_on", "progression_on", "randomised_on", "registered_on", "rfstdtc", "sex",
        "site_code", "study_treatment_from", "subjid", "treatment_over_on", "usubjid", "withdrawn_on",
    }
)  # fmt: skip
#: Known once the rows of all domains are there; for ``derive`` only.
LATE_FACTS: Final = EARLY_FACTS | {
    "actual_arm_code", "actual_arm_label", "arm_null_reason", "rfendtc", "rfxendtc", "rfxstdtc", "unplanned_treatment",
}  # fmt: skip
#: Of the study document and the design.
STUDY_FACTS: Final = frozenset(
    {
        "arms", "country", "eudract", "end", "id", "indication", "objective", "official", "primary_outcome",
        "primary_outcome_time", "protocol", "sponsor", "start", "target", "title",
    }
)  # fmt: skip
_VERDICT: Final = ("criterion", "kind", "number", "text", "stage", "on", "usubjid")
#: The engine's own tables; those that begin with ``@design`` tell nothing of a subject.
OWN: Final = {
    "@subjects": tuple(sorted(EARLY_FACTS)),
    "@elements": ("usubjid", "code", "name", "epoch", "start", "end", "order"),
    "@visits": ("usubjid", "number", "name", "day", "start", "end", "occurred"),
    "@failed": _VERDICT,
    "@design-criteria": ("criterion", "kind", "number", "text"),
    "@design-arms": ("arm_code", "arm_label", "order", "code", "name", "branch", "transition", "epoch"),
    "@design-elements": ("code", "name", "start_rule", "end_rule", "duration"),
    "@design-visits": ("number", "name", "day", "arm_code", "arm_label", "start_rule", "end_rule"),
    "@design-study": ("secondary", "place"),
}
#: Views that the engine itself reads, beyond those that the documents name.
VIEWS: Final = ("patient", "subject_event", "encounter")
