"""In: a linkId and a way of attesting. Out: QuestionnaireResponses of the trial's attestation, and the truth that
each attested sentence has.

What counts: completed, this trial's questionnaire, a Practitioner or PractitionerRole as author, authored on one
of the 28 days before the reference date or on it (for good: I02.*, I03, I14, E05.*,
I12.not-of-childbearing-potential; as far back as the sentence itself looks: I09, E10, E16, E17), the latest one
(clarifications 11, 26, 32).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from adapter.simulate.chart import Answered, Chart
from adapter.simulate.kleene import Truth, settle
from adapter.simulate.moments import plus_months, written
from adapter.simulate.terms import ATTESTATION

# Name and weight. Each way ends in the answer given; those that change or clash name no answer.
WAYS: tuple[tuple[str, int], ...] = (
    ("yes", 40),
    ("no", 12),
    ("first-day-yes", 4),
    ("stale-yes", 6),
    ("stale-no", 2),
    ("day-before-yes", 3),
    ("day-before-no", 1),
    ("future-yes", 3),
    ("future-no", 2),
    ("draft-yes", 3),
    ("draft-no", 1),
    ("by-patient-yes", 4),
    ("other-form-yes", 3),
    ("by-role-yes", 5),
    ("by-role-no", 2),
    ("changed-to-no", 4),
    ("changed-to-yes", 3),
    ("clash", 2),
)
_FOR_GOOD = ("I02", "I03", "I14", "E05", "I12.not-of-childbearing-potential")
# Sentences that look back further than 28 days: calendar months.
_MONTHS = {"I09": 4, "E10": 12, "E17": 60}
_VALID_DAYS = {"E16": 30}
# Days before the reference date and minute of the day.
_DATED = {
    "": (1, 1050),
    "today": (0, 1430),
    "first-day": (28, 1050),
    "by-role": (4, 1050),
    "changed-to": (2, 1050),
    "stale": (90, 1050),
    "day-before": (29, 1050),
    "three-weeks": (21, 1050),
}
_VOID = {"future": -2, "draft": 2, "by-patient": 2, "other-form": 2}
_CLASH = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attestation gives its sentence, and the day it was given on: U and no day when it does not count."""

    truth: Truth = "U"
    day: date | None = None


def counts_from(link: str, on: date) -> date:
    """The first day on which an attestation of that sentence counts."""
    if link.startswith(_FOR_GOOD):
        return date.min
    criterion = link.partition(".")[0]
    if criterion in _MONTHS:
        return plus_months(on, -_MONTHS[criterion])
    return on - timedelta(days=_VALID_DAYS.get(criterion, 28))


def way(chart: Chart) -> str:
    """One of the ways to attest, by weight."""
    return chart.rng.choices([name for name, _ in WAYS], [weight for _, weight in WAYS])[0]


def attest(chart: Chart, link: str, how: str) -> Truth:
    """Attest a sentence, and give the truth that the attestation gives it (see `answered`)."""
    return answered(chart, link, how).truth


def answered(chart: Chart, link: str, how: str, *, said_of: date | None = None) -> Answer:
    """Attest a sentence.

    Args:
        chart: the record that it joins; it remembers what counts.
        link: linkId, a criterion or a part of it.
        how: one of `WAYS`, `none`, `today-yes` or `today-no` (after everything else of the record), `three-weeks-no`,
            or a number of days before the reference date (`30-no`).
        said_of: a `valueDate` that goes with the answer.

    Returns:
        the truth that the attestation gives the sentence: U when it does not count.
    """
    answer = _answer(chart, link, how, said_of)
    if how != "none":
        chart.attested[link] = answer.truth
    return answer


def _answer(chart: Chart, link: str, how: str, said_of: date | None) -> Answer:
    if how == "none":
        return Answer()
    if how == "clash":
        _note(chart, link, True, before=_CLASH)
        _note(chart, link, False, before=_CLASH)
        return Answer()
    base, _, said = how.rpartition("-")
    answer = said == "yes"
    if base in _VOID:
        _note(
            chart,
            link,
            answer,
            before=_VOID[base],
            status="in-progress" if base == "draft" else "completed",
            author=f"Patient/{chart.ids[0]}" if base == "by-patient" else _DOCTOR,
            form="urn:reluth:questionnaire:other" if base == "other-form" else ATTESTATION,
        )
        return Answer()
    before, minute = _when(base)
    if base == "changed-to":
        _note(chart, link, not answer, before=12)
    _note(chart, link, answer, before=before, minute=minute, author=_AUTHORS.get(base, _DOCTOR), said_of=said_of)
    if chart.day(before) < counts_from(link, chart.on):
        return Answer()
    return Answer("T" if answer else "F", chart.day(before))


def _when(base: str) -> tuple[int, int]:
    return (int(base), 1050) if base.isdigit() else _DATED[base]


def not_before(how: str, newest: date | None, on: date) -> str:
    """The same answer, given at the end of the reference date where a record is as new as the answer or newer.

    So an attestation never meets a later record by chance (clarification 32 has stories of its own).
    """
    if newest is None or how == "none":
        return how
    if how == "clash":
        return how if newest < on - timedelta(days=_CLASH) else "none"
    base, _, said = how.rpartition("-")
    if base in _VOID or newest < on - timedelta(days=_when(base)[0]):
        return how
    return f"today-{said}"


def weigh(chart: Chart, link: str, how: str, *, coded: Truth) -> Truth:
    """Attest a sentence that coded data speak of too, and give the truth of both together.

    Two attestations of one instant that contradict each other leave it open even where the codes decide: one of the
    two contradicts them (clarifications 26 and 32).
    """
    attested = attest(chart, link, how)
    return "U" if how == "clash" else settle(coded, attested)


_DOCTOR = "Practitioner/prat-01"
_AUTHORS = {"by-role": "PractitionerRole/role-01"}


def _note(chart: Chart, link: str, answer: bool, *, before: int, **more: Any) -> None:
    """Collect one answer; `more` may name minute, status, author, form and the day that the answer speaks of."""
    # Two opposite answers of one instant stand in two forms; so the answer keeps them apart where a link comes twice.
    chart.answers.append(
        Answered(
            written(chart.day(before), more.get("minute", 1050)),
            more.get("status", "completed"),
            more.get("author", _DOCTOR),
            more.get("form", ATTESTATION),
            link,
            answer,
            more.get("said_of"),
        )
    )


def file_answers(chart: Chart) -> None:
    """Write the collected answers, one QuestionnaireResponse for each time, author and standing."""
    forms: list[tuple[tuple[str, str, str, str], dict[str, Answered]]] = []
    for answer in chart.answers:
        key = answer[:4]
        for known, items in forms:
            if known == key and answer.link not in items:
                items[answer.link] = answer
                break
        else:
            forms.append((key, {answer.link: answer}))
    for (authored, status, author, form), items in forms:
        body: dict[str, Any] = {
            "status": status,
            "questionnaire": form,
            "subject": chart.subject(),
            "authored": authored,
            "author": {"reference": author},
            "item": [{"linkId": link, "answer": _values(answer)} for link, answer in items.items()],
        }
        chart.add("QuestionnaireResponse", body, day=chart.on, identity=chart.name("qr"))


def _values(answer: Answered) -> list[dict[str, Any]]:
    dated = [] if answer.said_of is None else [{"valueDate": answer.said_of.isoformat()}]
    return [{"valueBoolean": answer.answer}, *dated]
