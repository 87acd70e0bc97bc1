"""In: a site and what pulls, screens and pushes. Out: one cycle of it, part by part, and the exit code of them all.

The parts are callables, so that this room knows the order of a cycle and nothing of how each is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapter.errors import worst_exit_code
from adapter.jobs.parts import Outcome, Part, run_part, skipped
from adapter.sync.quiet_hours import quiet_until

__all__ = ["Steps", "cycle_exit_code", "run_cycle"]

_LATER = 75


@dataclass(frozen=True, slots=True)
class Steps:
    """How the parts of a site's cycle are done; each is given the site's name.

    Attributes:
        pull: the hospital's changes into the store; None where the site has no server (a folder feeds it).
        screen: verdicts of what is stored; None where nothing is.
        push: the outbox to the hospital; None where there is nothing to tell it.
    """

    pull: Callable[[str], Outcome | None]
    screen: Callable[[str], Outcome | None]
    push: Callable[[str], Outcome | None]


def run_cycle(
    site: str,
    steps: Steps,
    *,
    quiet_hours: Sequence[str] = (),
    now: Callable[[], datetime],
    tell: Callable[[Part], None] = lambda part: None,
) -> list[Part]:
    """Pull, screen and push one site.

    A pull that failed does not stop the screening: what is stored is evaluated as of today. A server that did not answer
    to the pull is not asked again by a push. In the hospital's quiet hours it is asked for nothing.

    Args:
        site: whose.
        steps: how.
        quiet_hours: spans of a day in which the hospital's server is left alone.
        now: aware time.
        tell: is given each part as it ends.

    Returns:
        the parts in their order.
    """
    parts: list[Part] = []

    def add(part: Part) -> None:
        parts.append(part)
        tell(part)

    quiet = _quiet(quiet_hours, now())
    add(skipped(site, "pull", quiet, exit_code=_LATER) if quiet else run_part(site, "pull", steps.pull))
    silent = not quiet and parts[0].exit_code == _LATER
    add(run_part(site, "screen", steps.screen))
    # The pull may have run into the quiet hours.
    quiet = quiet or _quiet(quiet_hours, now())
    if quiet:
        add(skipped(site, "push", quiet))
    elif silent:
        add(skipped(site, "push", "the server did not answer to the pull"))
    else:
        add(run_part(site, "push", steps.push))
    return parts


def cycle_exit_code(parts: Iterable[Part]) -> int:
    """The worst of the parts, by the precedence of the contract."""
    return worst_exit_code({part.exit_code for part in parts})


def _quiet(spans: Sequence[str], at: datetime) -> str | None:
    until = quiet_until(spans, at)
    return None if until is None else f"quiet hours until {until.isoformat(timespec='minutes')}"
