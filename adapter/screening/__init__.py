"""In: the store, a trial, a site. Out: verdicts of the few who may fit; worklist, log, funnel, reasons."""

from __future__ import annotations

from adapter.screening.completeness import DatumPersons, SiteCompleteness, read_data
from adapter.screening.flow import STEPS, Flow
from adapter.screening.funnel import CriterionCounts, Funnel, add_up, funnel_of, in_steps, persons_of, read_funnel
from adapter.screening.listed import CLOSED_STATES, Listed, listed
from adapter.screening.log import LogRow, number_of, read_log, screening_number, write_log
from adapter.screening.narrow import possible_candidates
from adapter.screening.screen import Asked, Screening, screen
from adapter.screening.why import CriterionLine, Explanation, Found, explain
from adapter.screening.words import LANGUAGES, Words, words
from adapter.screening.worklist import Bin, WorklistRow, next_step, read_worklist, standing

__all__ = [
    "CLOSED_STATES",
    "LANGUAGES",
    "STEPS",
    "Asked",
    "Bin",
    "CriterionCounts",
    "CriterionLine",
    "DatumPersons",
    "Explanation",
    "Flow",
    "Found",
    "Funnel",
    "Listed",
    "LogRow",
    "Screening",
    "SiteCompleteness",
    "Words",
    "WorklistRow",
    "add_up",
    "explain",
    "funnel_of",
    "in_steps",
    "listed",
    "next_step",
    "number_of",
    "persons_of",
    "possible_candidates",
    "read_data",
    "read_funnel",
    "read_log",
    "read_worklist",
    "screen",
    "screening_number",
    "standing",
    "words",
    "write_log",
]
