"""In: the links of a site's patients. Out: which id survives for each merged one.

``replaced-by`` and its mirror ``replaces`` merge; ``seealso`` and ``refer`` do not (clarification 22).
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["survivors"]


def survivors(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Follow merge links to their end.

    Args:
        links: pairs of a patient (``Patient/id``) and one of its links (``replaced-by Patient/2``).

    Returns:
        every merged patient with the one that stands for it; survivors themselves are not in it.

    >>> survivors([("Patient/1", "replaced-by Patient/2"), ("Patient/3", "replaces Patient/2")])
    {'Patient/1': 'Patient/3', 'Patient/2': 'Patient/3'}
    """
    following: dict[str, str] = {}
    for patient, link in links:
        kind, _, other = link.partition(" ")
        if kind == "replaced-by":
            old, new = patient, other
        elif kind == "replaces":
            old, new = other, patient
        else:
            continue
        if not other or old == new:
            continue
        # Two different successors: the smaller id, whatever the order of the feed.
        following[old] = min(following.get(old, new), new)
    return {old: end for old in sorted(following) if (end := _end(old, following)) != old}


def _end(start: str, following: dict[str, str]) -> str:
    path = [start]
    seen = {start}
    while (after := following.get(path[-1])) is not None:
        if after in seen:
            # A circle has no end: the smallest id of the circle survives.
            return min(path[path.index(after) :])
        path.append(after)
        seen.add(after)
    return path[-1]
