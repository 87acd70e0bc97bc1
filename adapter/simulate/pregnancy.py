"""In: sex and which tests or codes a story wants. Out: hCG results and pregnancy codes, and the truths of I12 and
E13.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapter.simulate.attestations import attest
from adapter.simulate.chart import Chart, When
from adapter.simulate.diagnoses import diagnose
from adapter.simulate.facts import Diagnosis, the_day
from adapter.simulate.kleene import Truth, every, negate
from adapter.simulate.terms import LOCAL_LAB, LOINC, coding

WOMEN = (
    ("none", 40),
    ("negative", 14),
    ("negative-fourth-day", 5),
    ("negative-fifth-day", 4),
    ("below-limit", 5),
    ("text-negative", 6),
    ("positive", 4),
    ("text-positive", 2),
    ("both", 2),
    ("no-range", 2),
    ("unread", 2),
    ("in-error", 2),
    ("not-bearing", 12),
    ("not-bearing-long-ago", 8),
    ("expecting", 2),
    ("expecting-stale", 2),
)
MEN = (("none", 190), ("expecting", 2), ("positive", 1), ("negative", 1))


def expectation(chart: Chart, wishes: Mapping[str, str]) -> tuple[Truth, Truth]:
    """I12 (negative test, or no childbearing potential) and E13 (pregnancy or breast feeding).

    Returns:
        the two truths. A man with a pregnancy code or a positive test is a conflict, hence U in both
        (clarification 33).
    """
    if chart.gender == "male":
        return _man(chart, wishes.get("hcg"))
    if chart.gender != "female":
        return "U", "U"
    menu = WOMEN if chart.born and min(chart.ages(chart.on)) < 56 else WOMEN[:1] + WOMEN[12:14]
    kind = wishes.get("hcg") or (
        "not-bearing" if chart.calm else chart.rng.choices([n for n, _ in menu], [w for _, w in menu])[0]
    )
    feeding = wishes.get("feeding") or (
        "no" if chart.calm else chart.rng.choices(("none", "no", "yes", "stale-yes"), (50, 40, 3, 3))[0]
    )
    fed = attest(chart, "E13.breast-feeding", feeding)
    test, pregnant = _woman(chart, kind)
    if pregnant == "T" or fed == "T":
        return test, "T"
    cleared = every(test, negate(fed))
    return test, "F" if cleared == "T" and pregnant == "F" else "U"


def _man(chart: Chart, wish: str | None) -> tuple[Truth, Truth]:
    kind = wish or ("none" if chart.calm else chart.rng.choices([n for n, _ in MEN], [w for _, w in MEN])[0])
    if kind == "expecting":
        _code(chart, 60)
        return "U", "U"
    if kind == "positive":
        _test(chart, "850", before=1)
        return "U", "U"
    if kind == "negative":
        _test(chart, "1", before=1)
    return "T", "F"


def _woman(chart: Chart, kind: str) -> tuple[Truth, Truth]:  # noqa: C901, PLR0912 - one branch a kind
    """The test's account: is I12 met, and is there a pregnancy (F only where nothing speaks for one)?"""
    if kind in ("none", "in-error", "unread", "no-range", "negative-fifth-day"):
        _undecided(chart, kind)
        return "U", "F"
    if kind == "not-bearing":
        return attest(chart, "I12.not-of-childbearing-potential", "yes"), "F"
    if kind == "not-bearing-long-ago":
        return attest(chart, "I12.not-of-childbearing-potential", "stale-yes"), "F"
    if kind == "expecting":
        _code(chart, 60)
        return "U", "T"
    if kind == "expecting-stale":
        _code(chart, 20 * 30)
        _test(chart, "1", before=1)
        return "T", "U"
    if kind in ("positive", "text-positive", "both"):
        if kind == "both":
            _test(chart, "1", before=1)
            _test(chart, "850", before=3)
        elif kind == "positive":
            _test(chart, "850", before=chart.rng.randrange(5))
        else:
            _presence(chart, chart.rng.choice(("positif", "Positif")), before=1)
        return "F", "T"
    if kind == "negative":
        _test(chart, "1", before=chart.rng.randrange(5))
    elif kind == "negative-fourth-day":
        _test(chart, "1", before=4)
    elif kind == "below-limit":
        _test(chart, "2", before=2, comparator="<")
    else:
        _presence(chart, chart.rng.choice(("négatif", "Négatif")), before=2)
    return "T", "F"


def _undecided(chart: Chart, kind: str) -> None:
    if kind == "negative-fifth-day":
        _test(chart, "1", before=5)
    elif kind == "no-range":
        _test(chart, "3", before=1, ranged=False)
    elif kind == "unread":
        _presence(chart, "voir CR", before=1)
    elif kind == "in-error":
        _test(chart, "1", before=1, status="entered-in-error")


def _test(
    chart: Chart, figure: str, *, before: int, comparator: str = "", ranged: bool = True, status: str = "final"
) -> None:
    quantity: dict[str, Any] = {"value": Decimal(figure), "unit": "UI/L"}
    if comparator:
        quantity["comparator"] = comparator
    body: dict[str, Any] = {"valueQuantity": quantity}
    if comparator and chart.chance(0.5):
        body = {"valueString": f"{comparator}{figure} UI/L"}
    if ranged:
        body["referenceRange"] = [{"high": {"value": 5, "unit": "UI/L"}, "text": "< 5"}]
    code = {"coding": [coding(LOCAL_LAB, "BHCG", "bêta-hCG"), coding(LOINC, "21198-7")], "text": "bêta-hCG"}
    chart.observe(code, body, when=When(chart.day(before), 500), status=status)


def _presence(chart: Chart, text: str, *, before: int) -> None:
    code = {"coding": [coding(LOCAL_LAB, "TGRO", "Test de grossesse"), coding(LOINC, "2118-8")]}
    coded = chart.chance(0.5) and text != "voir CR"
    body = {"valueCodeableConcept": {"text": text}} if coded else {"valueString": text}
    chart.observe(code, body, when=When(chart.day(before), 500))


def _code(chart: Chart, before: int) -> None:
    day = chart.day(before)
    diagnose(chart, Diagnosis("Z33", onset=the_day(day), recorded=day))
