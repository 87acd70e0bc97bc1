"""In: a resource as we would have it, and as the server has it. Out: the update: ours, with all that is not ours to say."""

from __future__ import annotations

from typing import Any, Final

from adapter.fhir import Json
from mappings.elements import EXTENSION

__all__ = ["carry_over", "exceeded"]

#: By what two elements of a list are the same one; what has none of these is compared by its place.
_KEYS: Final = (("url",), ("system", "value"), ("system", "code"), ("linkId",), ("fullUrl",))
_IDENTIFIER: Final = "identifier"
_EXTENSION: Final = "extension"


def carry_over(ours: Json, theirs: Json, *, owned: frozenset[str], exact: frozenset[str] = frozenset()) -> Json:
    """What to send as an update: our elements, and of the server's resource all that is not ours to say.

    Args:
        ours: the resource as we would have it.
        theirs: the resource as the server has it.
        owned: names of the elements of the resource that the mapper speaks of, and URLs of its extensions that are not ours by
            name; one that it does not write any more goes.
        exact: of these elements nothing stays that we do not say ourselves, but for foreign extensions (see `exceeded`).

    Returns:
        Ours, with the server's id and meta, the elements that no mapper knows, further identifiers, what the server's element
        says beyond the same in ours, and foreign extensions wherever their element still is; lists in the server's order.
    """
    merged = {key: value for key, value in theirs.items() if key.removeprefix("_") not in owned and key != _EXTENSION}
    for key, value in ours.items():
        if key in (_EXTENSION, _IDENTIFIER):
            continue
        covered = key not in exact and key in theirs and _covers(theirs[key], value)
        merged[key] = theirs[key] if covered else _with_foreign(value, theirs.get(key), owned)
        shadow = theirs.get(f"_{key}")
        if shadow is not None and f"_{key}" not in ours and theirs.get(key) == value:
            # Extensions of a primitive speak of the value that they stand beside.
            merged[f"_{key}"] = shadow
    if _IDENTIFIER in ours:
        merged[_IDENTIFIER] = _identifiers(ours[_IDENTIFIER], theirs.get(_IDENTIFIER), owned)
    extensions = _extensions(ours.get(_EXTENSION), theirs.get(_EXTENSION), owned)
    if extensions:
        merged[_EXTENSION] = extensions
    if _is_generated(merged.get("text")):
        # A narrative made of the elements as they were would contradict them now (R4 narrative.html).
        del merged["text"]
    return merged


def exceeded(ours: Json, theirs: Json) -> frozenset[str]:
    """Names of the elements in which the server says all that we do, and more.

    >>> sorted(exceeded({"subject": {"type": "Patient"}, "status": "final"}, {"subject": {"type": "Patient", "display": "A"}}))
    ['subject']
    """
    apart = (_EXTENSION, _IDENTIFIER)
    return frozenset(
        key
        for key, value in ours.items()
        if key not in apart and key in theirs and theirs[key] != value and _covers(theirs[key], value)
    )


def _is_generated(text: Any) -> bool:
    return isinstance(text, dict) and text.get("status") == "generated"


def _covers(theirs: Any, ours: Any) -> bool:
    """The server's says all that ours does, in the same order, and maybe more."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return all(key in theirs and _covers(theirs[key], value) for key, value in ours.items())
    if isinstance(ours, list) and isinstance(theirs, list):
        rest = iter(theirs)
        return all(any(_covers(one, wanted) for one in rest) for wanted in ours)
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    return bool(ours == theirs)


def _identifiers(ours: Any, theirs: Any, owned: frozenset[str]) -> Any:
    """Ours, each as the server has it where that says more, and the others that are there."""
    if not isinstance(ours, list) or not isinstance(theirs, list):
        # Some types of R4 have one identifier only, and some servers none.
        return theirs if _covers(theirs, ours) else ours
    pairs = _paired(ours, theirs)
    merged = [other if _covers(other, one) else _with_foreign(one, other, owned) for one, other in pairs]
    return _arranged(merged, theirs, known={_key(one) for one in ours})


def _extensions(ours: Any, theirs: Any, owned: frozenset[str]) -> list[Any]:
    """Ours and the foreign ones; one of ours that we dropped is gone."""
    listed = ours if isinstance(ours, list) else []
    if not isinstance(theirs, list):
        return listed
    known = {_key(one) for one in listed}
    known |= {_key(one) for one in theirs if not _is_foreign(one, owned)}
    return _arranged([_with_foreign(one, other, owned) for one, other in _paired(listed, theirs)], theirs, known=known)


def _is_foreign(element: Any, owned: frozenset[str]) -> bool:
    """An extension that no mapper writes. One with a bare name belongs to the extension that it stands in."""
    url = str(element.get("url", "")) if isinstance(element, dict) else ""
    return ":" in url and not url.startswith(EXTENSION) and url not in owned


def _arranged(ours: list[Any], theirs: list[Any], *, known: set[tuple[object, ...]]) -> list[Any]:
    """Ours in our order at the places where such stand at the server; what is not known here stays where it is."""
    waiting = iter(ours)
    arranged: list[Any] = []
    for one in theirs:
        if _key(one) not in known:
            arranged.append(one)
        else:
            arranged += [next_ for next_ in (next(waiting, None),) if next_ is not None]
    return [*arranged, *waiting]


def _paired(ours: list[Any], theirs: list[Any]) -> list[tuple[Any, Any]]:
    """Each of ours with the same element at the server, None where there is none for certain."""
    left: dict[tuple[object, ...], list[Any]] = {}
    for one in theirs:
        left.setdefault(_key(one), []).append(one)
    pairs = []
    for one in ours:
        same = left.get(_key(one), [])
        # Several may have one key (the events of a subject): only one that says what ours says is the same.
        alone = len(same) == 1 and sum(_key(other) == _key(one) for other in ours) == 1
        other = next((other for other in same if alone or _covers(other, one)), None)
        if other is not None:
            same.remove(other)
        pairs.append((one, other))
    return pairs


def _key(element: Any) -> tuple[object, ...]:
    if isinstance(element, dict):
        for names in _KEYS:
            if all(name in element for name in names):
                return tuple(str(element[name]) for name in names)
        if isinstance(element.get("value"), str):
            # An identifier without a system, or a label.
            return ("", element["value"])
    return (_plain(element),)


def _plain(element: Any) -> str:
    """The same for the same content, in whatever order a server gives its keys."""
    if isinstance(element, dict):
        return f"{{{', '.join(f'{key}: {_plain(element[key])}' for key in sorted(element))}}}"
    return f"[{', '.join(map(_plain, element))}]" if isinstance(element, list) else repr(element)


def _with_foreign(ours: Any, theirs: Any, owned: frozenset[str]) -> Any:
    """Ours, with the foreign extensions of the same element at the server."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        merged = {key: _with_foreign(value, theirs.get(key), owned) for key, value in ours.items() if key != _EXTENSION}
        for key in ("modifierExtension", "id"):
            if key not in ours and key in theirs:
                merged[key] = theirs[key]
        extensions = _extensions(ours.get(_EXTENSION), theirs.get(_EXTENSION), owned)
        if extensions:
            merged[_EXTENSION] = extensions
        return merged
    if isinstance(ours, list) and isinstance(theirs, list):
        keyed = all(isinstance(one, dict) and _key(one) != (_plain(one),) for one in [*ours, *theirs])
        if keyed:
            return [_with_foreign(one, other, owned) for one, other in _paired(ours, theirs)]
        if len(ours) == len(theirs):
            return [_with_foreign(one, other, owned) for one, other in zip(ours, theirs, strict=True)]
    return ours
