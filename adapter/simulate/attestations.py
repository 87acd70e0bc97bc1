"""In: a linkId and a way of attesting. Out: QuestionnaireResponses of the trial's attestation, and the truth that
each attested sentence has.

What counts: completed, this trial's questionnaire, a Practitioner or PractitionerRole as author, authored on one
of the 28 days before the reference date or on it (for good: I02.*, I03, E05.*, I12.not-of-childbearing-potential),
the latest one (clarifications 11, 26, 32).
"""

from __future__ import annotations

from typing import Any

from adapter.simulate.chart import Chart
from adapter.simulate.kleene import Truth, settle
from adapter.simulate.moments import written
from adapter.simulate.terms import ATTESTATION

# Name and weight. Each way ends in the answer given; those that change or clash name no answer.
WAYS: tuple[tuple[str, int], ...] = (
    ("yes", 40),
    ("no", 12),
    ("first-day-yes", 4),
    ("stale-yes", 6),
    ("day-before-yes", 3),
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
_FOR_GOOD = ("I02", "I03", "E05", "I12.not-of-childbearing-potential")
# Days before the reference date and minute of the day.
_COUNTS = {"": (1, 1050), "today": (0, 1430), "first-day": (28, 1050), "by-role": (4, 1050), "changed-to": (2, 1050)}
_VOID = {"future": -2, "draft": 2, "by-patient": 2, "other-form": 2}
_STALE = {"stale": 90, "day-before": 29}


def way(chart: Chart) -> str:
    """One of the ways to attest, by weight."""
    return chart.rng.choices([name for name, _ in WAYS], [weight for _, weight in WAYS])[0]


def attest(chart: Chart, link: str, how: str) -> Truth:
    """Attest a sentence.

    Args:
        chart: the record that it joins.
        link: linkId, a criterion or a part of it.
        how: one of `WAYS`, `none`, `today-yes` or `today-no` (after everything else of the record).

    Returns:
        the truth that the attestation gives the sentence: U when it does not count.
    """
    if how == "none":
        return "U"
    if how == "clash":
        _note(chart, link, True, before=3)
        _note(chart, link, False, before=3)
        return "U"
    base, _, said = how.rpartition("-")
    answer = said == "yes"
    truth: Truth = "T" if answer else "F"
    if base in _COUNTS:
        before, minute = _COUNTS[base]
        if base == "changed-to":
            _note(chart, link, not answer, before=12)
        _note(chart, link, answer, before=before, minute=minute, author=_AUTHORS.get(base, _DOCTOR))
        return truth
    if base in _STALE:
        _note(chart, link, answer, before=_STALE[base])
        return truth if link.startswith(_FOR_GOOD) else "U"
    _note(
        chart,
        link,
        answer,
        before=_VOID[base],
        status="in-progress" if base == "draft" else "completed",
        author=f"Patient/{chart.ids[0]}" if base == "by-patient" else _DOCTOR,
        form="urn:reluth:questionnaire:other" if base == "other-form" else ATTESTATION,
    )
    return "U"


def weigh(chart: Chart, link: str, how: str, *, coded: Truth) -> Truth:
    """Attest a sentence that coded data speak of too, and give the truth of both together.

    Two attestations of one instant that contradict each other leave it open even where the codes decide: one of the
    two contradicts them (clarifications 26 and 32).
    """
    attested = attest(chart, link, how)
    return "U" if how == "clash" else settle(coded, attested)


_DOCTOR = "Practitioner/prat-01"
_AUTHORS = {"by-role": "PractitionerRole/role-01"}


def _note(
    chart: Chart,
    link: str,
    answer: bool,
    *,
    before: int,
    minute: int = 1050,
    status: str = "completed",
    author: str = _DOCTOR,
    form: str = ATTESTATION,
) -> None:
    authored = written(chart.day(before), minute)
    # Two opposite answers of one instant stand in two forms; so the answer keeps them apart where a link comes twice.
    chart.answers.append((authored, status, author, form, link, answer))


def file_answers(chart: Chart) -> None:
    """Write the collected answers, one QuestionnaireResponse for each time, author and standing."""
    forms: list[tuple[tuple[str, str, str, str], dict[str, bool]]] = []
    for authored, status, author, form, link, answer in chart.answers:
        key = (authored, status, author, form)
        for known, items in forms:
            if known == key and link not in items:
                items[link] = answer
                break
        else:
            forms.append((key, {link: answer}))
    for (authored, status, author, form), items in forms:
        body: dict[str, Any] = {
            "status": status,
            "questionnaire": form,
            "subject": chart.subject(),
            "authored": authored,
            "author": {"reference": author},
            "item": [{"linkId": link, "answer": [{"valueBoolean": answer}]} for link, answer in items.items()],
        }
        chart.add("QuestionnaireResponse", body, day=chart.on, identity=chart.name("qr"))
