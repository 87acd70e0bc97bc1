"""In: a source and the rows of its view. Out: drafts of the domain's rows, their variables set, their keys and sources told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from adapter.datasets.model import CellSource
from adapter.datasets.sdtm.cells import Finisher
from adapter.datasets.sdtm.documents import Domain, Foreign, Read, Source, ViewColumns
from adapter.datasets.sdtm.frame import Draft, Frame, LeaveOutError, Run, SubjectFacts
from adapter.datasets.sdtm.notes import Place
from adapter.datasets.sdtm.numbers import plain

__all__ = ["PLACE", "RowIn", "Tracer", "at_row", "drafts_of", "repeated", "set_deferred"]


#: Where the place of a row in its resource belongs in a path.
PLACE: Final = "[#]"


def at_row(path: str, row: str | None) -> str:
    """The path with the row's place in the resource."""
    return path if PLACE not in path else path.replace(PLACE, "" if row is None else f"[{row}]")


class RowIn(NamedTuple):
    """A row that comes in: its values in the order of the source's columns.

    Attributes:
        values: texts, exact numbers or None.
        facts: of the subject, None for trial design.
        resource: that it is of, or the row's own name where it is of none.
        origins: resource and path by column, where the row is of several resources.
    """

    values: tuple[Any, ...]
    facts: SubjectFacts | None
    resource: str
    origins: Mapping[str, tuple[str, str]] | None = None


def drafts_of(
    domain: Domain, source: Source, rows: Iterable[RowIn], run: Run, finish: Sequence[Finisher]
) -> list[Draft]:
    """The domain's rows that a source makes of its view's rows."""
    found = []
    steps = [(setting.slot, setting.fn, finish[setting.slot]) for setting in source.settings]
    spare = [None] * (source.width - source.base - 3 - len(source.columns))
    for row in rows:
        head = [None] * source.base
        for overlay in source.each or ((),):
            frame: Frame = [*head, row.facts, row.resource, run, *row.values, *spare]
            try:
                if not _taken(source, frame, overlay):
                    continue
                place = _place(domain.code, row)
                for slot, fn, made in steps:
                    value = fn(frame)
                    if value is not None:
                        frame[slot] = made(value, place)
                if source.checks:
                    _check(source, frame, run, place)
                key = _key(source, frame, row.resource)
            except LeaveOutError:
                continue
            draft = Draft(frame, row.facts, key, source)
            draft.traced = row.origins
            found.append(draft)
    return found


def _place(domain: str, row: RowIn) -> Callable[[], Place]:
    subject = row.facts.usubjid if row.facts is not None else None
    return lambda: Place(domain, subject, row.resource.partition("#")[0] if subject is not None else None)


def _taken(source: Source, frame: Frame, overlay: Iterable[tuple[int, Any]]) -> bool:
    for slot, fn in overlay:
        frame[slot] = fn(frame)
    if source.where is not None and not source.where(frame):
        return False
    for slot, fn in source.lets:
        frame[slot] = fn(frame)
    return True


def _check(source: Source, frame: Frame, run: Run, place: Callable[[], Place]) -> None:
    for check in source.checks:
        if check.fn(frame):
            run.notes.record(check.finding, place(), check.variable, text=check.text, severity=check.severity)
            if check.leave_out:
                raise LeaveOutError


def _key(source: Source, frame: Frame, resource: str) -> str:
    if not source.key:
        return resource
    return f"{resource}#{'|'.join(plain(fn(frame)) or '' for fn in source.key)}"


def set_deferred(domain: Domain, drafts: Iterable[Draft], finish: Sequence[Finisher]) -> list[Draft]:
    """Set what waited for numbers; the rows that are left."""
    left = []
    for draft in drafts:
        try:
            for setting in draft.source.deferred:
                value = setting.fn(draft.frame)
                draft.frame[setting.slot] = (
                    None if value is None else finish[setting.slot](value, partial(draft.place, domain.code))
                )
        except LeaveOutError:
            continue
        left.append(draft)
    return left


