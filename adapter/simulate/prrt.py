"""In: which treatment with Lutathera a story wants. Out: the infusions, and what they support: I03, and where the
first course ends.

Courses are those of clarification 1: cycles up to 112 days apart are one course, 366 days and more open a new one,
between them nothing is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from adapter.simulate.attestations import attest
from adapter.simulate.chart import Chart
from adapter.simulate.kleene import Truth
from adapter.simulate.moments import Style, month_end, months_text, written
from adapter.simulate.terms import (
    ATC,
    INTRAVENOUS,
    LOCAL_PHARMACY,
    LUTATHERA,
    SCT,
    UCUM,
    VIPIVOTIDE,
    coding,
    concept,
)

MBQ = {"unit": "MBq", "system": UCUM, "code": "MBq"}
CYCLE = 56


@dataclass(frozen=True, slots=True)
class Course:
    """What the infusions support. `last` bounds the day of the first course's last cycle; None where no first course
    is established.
    """

    i03: Truth
    last: tuple[date, date] | None = None
    second: date | None = None


@dataclass(slots=True)
class Plan:
    """When the first course ends, and on which day a second one begins when the story has one."""

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

    def established(self, i03: Truth = "T") -> Course:
        """Exactly four completed cycles, and nothing that points to PRRT before them."""
        return Course(i03, (self.last, self.last))


def _four(plan: Plan) -> Course:
    plan.done(*plan.four())
    return plan.established()


def _sent_twice(plan: Plan) -> Course:
    for index, day in enumerate(plan.four()):
        lot = f"DUP{plan.chart.key}{index}"
        infuse(plan.chart, day, lot=lot)
        if index % 2:
            infuse(plan.chart, day, minute=700)  # the other system: same day, no batch
        else:
            infuse(
                plan.chart, day - timedelta(days=plan.chart.rng.choice((0, 2))), lot=lot
            )  # same batch within three days
    return plan.established()


def _reduced(plan: Plan) -> Course:
    first, second, third, fourth = plan.four()
    plan.done(first, second, third)
    infuse(plan.chart, fourth, activity=3700)
    return plan.established()


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
    return plan.established()


def _error_fifth(plan: Plan) -> Course:
    days = plan.four()
    plan.done(*days)
    infuse(plan.chart, plan.last + timedelta(days=CYCLE), status="entered-in-error")
    return plan.established()


def _future_fifth(plan: Plan) -> Course:
    plan.done(*plan.four())
    infuse(plan.chart, plan.chart.day(-10))
    return plan.established()


def _utc(plan: Plan) -> Course:
    for day in plan.four():
        infuse(plan.chart, day, style="utc")
    return plan.established()


def _gap(plan: Plan, days: int) -> list[date]:
    third = plan.last - timedelta(days=CYCLE)
    second = third - timedelta(days=days)
    return [second - timedelta(days=CYCLE), second, third, plan.last]


def _gap_112(plan: Plan) -> Course:
    plan.done(*_gap(plan, 112))
    return plan.established()


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
    return Course("T", (last, last))


def _second_course(plan: Plan) -> Course:
    plan.done(*plan.four())
    if plan.second is None:
        return plan.established()
    plan.done(plan.second)
    if plan.second + timedelta(days=CYCLE) <= plan.chart.on:
        plan.done(plan.second + timedelta(days=CYCLE))
    return Course("T", (plan.last, plan.last), plan.second)


def _second_after(plan: Plan, days: int) -> date:
    plan.done(*plan.four())
    second = plan.last + timedelta(days=days)
    plan.done(second, second + timedelta(days=CYCLE))
    return second


def _second_after_366(plan: Plan) -> Course:
    return Course("T", (plan.last, plan.last), _second_after(plan, 366))


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
    return Course("T", (plan.last.replace(day=1), month_end(plan.last)))


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


# Name: weight, writer, and whether disease statuses may follow (only where the first course's standing is plain).
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
    "second-course": (8, _second_course),
    "second-after-366": (3, _second_after_366),
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

# Stories whose course stands or falls with an attestation: no disease status is written beside them.
QUIET = ("attested", "attested-alone", "attested-not", "attested-against", "none", "psma")


def lot_of(day: date) -> str:
    """The batch that the centre's pharmacy held in that fortnight."""
    return f"{months_text(day)}-{'a' if day.day <= 15 else 'b'}"


def infuse(  # noqa: PLR0913 - one infusion, field by field
    chart: Chart,
    day: date,
    *,
    status: str = "completed",
    activity: int | None = None,
    lot: str | None = None,
    minute: int = 630,
    style: Style = "paris",
    partial: str = "",
    product: str = "lutathera",
) -> None:
    """Write one MedicationAdministration: batch contained, referenced or not sent; activity as measured."""
    body: dict[str, Any] = {"status": status, "subject": chart.subject()}
    _product(chart, body, day, product=product, lot=lot)
    if status == "not-done":
        body["statusReason"] = [{"text": "Plaquettes insuffisantes"}]
    if partial:
        body["effectiveDateTime"] = months_text(day) if partial == "month" else str(day.year)
    elif chart.chance(0.75):
        body["effectivePeriod"] = {"start": written(day, minute, style), "end": written(day, minute + 30, style)}
    else:
        body["effectiveDateTime"] = written(day, minute, "day" if chart.chance(0.2) else style)
    body["performer"] = [{"actor": chart.practitioner()}]
    if chart.net is not None and chart.chance(0.5) and product != "psma":
        body["reasonReference"] = [{"reference": f"Condition/{chart.net}"}]
    if status != "not-done":
        body["dosage"] = _dosage(chart, activity)
    identity = chart.name("inf")
    chart.add("MedicationAdministration", body, day=day, identity=identity)


def _product(chart: Chart, body: dict[str, Any], day: date, *, product: str, lot: str | None) -> None:
    if product == "text":
        body["medicationCodeableConcept"] = {"text": "Radiopharmaceutique 177Lu (préparation)"}
        return
    code = VIPIVOTIDE if product == "psma" else LUTATHERA
    name = "PLUVICTO 1000 MBq/mL" if product == "psma" else "LUTATHERA 370 MBq/mL"
    own = coding(LOCAL_PHARMACY, "PSMA177" if product == "psma" else "LUTA", name)
    both = {"coding": [own, coding(ATC, code)] if chart.chance(0.6) else [coding(ATC, code)], "text": name}
    way = "contained" if lot is not None else chart.rng.choice(("contained", "code", "reference"))
    if way == "contained":
        medication = {
            "resourceType": "Medication",
            "id": "m",
            "code": both,
            "batch": {
                "lotNumber": lot or f"L{lot_of(day)}-{chart.key}",
                "expirationDate": written(day + timedelta(days=2), 840),
            },
        }
        body["contained"] = [medication]
        body["medicationReference"] = {"reference": "#m"}
    elif way == "reference" and product == "lutathera":
        body["medicationReference"] = {"reference": f"Medication/lutathera-{lot_of(day)}"}
    else:
        body["medicationCodeableConcept"] = both


def _dosage(chart: Chart, activity: int | None) -> dict[str, Any]:
    measured = activity if activity is not None else chart.rng.randrange(7150, 7620)
    dose: dict[str, Any] = {"value": measured, **MBQ}
    if activity is None and chart.chance(0.15):
        dose = {
            "value": chart.rng.choice((Decimal("7.35"), Decimal("7.40"), Decimal("7.41"))),
            "unit": "GBq",
            "system": UCUM,
            "code": "GBq",
        }
    return {"text": "perfusion IV sur 30 min", "route": concept(SCT, INTRAVENOUS, text="voie IV"), "dose": dose}
