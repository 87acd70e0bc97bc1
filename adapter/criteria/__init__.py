"""In: a criteria document and a `PatientRecord`. Out: exact three-valued verdicts with evidence or a reason. No I/O."""

from __future__ import annotations

from adapter.criteria.answer import Answer, Converted, Evidence, Reason, Wanted
from adapter.criteria.concepts.reading import unworded
from adapter.criteria.evaluate import evaluate, reference_date
from adapter.criteria.parse import parse_terms, parse_trial
from adapter.criteria.questions import Question, attestable_links, questions_of
from adapter.criteria.timeline import (
    Infused,
    LabRange,
    Limit,
    Point,
    Series,
    Stated,
    Timeline,
    lab_ranges,
    timeline_of,
)
from adapter.criteria.trial import (
    Criterion,
    DecisionState,
    Default,
    OpenQuestion,
    Part,
    Permanence,
    Prompt,
    Signal,
    Trial,
)
from adapter.criteria.truth import Truth, all_of, any_of, negate
from adapter.criteria.verdict import CriterionVerdict, Outcome, PartVerdict, PatientVerdict, Stage, ToOrder

__all__ = [
    "Answer",
    "Converted",
    "Criterion",
    "CriterionVerdict",
    "DecisionState",
    "Default",
    "Evidence",
    "Infused",
    "LabRange",
    "Limit",
    "OpenQuestion",
    "Outcome",
    "Part",
    "PartVerdict",
    "PatientVerdict",
    "Permanence",
    "Point",
    "Prompt",
    "Question",
    "Reason",
    "Series",
    "Signal",
    "Stage",
    "Stated",
    "Timeline",
    "ToOrder",
    "Trial",
    "Truth",
    "Wanted",
    "all_of",
    "any_of",
    "attestable_links",
    "evaluate",
    "lab_ranges",
    "negate",
    "parse_terms",
    "parse_trial",
    "questions_of",
    "reference_date",
    "timeline_of",
    "unworded",
]
