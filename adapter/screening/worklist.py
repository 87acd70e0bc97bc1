"""In: saved verdicts and decisions. Out: worklist rows, what to do next first, and the words for that next step."""

from __future__ import annotations

from adapter.criteria import Stage, Trial
from adapter.screening.hospital_records import RECORD_DELETED, RecordState
from adapter.screening.listing_bins import Bin
from adapter.screening.listing_row import WorklistRow, place_of, unsigned
from adapter.screening.listing_rows import RowMaker
from adapter.screening.words import Words
from adapter.store import Store

__all__ = ["Bin", "WorklistRow", "next_step", "read_worklist", "standing", "unsigned"]

_READY = "ready-for-investigator"
_INFORMATION = "needs-information"


def read_worklist(store: Store, trial: Trial, stage: Stage, *, site: str | None = None) -> list[WorklistRow]:
    """The worklist of a trial: all candidates of the last screening, and whoever a person has decided on or added.

    Of whom a person has put a hand to nobody goes without a word: who is no candidate any more, or whose record the hospital
    has deleted, stands among those who are no longer eligible with what became of them.

    Made from nothing, whole; `adapter.screening.listing` keeps the same rows in the state, a page at a time.

    Returns:
        ordered by what to do next: by bin, in each the least work first; of those to look at later the first day first.
    """
    sites = store.listing.sites(trial.id, stage) if site is None else [site]
    found = []
    for name in sites:
        maker = RowMaker(store, trial, stage, site=name)
        found += [made.row for _, part in maker.make(maker.everybody()) for made in part]
    return sorted(found, key=place_of)


def next_step(row: WorklistRow, trial: Trial, words: Words) -> str:
    """What to do next about a row, in words."""
    if row.outcome_reason == RECORD_DELETED:
        return words.of("steps", RECORD_DELETED)
    if "proposal" in row.markers:
        return words.of("steps", "proposal")
    match row.bin:
        case Bin.TO_REVIEW | Bin.NEW if row.outcome == _READY:
            return words.of("steps", "ready", what=words.listing(row.to_attest or row.missing or row.at_visit, limit=6))
        case Bin.TO_REVIEW | Bin.WAITING if row.outcome == _INFORMATION:
            return _information_step(row, trial, words)
        case Bin.NOT_NOW:
            return _later_step(row, trial, words)
        case Bin.NOT_ELIGIBLE if row.state == "new":
            return words.of("steps", "not-eligible")
        case Bin.NOT_ELIGIBLE | Bin.DECLINED | Bin.ENROLLED:
            return words.of("steps", "nothing")
        case _:
            return words.of("steps", row.bin)


def standing(row: WorklistRow, trial: Trial, words: Words) -> str:
    """What stands out about a row: what fails, else what is missing, else what the visit will settle."""
    if row.outcome_reason:
        return words.of("outcome_reasons", row.outcome_reason)
    told = _standing(row, trial, words)
    return words.phrase("record-inactive", more=told) if row.record is RecordState.INACTIVE else told


def _standing(row: WorklistRow, trial: Trial, words: Words) -> str:
    if row.failed:
        return _labels(row.failed, trial, words)
    if row.outcome in (_READY, "eligible"):
        return words.phrase("all-data-in", count=len(row.to_attest or row.missing))
    text = _labels(_lacking(row), trial, words)
    behind = bool(row.to_attest) and _lacking(row) != row.to_attest
    return f"{text}; {words.phrase('and-to-attest', count=len(row.to_attest))}" if behind else text


def _lacking(row: WorklistRow) -> tuple[str, ...]:
    """The open criteria to name: those that lack data, else those that lack a word, else those of the visit."""
    return tuple(name for name in row.missing if name not in row.to_attest) or row.to_attest or row.at_visit


def _labels(names: tuple[str, ...], trial: Trial, words: Words) -> str:
    return words.listing((f"{name} {trial.criterion(name).label[words.lang]}" for name in names), limit=2)


def _information_step(row: WorklistRow, trial: Trial, words: Words) -> str:
    if not row.to_order:
        return words.of("steps", "information-ask", what=words.listing(_lacking(row), limit=6))
    return words.of("steps", "information-order", **_wanted(row, trial, words))


def _later_step(row: WorklistRow, trial: Trial, words: Words) -> str:
    if row.flips_on is not None:
        return words.of("steps", "not-now-flips", day=words.day(row.flips_on))
    if row.to_order:
        return words.of("steps", "not-now-order", **_wanted(row, trial, words))
    return words.of("steps", "not-now-mend")


def _wanted(row: WorklistRow, trial: Trial, words: Words) -> dict[str, str]:
    what = [trial.wanted_label(str(item["what"]), words.lang) for item in row.to_order]
    return {"what": words.listing(what, limit=3), "day": words.day(min(str(item["by"]) for item in row.to_order))}
