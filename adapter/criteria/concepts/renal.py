"""In: serum creatinine, age and sex. Out: the glomerular filtration rate by the MDRD equation, exact to 28 digits."""

from __future__ import annotations

from decimal import Context, Decimal
from functools import lru_cache

from adapter.fhir import NumberInterval

__all__ = ["egfr_mdrd", "egfr_mdrd_interval"]

_CONTEXT = Context(prec=28)
_INFINITY = Decimal("Infinity")


@lru_cache(maxsize=65536)
def _power(base: Decimal, exponent: Decimal) -> Decimal:
    # To 28 digits it takes longer than all else of a result; people share creatinines and ages.
    return _CONTEXT.power(base, exponent)


def egfr_mdrd(creatinine: Decimal, *, age: int, female: bool) -> Decimal:
    """Glomerular filtration rate by the four-variable MDRD equation (IDMS-traceable, no ethnicity factor).

    Args:
        creatinine: serum creatinine, umol/L, above 0.
        age: completed years on the day of the sample.
        female: administrative sex is female.

    Returns:
        mL/min/{1.73_m2}, unrounded: compare first, round for display.

    Raises:
        ValueError: creatinine or age is not above 0.

    Source:
        Levey et al., Ann Intern Med 2006;145:247-254. NCT04954820 excludes MDRD < 40 mL/min.

    >>> round(egfr_mdrd(Decimal(152), age=65, female=False), 2)
    Decimal('40.12')
    """
    if creatinine <= 0 or age <= 0:
        raise ValueError("creatinine and age must be above 0")
    milligrams = _CONTEXT.divide(creatinine, Decimal("88.4"))
    factors = [
        _power(milligrams, Decimal("-1.154")),
        _power(Decimal(age), Decimal("-0.203")),
        Decimal("0.742") if female else Decimal(1),
    ]
    found = Decimal(175)
    for factor in factors:
        found = _CONTEXT.multiply(found, factor)
    return found


def egfr_mdrd_interval(creatinine: NumberInterval, *, ages: tuple[int, int], female: bool) -> NumberInterval:
    """The rates that an interval of creatinine and of age leave possible; the rate falls with both."""
    youngest, oldest = max(ages[0], 1), max(ages[1], 1)
    low, high = creatinine.low, creatinine.high
    slowest = egfr_mdrd(high, age=oldest, female=female) if high.is_finite() else Decimal(0)
    fastest = egfr_mdrd(low, age=youngest, female=female) if low.is_finite() and low > 0 else _INFINITY
    return NumberInterval(slowest, fastest, low_open=creatinine.high_open, high_open=creatinine.low_open)
