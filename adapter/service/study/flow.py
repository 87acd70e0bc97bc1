"""In: a funnel, the trial's words, a language. Out: the flow of its candidates (CONSORT) as boxes with their counts.

The picture and the table beside it are made of the same boxes: both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapter.criteria import Trial
from adapter.screening import Funnel, words
from adapter.screening.flow import STEPS
from adapter.service.language import Language, load_words
from adapter.service.study.reading import told

__all__ = ["FlowBox", "FlowLine", "flow_boxes"]

_REASONS_SHOWN = 5
_NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class FlowLine:
    """A line of a box: what, how many, and both as one text; ``depth`` 2 is a part of the line above it."""

    label: str
    persons: str
    text: str
    depth: int = 1


@dataclass(frozen=True, slots=True)
class FlowBox:
    """A box: who stands there, how many, both as one text, and how they divide."""

    name: str
    title: str
    persons: str
    text: str
    lines: tuple[FlowLine, ...] = ()


def flow_boxes(funnel: Funnel, trial: Trial, language: Language) -> tuple[FlowBox, ...]:
    """The boxes of a flow, from the top: patients, candidates, excluded, retained, and where those stand."""
    say = load_words().say
    sites = len(funnel.sites)

    def count(number: int, parts: int = 1) -> str:
        return told(number, funnel.steps, parts=parts * sites)

    # A count never stands alone on a line.
    colon = words(language).phrase("colon").replace(" ", _NBSP)

    def line(label: str, persons: str, depth: int = 1) -> FlowLine:
        return FlowLine(label, persons, f"{label}{colon}{persons}", depth)

    def box(name: str, persons: str, *lines: FlowLine) -> FlowBox:
        title = say(f"flow.{name}", language)
        return FlowBox(name, title, persons, f"{title}{colon}{_number(persons)}", lines)

    def group(name: str) -> FlowBox:
        lines: list[FlowLine] = []
        for step in STEPS[name]:
            lines.append(line(_step_name(step, trial, language), count(funnel.flow.steps[step])))
            if step == "criteria":
                shown = funnel.flow.reasons[:_REASONS_SHOWN]
                lines += [line(_reason_name(reason, trial, language), count(n), depth=2) for reason, n in shown]
        total = count(funnel.flow.of(name), len(STEPS[name]))
        return box(name, total, *lines)

    retained = count(funnel.flow.retained, sum(len(steps) for name, steps in STEPS.items() if name != "excluded"))
    return (
        box("patients", count(funnel.patients)),
        box("candidates", count(funnel.candidates)),
        group("excluded"),
        box("retained", retained),
        *(group(name) for name in STEPS if name != "excluded"),
    )


def _number(persons: str) -> str:
    """How many, as a formula; one that is told in steps begins with its own sign."""
    sign = "" if persons[:1] in "<≥" else f"={_NBSP}"
    return f"n{_NBSP}{sign}{persons}"


def _step_name(step: str, trial: Trial, language: Language) -> str:
    known = load_words()
    if known.has(f"flow.step-{step}"):
        return known.say(f"flow.step-{step}", language)
    return next((state.label[language] for state in trial.states if state.id == step), step)


def _reason_name(reason: str, trial: Trial, language: Language) -> str:
    label = next((one.label[language] for one in trial.criteria if one.id == reason), None)
    return words(language).of("outcome_reasons", reason) if label is None else f"{reason} {label}"
