"""In: SMART scopes of version 1 (``system/*.read``) or 2 (``system/*.rs``). Out: the same in the other one, and what they allow.

SMART App Launch 2.x, scopes and launch context; pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["grants", "in_the_servers_words", "lacking", "to_v1", "to_v2", "withheld"]

_SCOPE = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]{1,63})\.(?P<allows>[a-z]+|\*)(?P<only>\?.*)?"
)
_V1_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}
_READS = frozenset("rs")
_WRITES = frozenset("cud")
# The letters of a scope of version 2 stand in this order only (SMART App Launch 2.x, clinical scope syntax).
_ORDER = "cruds"


def to_v1(scope: str) -> str:
    """The scope as a server of version 1 knows it; as it is where it has no such form.

    Version 1 cannot tell reading from searching, and has no ``?`` filters: such a scope stays, lest more be asked for.

    >>> to_v1("system/*.rs"), to_v1("system/Patient.cruds"), to_v1("system/Observation.rs?category=laboratory")
    ('system/*.read', 'system/Patient.*', 'system/Observation.rs?category=laboratory')
    """
    parts = _SCOPE.fullmatch(scope)
    if parts is None or parts["only"] or parts["allows"] in _V1_LETTERS:
        return scope
    letters = _letters(parts["allows"])
    if not letters:
        return scope
    allows = "*" if letters & _READS and letters & _WRITES else "read" if letters & _READS else "write"
    return f"{parts['context']}/{parts['type']}.{allows}"


def to_v2(scope: str) -> str:
    """The scope as a server of version 2 knows it; as it is where it has no such form.

    >>> to_v2("system/*.read"), to_v2("system/Patient.write"), to_v2("system/Patient.*"), to_v2("openid")
    ('system/*.rs', 'system/Patient.cud', 'system/Patient.cruds', 'openid')
    """
    parts = _SCOPE.fullmatch(scope)
    if parts is None or parts["allows"] not in _V1_LETTERS:
        return scope
    return f"{parts['context']}/{parts['type']}.{_V1_LETTERS[parts['allows']]}{parts['only'] or ''}"


def in_the_servers_words(scopes: Iterable[str], capabilities: Iterable[str]) -> tuple[str, ...]:
    """Scopes in the one version that a server states; as they are where it states both or none.

    Args:
        scopes: as configured.
        capabilities: of the SMART configuration.

    >>> in_the_servers_words(["system/*.rs"], ["permission-v1"])
    ('system/*.read',)
    """
    stated = {"permission-v1", "permission-v2"} & set(capabilities)
    if stated == {"permission-v1"}:
        return tuple(dict.fromkeys(map(to_v1, scopes)))
    if stated == {"permission-v2"}:
        return tuple(dict.fromkeys(map(to_v2, scopes)))
    return tuple(scopes)


def grants(scopes: Iterable[str], resource_type: str, *, letters: str = "rs") -> bool:
    """Whether scopes allow a system client to do all of ``letters`` with a type, without a filter.

    Args:
        scopes: of either version.
        resource_type: e.g. ``Patient``; ``*`` for all types.
        letters: of ``cruds``.

    >>> grants({"system/*.read"}, "Patient"), grants({"system/Patient.r"}, "Patient"), grants({"system/*.rs"}, "Patient", letters="c")
    (True, False, False)
    """
    allowed: set[str] = set()
    for scope in scopes:
        parts = _SCOPE.fullmatch(to_v2(scope))
        if (
            parts is not None
            and parts["context"] == "system"
            and not parts["only"]
            and parts["type"] in ("*", resource_type)
        ):
            allowed |= _letters(parts["allows"])
    return bool(letters) and set(letters) <= allowed


def lacking(asked: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """What of ``asked`` is not in ``granted``, in whichever version either stands; a wider scope is as good.

    >>> lacking(["system/*.rs", "system/Patient.c"], ["system/*.read"])
    ('system/Patient.c',)
    """
    held = {to_v2(scope) for scope in granted}
    return tuple(scope for scope in asked if to_v2(scope) not in held and not _is_within(to_v2(scope), held))


def withheld(scopes: Iterable[str], types: Iterable[str]) -> list[str]:
    """Of some types those of which nothing may be read; none where scopes speak of none of them, in words of the server's own.

    >>> withheld({"system/Patient.rs", "system/Observation.rs?category=laboratory"}, ["Condition", "Observation", "Patient"])
    ['Condition']
    >>> withheld({"system/*.read"}, ["Patient"]), withheld({"fhir.read"}, ["Patient"])
    ([], [])
    """
    wanted = list(types)
    told = [parts for scope in scopes if (parts := _SCOPE.fullmatch(to_v2(scope))) is not None]
    read = {parts["type"] for parts in told if parts["context"] == "system" and _letters(parts["allows"]) & _READS}
    return [type_ for type_ in wanted if type_ not in read] if "*" not in read and read & set(wanted) else []


def _is_within(scope: str, held: Iterable[str]) -> bool:
    parts = _SCOPE.fullmatch(scope)
    return parts is not None and parts["context"] == "system" and grants(held, parts["type"], letters=parts["allows"])


def _letters(allows: str) -> frozenset[str]:
    """The letters of a scope of version 2; none where it is no such thing."""
    ordered = "".join(letter for letter in _ORDER if letter in allows)
    return frozenset(allows) if allows == ordered else frozenset()