class Tracer:
    """Tells the sources of a draft's cells: one for each path that they were read by.

    Args:
        domain: of the rows.
        paths: FHIRPath of the columns, by view.
        shapes: of the views.
    """

    def __init__(
        self, domain: Domain, paths: Mapping[str, Mapping[str, str]], shapes: Mapping[str, ViewColumns]
    ) -> None:
        self._paths = paths
        self._shapes = shapes
        self._rows = {source.id: self._row_slot(source) for source in domain.sources}
        self._own = {source.id: self._groups(source) for source in domain.sources}
        self._foreign = {source.id: _foreign(source) for source in domain.sources}
        self._known: dict[tuple[str, tuple[bool, ...]], tuple[tuple[str, tuple[str, ...]], ...]] = {}
        self._slots = {name: [slot for _, group in own for _, slot in group] for name, own in self._own.items()}

    def _groups(self, source: Source) -> list[tuple[str, list[tuple[str, int]]]]:
        """Of a source over a view: variables with their places, by path."""
        paths = self._paths.get(source.view)
        groups: dict[str, list[tuple[str, int]]] = {}
        for setting in source.settings if paths is not None else ():
            names = [name for name in source.columns if name in setting.reads]
            if names and paths is not None:
                path = " | ".join(dict.fromkeys(paths.get(name, name) for name in names))
                groups.setdefault(path, []).append((setting.variable, setting.slot))
        return sorted(groups.items())

    def sources(self, draft: Draft) -> tuple[CellSource, ...]:
        """The sources of its cells that are neither derived nor assigned."""
        source: Source = draft.source
        if draft.traced is not None:
            return _traced(source, draft)
        resource, frame = draft.frame[source.base + 1], draft.frame
        at = self._rows[source.id]
        filled = self._filled(source, frame)
        if at is not None:
            row = plain(frame[at])
            filled = tuple((at_row(path, row), variables) for path, variables in filled)
        found = [
            CellSource(variables=variables, resource=resource, path=path, mapping=source.mapping)
            for path, variables in filled
        ]
        for variable, slot, foreign in self._foreign[source.id]:
            key = foreign.fn(frame) if frame[slot] is not None else None
            if key is not None:
                other = f"{self._shapes[foreign.view].resource}/{key.rpartition('/')[2]}"
                path = at_row(self._paths[foreign.view][foreign.column], "0")
                found.append(CellSource(variables=(variable,), resource=other, path=path, mapping=source.mapping))
        return tuple(found)

    def of_reads(self, draft: Draft, variable: str, reads: frozenset[Read]) -> tuple[CellSource, ...]:
        """The source of a value that is read from these columns of a draft's view, under the name of a variable."""
        source: Source = draft.source
        paths = self._paths.get(source.view)
        names = [name for name in source.columns if name in reads]
        if not names or paths is None or draft.traced is not None:
            return ()
        at = self._rows[source.id]
        path = at_row(
            " | ".join(dict.fromkeys(paths.get(name, name) for name in names)),
            None if at is None else plain(draft.frame[at]),
        )
        resource = draft.frame[source.base + 1]
        return (CellSource(variables=(variable,), resource=resource, path=path, mapping=source.mapping),)

    def _row_slot(self, source: Source) -> int | None:
        shape = self._shapes.get(source.view)
        if shape is None or shape.repeated is None or shape.repeated[0] not in source.columns:
            return None
        return source.base + 3 + source.columns.index(shape.repeated[0])

    def _filled(self, source: Source, frame: Frame) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The groups without the cells that are empty; the same few patterns of empty cells come over and over."""
        pattern = tuple([frame[slot] is None for slot in self._slots[source.id]])
        known = self._known.get((source.id, pattern))
        if known is None:
            groups = self._own[source.id]
            filled = ((path, tuple(name for name, slot in group if frame[slot] is not None)) for path, group in groups)
            known = self._known[source.id, pattern] = tuple(one for one in filled if one[1])
        return known


def _foreign(source: Source) -> list[tuple[str, int, Foreign]]:
    return [
        (setting.variable, setting.slot, read)
        for setting in source.settings
        for read in sorted(
            (read for read in setting.reads if isinstance(read, Foreign)), key=lambda one: (one.view, one.column)
        )
    ]


def _traced(source: Source, draft: Draft) -> tuple[CellSource, ...]:
    """Of a row whose columns come from several resources."""
    groups: dict[tuple[str, str], list[str]] = {}
    for setting in source.settings:
        if draft.frame[setting.slot] is None:
            continue
        for name in source.columns:
            origin = draft.traced.get(name) if draft.traced is not None and name in setting.reads else None
            if origin is not None:
                groups.setdefault(origin, []).append(setting.variable)
    return tuple(
        CellSource(variables=tuple(dict.fromkeys(names)), resource=resource, path=path, mapping=source.mapping)
        for (resource, path), names in sorted(groups.items())
    )


def repeated(drafts: Sequence[Draft]) -> Iterator[Draft]:
    """The drafts whose key another one of the same subject has already; they are told apart by their order from then on."""
    seen: dict[tuple[str, str], int] = {}
    for draft in drafts:
        at = seen.get((draft.usubjid, draft.key), 0) + 1
        seen[draft.usubjid, draft.key] = at
        if at > 1:
            draft.key = f"{draft.key}{'|' if '#' in draft.key else '#'}again={at}"
            yield draft
