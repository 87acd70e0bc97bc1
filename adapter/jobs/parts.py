"""In: one part of a cycle (pull, screen or push of a site). Out: what became of it, whatever happened; events in the log.

A part never raises: an error of the other side, of a document or of ours is its exit code, and the next part goes on.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from adapter.errors import ReluthError
from adapter.jobs.stopping import stop_if_asked
from adapter.observe import logger

__all__ = ["Kind", "Outcome", "Part", "run_part", "skipped"]

Kind = Literal["pull", "screen", "push"]

_DEFECT = 1
_LISTED = 20
_PLAIN = ("evaluated", "candidates", "waiting", "unchanged", "taken_back", "pending")
_LISTS = ("missing", "held", "refused", "conflicts", "unreadable", "failed")
_COUNTS = ("read", "new", "changed", "deleted", "quarantined", "created", "updated")


class Outcome(Protocol):
    """What a part did: `PullSummary`, `PushSummary`, `ScreenSummary`."""

    @property
    def exit_code(self) -> int:
        """Of the contract."""

    def as_object(self) -> dict[str, Any]:
        """The closing object of its command."""


@dataclass(frozen=True, slots=True)
class Part:
    """What became of one part.

    Attributes:
        site: whose.
        kind: pull, screen or push.
        exit_code: of the contract.
        seconds: how long it took.
        summary: its closing object; None where it was skipped or ended by an error.
        problem: the error, as a sentence without patient content.
        skipped: why nothing was done.
    """

    site: str
    kind: Kind
    exit_code: int = 0
    seconds: float = 0.0
    summary: Mapping[str, Any] | None = None
    problem: str | None = None
    skipped: str | None = None

    def as_object(self) -> dict[str, Any]:
        """One line of ``reluth sync --json``."""
        found: dict[str, Any] = {
            "site": self.site,
            "part": self.kind,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
        }
        more = {"skipped": self.skipped, "problem": self.problem, "summary": self.summary}
        return found | {key: value for key, value in more.items() if value is not None}

    def counts(self) -> dict[str, int]:
        """Sums over all types, for a line of the log; only what is not 0."""
        types = (self.summary or {}).get("types") or {}
        sums = {name: sum(int(counts.get(name, 0)) for counts in types.values()) for name in _COUNTS}
        rest = self.summary or {}
        plain = {key: value for key in _PLAIN if (value := rest.get(key))}
        plain |= {key: len(found) for key in _LISTS if (found := rest.get(key))}
        return {name: number for name, number in (sums | plain).items() if number}


def skipped(site: str, kind: Kind, reason: str, *, exit_code: int = 0) -> Part:
    """A part that was left out, and why."""
    logger("jobs").info("run skipped", site=site, kind=kind, reason=reason)
    return Part(site, kind, exit_code=exit_code, skipped=reason)


def run_part(
    site: str, kind: Kind, work: Callable[[str], Outcome | None], *, clock: Callable[[], float] = time.monotonic
) -> Part:
    """Do one part.

    Args:
        site: whose.
        kind: which.
        work: does it; None where there was nothing to do.
        clock: seconds.

    Returns:
        what became of it; only a signal to end goes through.
    """
    stop_if_asked()
    log = logger("jobs").bind(site=site, kind=kind)
    log.info("run begun")
    begun = clock()
    try:
        outcome = work(site)
    except ReluthError as error:
        part = Part(site, kind, exit_code=error.exit_code, seconds=clock() - begun, problem=str(error))
    except Exception as error:
        # A defect costs its part only, and its text must not get out.
        log.exception("defect", place=_place(error))
        problem = f"a defect of ours ({type(error).__name__})"
        part = Part(site, kind, exit_code=_DEFECT, seconds=clock() - begun, problem=problem)
    else:
        if outcome is None:
            return skipped(site, kind, "nothing to do")
        part = Part(site, kind, outcome.exit_code, clock() - begun, summary=outcome.as_object())
    told: dict[str, Any] = {"exit_code": part.exit_code, "seconds": round(part.seconds, 3), **part.counts()}
    run = (part.summary or {}).get("run")
    if run:
        told["run"] = run
    # A push that stopped on the way says why in its summary.
    why = part.problem or (part.summary or {}).get("problem")
    if why:
        told["problem"] = why
    _name(part, log)
    (log.info if part.exit_code == 0 else log.warning)("run ended", **told)
    return part


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"


def _name(part: Part, log: Any) -> None:
    """What a pull could not have, or put aside: by type, place and reason, which hold nothing of a patient."""
    summary = part.summary or {}
    for missing in summary.get("missing", ())[:_LISTED]:
        log.warning("missing", **missing)
    for item in summary.get("quarantine", ())[:_LISTED]:
        log.warning("put aside", **item)
