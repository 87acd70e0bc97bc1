"""In: a value and its variable. Out: the cell: of the variable's kind, plain, not too long, in its codelist; findings for what had to change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from adapter.datasets.model import Cell, Codelist, Variable
from adapter.datasets.sdtm.documents import Continued
from adapter.datasets.sdtm.notes import Notes, Place
from adapter.datasets.sdtm.numbers import number_of
from adapter.datasets.sdtm.plain import folded, pieces

__all__ = ["Finisher", "finishers"]

_LONGEST: Final = 200
#: Shows that something was cut.
_MORE: Final = " ..."
_MOST: Final = 100_000
_MISSING: Final = object()

#: Makes the cell of a value; the second argument says where a finding points to.
Finisher = Callable[[Any, Callable[[], Place]], Cell]


def finishers(
    variables: tuple[Variable, ...],
    codelists: Mapping[str, Codelist],
    notes: Notes,
    continued: Mapping[str, Continued],
) -> list[Finisher]:
    """One a variable, in their order."""
    return [
        _number(variable, notes)
        if variable.numeric
        else _Text(variable, codelists.get(variable.codelist or ""), notes, continues=variable.name in continued)
        for variable in variables
    ]


def _number(variable: Variable, notes: Notes) -> Finisher:
    def finish(value: Any, place: Callable[[], Place]) -> Cell:
        if value is None or isinstance(value, Decimal):
            return value
        found = number_of(value)
        if found is None:
            notes.record("not-a-number", place(), variable.name)
        return found

    return finish


class _Text:
    """Remembers what came of a text: a package says the same few thousand texts over and over."""

    __slots__ = ("_clean", "_codelist", "_continues", "_name", "_notes", "_open", "_size")

    def __init__(self, variable: Variable, codelist: Codelist | None, notes: Notes, *, continues: bool) -> None:
        self._name = variable.name
        self._size = _LONGEST if continues else min(variable.length, _LONGEST)
        self._codelist = frozenset(term.value for term in codelist.terms) if codelist is not None else None
        self._open = codelist is None or codelist.extensible
        self._notes = notes
        self._continues = continues
        self._clean: dict[str, Cell] = {}

    def __call__(self, value: Any, place: Callable[[], Place]) -> Cell:
        if value is None:
            return None
        text: str = value if value.__class__ is str else format(value, "f")
        found = self._clean.get(text, _MISSING)
        if found is not _MISSING:
            return found  # type: ignore[return-value]
        return self._finish(text, place)

    def _finish(self, text: str, place: Callable[[], Place]) -> Cell:
        told = False
        found = text.strip()
        if not found.isascii() or not found.isprintable():
            found = folded(found)
            told = found != text.strip()
            if told:
                self._notes.record("non-ascii-folded", place(), self._name)
        # What goes on elsewhere is cut by the one who writes the rest.
        if len(found) > self._size and not self._continues:
            found = pieces(found, self._size - len(_MORE))[0] + _MORE if self._size > 20 else found[: self._size]
            self._notes.record("text-cut", place(), self._name)
            told = True
        if self._codelist is not None and found and found not in self._codelist:
            code = "codelist-extended" if self._open else "not-in-codelist"
            self._notes.value(code, place().domain, self._name, found)
            return (found or None) if self._open else None
        if not told and len(self._clean) < _MOST:
            self._clean[text] = found or None
        return found or None
