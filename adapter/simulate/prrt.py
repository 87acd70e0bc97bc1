"""In: which treatment with Lutathera a story wants. Out: the infusions, and what they support: I03, and where the
first course ends.

Courses are those of clarification 1: cycles up to 112 days apart are one course, 366 days and more open a new one,
between them nothing is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from adapter.simulate.attestations import attest
from adapter.simulate.chart import Chart
from adapter.simulate.facts import Days, the_day, the_month
from adapter.simulate.infusions import infuse
from adapter.simulate.kleene import Truth

CYCLE = 56


@dataclass(frozen=True, slots=True)
class Course:
    """What the infusions support.

    `last` is the day of the first course's last cycle, None where no first course is established; `cycles` are its
    completed cycles where each of them has a day; `second` and `again` are the first and the completed cycles of a
    second course.
    """

    i03: Truth
    last: Days | None = None
    second: date | None = None
    cycles: tuple[date, ...] = ()
    again: tuple[date, ...] = ()


@dataclass(slots=True)
class Plan:
    """When the first course ends, and on which day a second one may begin."""

    chart: Chart
    last: date
    second: date | None = None

    def four(self) -> list[date]:
        """Days of four cycles, eight weeks apart give or take some days."""
        days = [self.last]
        for _ in range(3):
            days.insert(0, days[0] - timedelta(days=CYCLE + self.chart.rng.choice((0, 0, 0, 1, 3, 7))))
        return days

    def done(self, *days: date) -> None:
        """Completed infusions on those days."""
        for day in days:
            infuse(self.chart, day)

    def established(self, *days: date, again: tuple[date, ...] = ()) -> Course:
        """Exactly four completed cycles, and nothing that points to PRRT before them."""
        return Course("T", the_day(days[-1]), again[0] if again else None, days, again)


def _four(plan: Plan) -> Course:
    days = plan.four()
    plan.done(*days)
    return plan.established(*days)


def _just_finished(plan: Plan) -> Course:
    plan.last = plan.chart.day(40)
    days = plan.four()
    plan.done(*days)
    return plan.established(*days)


def _sent_twice(plan: Plan) -> Course:
    days = plan.four()
    for index, day in enumerate(days):
        lot = f"DUP{plan.chart.key}{index}"
        infuse(plan.chart, day, lot=lot)
        if index % 2:
            infuse(plan.chart, day, minute=700)  # the other system: same day, no batch
        else:
            infuse(
                plan.chart, day - timedelta(days=plan.chart.rng.choice((0, 2))), lot=lot
            )  # same batch within three days
    return plan.established(*days)


def _reduced(plan: Plan) -> Course:
    first, second, third, fourth = plan.four()
    plan.done(first, second, third)
    infuse(plan.chart, fourth, activity=3700)
    return plan.established(first, second, third, fourth)


def _stopped(plan: Plan) -> Course:
    first, second, third, fourth = plan.four()
    plan.done(first, second, third)
    infuse(plan.chart, fourth, status="stopped", activity=200)
    return Course("U")


def _five(plan: Plan) -> Course:
    days = plan.four()
    plan.done(days[0] - timedelta(days=CYCLE), *days)
    return Course("F")


def _begun_elsewhere(plan: Plan) -> Course:
    plan.done(*plan.four()[2:])
    return Course("U")


def _three(plan: Plan) -> Course:
    plan.done(*plan.four()[:3])
    return Course("U")


def _postponed(plan: Plan) -> Course:
    days = plan.four()
    infuse(plan.chart, days[2] - timedelta(days=10), status="not-done")
    plan.done(*days)
    return plan.established(*days)


def _error_fifth(plan: Plan) -> Course:
    days = plan.four()
    plan.done(*days)
    infuse(plan.chart, plan.last + timedelta(days=CYCLE), status="entered-in-error")
    return plan.established(*days)


def _future_fifth(plan: Plan) -> Course:
    days = plan.four()
    plan.done(*days)
    infuse(plan.chart, plan.chart.day(-10))
    return plan.established(*days)


def _utc(plan: Plan) -> Course:
    days = plan.four()
    for day in days:
        infuse(plan.chart, day, style="utc")
    return plan.established(*days)


def _gap(plan: Plan, days: int) -> list[date]:
    third = plan.last - timedelta(days=CYCLE)
    second = third - timedelta(days=days)
    return [second - timedelta(days=CYCLE), second, third, plan.last]


def _gap_112(plan: Plan) -> Course:
    days = _gap(plan, 112)
    plan.done(*days)
    return plan.established(*days)


def _gap_113(plan: Plan) -> Course:
    plan.done(*_gap(plan, 113))
    return Course("U")


def _gap_open(plan: Plan) -> Course:
    plan.done(*_gap(plan, plan.chart.rng.randrange(114, 365)))
    return Course("U")


def _close(plan: Plan, days: int) -> None:
    first, second, third, _ = plan.four()
    plan.done(first, second, third, third + timedelta(days=days))


def _close_27(plan: Plan) -> Course:
    _close(plan, 27)
    return Course("U")


def _close_28(plan: Plan) -> Course:
    first, second, third, _ = plan.four()
    last = third + timedelta(days=28)
    plan.done(first, second, third, last)
    return plan.established(first, second, third, last)


def _again(plan: Plan, *again: date) -> Course:
    days = plan.four()
    plan.done(*days, *again)
    return plan.established(*days, again=again)


def _second_course(plan: Plan) -> Course:
    second = plan.second or plan.chart.day(200)
    return _again(plan, second, second + timedelta(days=CYCLE))


def _second_one(plan: Plan) -> Course:
    return _again(plan, plan.chart.day(33))


def _second_future(plan: Plan) -> Course:
    return _again(plan, plan.chart.day(50), plan.chart.day(50 - CYCLE))


def _second_third(plan: Plan) -> Course:
    second = plan.second or plan.chart.day(200)
    return _again(plan, second, second + timedelta(days=CYCLE), second + timedelta(days=2 * CYCLE))


def _second_stopped(plan: Plan) -> Course:
    second = plan.second or plan.chart.day(200)
    course = _again(plan, second)
    infuse(plan.chart, second + timedelta(days=CYCLE), status="stopped", activity=150)
    return course


def _second_after(plan: Plan, days: int) -> tuple[list[date], tuple[date, date]]:
    four = plan.four()
    second = plan.last + timedelta(days=days)
    again = (second, second + timedelta(days=CYCLE))
    plan.done(*four, *again)
    return four, again


def _second_after_366(plan: Plan) -> Course:
    four, again = _second_after(plan, 366)
    return plan.established(*four, again=again)


def _second_after_365(plan: Plan) -> Course:
    _second_after(plan, 365)
    return Course("U")


def _second_too_soon(plan: Plan) -> Course:
    _second_after(plan, 200)
    return Course("U")


def _first_of_three(plan: Plan) -> Course:
    days = plan.four()[1:]
    plan.done(*days, plan.last + timedelta(days=400), plan.last + timedelta(days=456))
    return Course("U")


def _month_only(plan: Plan) -> Course:
    # Two weeks more than usual: the third cycle stays 28 to 112 days from every day of that month.
    plan.done(*(day - timedelta(days=14) for day in plan.four()[:3]))
    infuse(plan.chart, plan.last, partial="month")
    return Course("T", the_month(plan.last))


def _year_only(plan: Plan) -> Course:
    plan.done(*plan.four()[:3])
    infuse(plan.chart, plan.last, partial="year")
    return Course("U")


def _unnamed_product(plan: Plan) -> Course:
    first, second, third, fourth = plan.four()
    plan.done(first, second, third)
    infuse(plan.chart, fourth, product="text")
    return Course("U")


def _attested(plan: Plan) -> Course:
    plan.done(*plan.four()[2:])
    return Course(attest(plan.chart, "I03", "yes"))


def _attested_alone(plan: Plan) -> Course:
    return Course(attest(plan.chart, "I03", "yes"))


def _attested_not(plan: Plan) -> Course:
    plan.done(*plan.four()[2:])
    return Course(attest(plan.chart, "I03", "no"))


def _attested_against(plan: Plan) -> Course:
    plan.done(*plan.four())
    attest(plan.chart, "I03", "no")
    return Course("U")


def _none(plan: Plan) -> Course:
    return Course("U")


def _psma(plan: Plan) -> Course:
    for day in plan.four():
        infuse(plan.chart, day, product="psma")
    return Course("U")


# Name: weight and writer.
COURSES: dict[str, tuple[int, Callable[[Plan], Course]]] = {
    "none": (0, _none),
    "four": (40, _four),
    "sent-twice": (5, _sent_twice),
    "reduced": (4, _reduced),
    "stopped": (4, _stopped),
    "five": (4, _five),
    "begun-elsewhere": (6, _begun_elsewhere),
    "three": (3, _three),
    "postponed": (4, _postponed),
    "error-fifth": (3, _error_fifth),
    "future-fifth": (3, _future_fifth),
    "utc": (3, _utc),
    "gap-112": (3, _gap_112),
    "gap-113": (2, _gap_113),
    "gap-open": (4, _gap_open),
    "close-27": (2, _close_27),
    "close-28": (2, _close_28),
    "just-finished": (2, _just_finished),
    "second-course": (22, _second_course),
    "second-one": (2, _second_one),
    "second-future": (1, _second_future),
    "second-third": (3, _second_third),
    "second-stopped": (2, _second_stopped),
    "second-after-366": (4, _second_after_366),
    "second-after-365": (2, _second_after_365),
    "second-too-soon": (3, _second_too_soon),
    "first-of-three": (2, _first_of_three),
    "month-only": (4, _month_only),
    "year-only": (2, _year_only),
    "unnamed-product": (2, _unnamed_product),
    "attested": (3, _attested),
    "attested-alone": (2, _attested_alone),
    "attested-not": (2, _attested_not),
    "attested-against": (2, _attested_against),
    "psma": (0, _psma),
}

# Stories whose second course begins long after a first one of four cycles.
AGAIN = ("second-course", "second-one", "second-future", "second-third", "second-stopped")
# Stories whose course stands or falls with an attestation: no disease status is written beside them.
QUIET = ("attested", "attested-alone", "attested-not", "attested-against", "none", "psma")
