"""In: a text. Out: whether it is a code of UCUM, by its grammar and its units; what it converts to is not asked.

Source: The Unified Code for Units of Measure, case sensitive (https://ucum.org/ucum), whose own list of units the grammar of
`ucumvert` is made from.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lark import Lark

__all__ = ["is_ucum"]

#: A longer text is none that anybody means as a unit.
_LONGEST: Final = 200


@lru_cache(maxsize=4096)
def is_ucum(code: str) -> bool:
    """Whether a text is a code of UCUM.

    >>> [is_ucum(one) for one in ("10*9/L", "mL/min/{1.73_m2}", "m[iU]/mL", "mm[Hg]", "/uL", "mg/(24.h)", "{INR}", "1")]
    [True, True, True, True, True, True, True, True]
    >>> [is_ucum(one) for one in ("UI/L", "mmHg", "mEq/L", "Ery/champ", "mg/24h", "g//L", "")]
    [False, False, False, False, False, False, False]
    """
    from lark.exceptions import LarkError  # noqa: PLC0415 - a tenth of a second, and most commands never ask

    if not code or len(code) > _LONGEST:
        return False
    try:
        _grammar().parse(code)
    except LarkError:
        return False
    return True


@cache
def _grammar() -> Lark:
    from ucumvert import get_ucum_parser  # noqa: PLC0415 - half a second, and most commands never ask

    grammar: Lark = get_ucum_parser()
    return grammar
