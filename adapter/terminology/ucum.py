"""In: a text. Out: whether it is a code of UCUM, by its grammar and its units; what it converts to is not asked.

Source: The Unified Code for Units of Measure, version 2.1 (https://ucum.org/ucum), sections 2 and 4, case sensitive. Of the units in
square brackets, which are several hundred and which nobody prints by accident, the form is enough.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["is_ucum"]

# fmt: off
_PREFIXES: Final = (
    "Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "d", "c", "m", "u", "n", "p", "f", "a", "z", "y", "Ki", "Mi",
    "Gi", "Ti",
)
#: Units that take a prefix.
_METRIC: Final = frozenset((
    "m", "s", "g", "rad", "K", "C", "cd", "mol", "sr", "Hz", "N", "Pa", "J", "W", "A", "V", "F", "Ohm", "S", "Wb",
    "Cel", "T", "H", "lm", "lx", "Bq", "Gy", "Sv", "l", "L", "ar", "t", "bar", "u", "eV", "pc", "dyn", "erg", "P",
    "Ky", "G", "Oe", "Gb", "St", "Mx", "B", "Np", "kat", "U", "eq", "osm", "cal", "Ci", "R", "RAD", "REM", "bit",
    "By", "Bd", "st", "tex", "mho", "Lmb", "ph", "g%", "B[SPL]", "B[V]", "B[mV]", "B[uV]", "B[10.nV]", "B[W]",
    "B[kW]",
))
#: Units that take none.
_PLAIN: Final = frozenset((
    "10*", "10^", "%", "gon", "deg", "'", "''", "min", "h", "d", "a", "a_t", "a_j", "a_g", "mo", "mo_s", "mo_j",
    "mo_g", "wk", "atm", "att", "circ", "sph", "bit_s",
))
# fmt: on
#: m[iU], m[Hg] and mm[Hg] among them: which of these units take a prefix is not asked.
_BRACKETS: Final = re.compile(r"m?\[[!-Z\\^-z|~]+\](_[A-Za-z]+)?")
_ANNOTATION: Final = re.compile(r"\{[!-z|~]*\}")
_EXPONENT: Final = re.compile(r"[+-]?[0-9]+")
_NUMBER: Final = re.compile(r"[0-9]+")
#: A unit ends where an operator, a bracket of its own, an annotation or an exponent begins; ``10*`` and ``10^`` begin with digits.
_ATOM: Final = re.compile(r"10[*^]|(?:[A-Za-z%'_]|\[[^\[\]{}]*\](?:_[A-Za-z]+)?)+")
_LONGEST: Final = 200
_DEEPEST: Final = 10


@lru_cache(maxsize=4096)
def is_ucum(code: str) -> bool:
    """Whether a text is a code of UCUM.

    >>> [is_ucum(one) for one in ("10*9/L", "mL/min/{1.73_m2}", "m[iU]/mL", "mm[Hg]", "/uL", "mg/(24.h)", "{INR}", "1")]
    [True, True, True, True, True, True, True, True]
    >>> [is_ucum(one) for one in ("UI/L", "mmHg", "mEq/L", "Ery/champ", "mg/24h", "g//L", "")]
    [False, False, False, False, False, False, False]
    """
    if not code or len(code) > _LONGEST or not code.isascii():
        return False
    end = _main_term(code, 0, 0)
    return end == len(code)


def _main_term(code: str, at: int, depth: int) -> int | None:
    """Where a term ends that may begin with a solidus; None where there is none."""
    return _term(code, at + 1 if code[at : at + 1] == "/" else at, depth)


def _term(code: str, at: int, depth: int) -> int | None:
    end = _component(code, at, depth)
    while end is not None and code[end : end + 1] in ("/", "."):
        end = _component(code, end + 1, depth)
    return end


def _component(code: str, at: int, depth: int) -> int | None:
    if code[at : at + 1] == "(" and depth < _DEEPEST:
        end = _main_term(code, at + 1, depth + 1)
        return end + 1 if end is not None and code[end : end + 1] == ")" else None
    annotation = _ANNOTATION.match(code, at)
    if annotation is not None:
        return annotation.end()
    atom = _ATOM.match(code, at)
    if atom is None:
        factor = _NUMBER.match(code, at)
        return None if factor is None else factor.end()
    if not _is_unit(atom.group()):
        return None
    exponent = _EXPONENT.match(code, atom.end())
    end = atom.end() if exponent is None else exponent.end()
    annotation = _ANNOTATION.match(code, end)
    return end if annotation is None else annotation.end()


def _is_unit(symbol: str) -> bool:
    if symbol in _METRIC or symbol in _PLAIN or _BRACKETS.fullmatch(symbol):
        return True
    rests = (symbol.removeprefix(prefix) for prefix in _PREFIXES)
    return any(rest != symbol and (rest in _METRIC or _BRACKETS.fullmatch(rest)) for rest in rests)
