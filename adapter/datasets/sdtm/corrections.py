"""In: the drafts of a domain. Out: those that no correction replaces; the others are told, and so are those that one may replace.

A laboratory may send a correction under a new id, and leave the wrong result as it was (clinical-spec.md section 9). The correction
wins (clarifications.md 10), also where it says that there is no result. Of one day only, the two may be of two samples: both stay.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from adapter.datasets.sdtm.frame import Draft
from adapter.datasets.sdtm.notes import Notes
from adapter.datasets.sdtm.numbers import plain

__all__ = ["without_replaced"]

_DAY: Final = len("2024-05-20")


def without_replaced(domain: str, drafts: list[Draft], notes: Notes) -> list[Draft]:
    """The drafts that stay; those that correct another are marked as doing so."""
    asked = [(draft, *told) for draft in drafts if (told := _question(draft)) is not None]
    for draft, _, _ in asked:
        draft.corrects = draft.source.corrected.when(draft.frame)
    corrected = {question for draft, question, _ in asked if draft.corrects}
    if not corrected:
        return drafts
    replaced = set()
    for draft, question, when in asked:
        if draft.corrects or question not in corrected:
            continue
        if len(when) > _DAY:
            replaced.add(id(draft))
            notes.record("result-replaced", draft.place(domain))
        else:
            notes.record("result-perhaps-replaced", draft.place(domain))
    return [draft for draft in drafts if id(draft) not in replaced]


def _question(draft: Draft) -> tuple[Hashable, str] | None:
    """What a result answers, of whom and when, and that time; None where no document asks, or the day is not told."""
    corrected = draft.source.corrected
    when = plain(corrected.at(draft.frame)) if corrected is not None else None
    if when is None or len(when) < _DAY:
        return None
    answers: Sequence[str | None] = [plain(one(draft.frame)) for one in corrected.by]
    return (draft.usubjid, when, *answers), when
