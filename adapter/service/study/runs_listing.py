"""In: runs as the API tells them, a language. Out: what the page shows: what became of each, how long it took, what it counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from adapter.screening import words
from adapter.service.formats import instant
from adapter.service.language import Language, load_words
from adapter.service.study.shapes import RunEntry, Runs

__all__ = ["ListedRun", "list_runs"]

#: Columns of a kind of run; a pull's are those of every kind that is not named.
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {"push": ("created", "updated", "deleted")}
_PULLED: Final = ("read", "new", "changed", "deleted", "quarantined")
_MINUTE, _HOUR = 60, 3600
_MARKS: Final = {"complete": "pass", "failed": "fail", "died": "fail"}


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run; ``up_to`` is the moment of its data; ``columns`` name the counts of its types, ``counts`` what it counted beside them, in words."""

    run: RunEntry
    kind: str
    result: str
    mark: str
    lasted: str | None
    up_to: str | None
    columns: tuple[str, ...]
    total: Mapping[str, int]
    counts: tuple[tuple[str, int], ...]


def list_runs(runs: Runs, language: Language) -> tuple[ListedRun, ...]:
    """The runs of a page in a reader's language."""
    return tuple(_listed(run, language) for run in runs.runs)


def _listed(run: RunEntry, language: Language) -> ListedRun:
    known = load_words()
    kind = f"runs.kind-{run.kind}"
    result = _result(run)
    columns = _COLUMNS.get(run.kind, _PULLED)
    return ListedRun(
        run=run,
        kind=known.say(kind, language) if known.has(kind) else run.kind,
        result=result,
        mark=_MARKS.get(result, "open"),
        lasted=None if run.seconds is None else lasted(run.seconds, language),
        up_to=None if run.transaction_time is None else instant(run.transaction_time, language),
        columns=columns,
        total=_total(run, columns),
        counts=tuple((known.say(f"runs.counted-{name}", language), number) for name, number in run.counts.items()),
    )


def _result(run: RunEntry) -> str:
    if run.state == "open":
        return "running"
    if run.state == "failed":
        return "failed" if run.told else "died"
    return "complete" if run.complete else "incomplete"


def _total(run: RunEntry, columns: Iterable[str]) -> dict[str, int]:
    return {name: sum(getattr(one, name) for one in run.types.values()) for name in columns}


def lasted(seconds: float, language: Language) -> str:
    """How long something took, as people say it.

    >>> lasted(4.25, "fr"), lasted(75, "en"), lasted(3720, "en")
    ('4,2 s', '1 min 15 s', '1 h 2 min')
    """
    if seconds < _MINUTE:
        return f"{words(language).number(f'{seconds:.1f}')} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
