"""In: the subjects of an export. Out: how many of them look alike: k-anonymity over site, sex and age, as a value for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["age_band", "k_anonymity"]

_WIDTH: Final = 10
_SMALL: Final = 5


def age_band(age: int | None) -> str:
    """Ten years, of which the first and the last are open.

    >>> age_band(17), age_band(64), age_band(91), age_band(None)
    ('<20', '60-69', '90+', 'unknown')
    """
    if age is None:
        return "unknown"
    if age < 2 * _WIDTH:
        return f"<{2 * _WIDTH}"
    if age >= 9 * _WIDTH:
        return f"{9 * _WIDTH}+"
    low = age // _WIDTH * _WIDTH
    return f"{low}-{low + _WIDTH - 1}"


def k_anonymity(people: Iterable[tuple[str, str, int | None]]) -> dict[str, Any]:
    """How small the smallest group of subjects is that have site, sex and age band in common.

    Args:
        people: site's number, sex, age of each subject.

    >>> k_anonymity([("05", "male", 61), ("05", "male", 65), ("05", "female", 50)])["smallest_class"]
    1
    """
    classes = Counter((site, sex, age_band(age)) for site, sex, age in people)
    small = [count for count in classes.values() if count < _SMALL]
    return {
        "quasi_identifiers": ["site", "sex", "age band of ten years"],
        "subjects": sum(classes.values()),
        "classes": len(classes),
        "smallest_class": min(classes.values(), default=0),
        "classes_under_5": len(small),
        "subjects_in_classes_under_5": sum(small),
        "by_class": [
            {"site": site, "sex": sex, "age_band": band, "subjects": count}
            for (site, sex, band), count in sorted(classes.items())
        ],
    }
