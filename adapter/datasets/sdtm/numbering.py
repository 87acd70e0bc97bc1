"""In: rows with values that want a number of their own, and what keeps numbers. Out: the same number for the same thing, for good."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from adapter.datasets.sdtm.frame import Draft, Run
from adapter.datasets.sdtm.numbers import plain

__all__ = ["Sequences", "put_numbers"]


class Sequences(Protocol):
    """Keeps numbers: the same for the same key of a subject and domain, the next free one for a new key."""

    def number(self, domain: str, usubjid: str, key: str) -> int:
        """The number of a key, from 1."""


def put_numbers(run: Run, drafts: Iterable[Iterable[Draft]], sequences: Sequences) -> None:
    """Give what ``numbered`` asks for, in the order of ``after`` and then of the value, over all domains together."""
    wanted: dict[str, dict[tuple[str, str], str]] = {}
    for domain in drafts:
        for draft in domain:
            for name, value, after in draft.source.numbered:
                told = plain(value(draft.frame))
                if told is None:
                    continue
                order = str(after(draft.frame) or "9999") if after is not None else ""
                known = wanted.setdefault(name, {})
                key = (draft.usubjid, told)
                known[key] = min(known.get(key, order), order)
    for name in sorted(wanted):
        ordered = sorted(wanted[name].items(), key=lambda one: (one[0][0], one[1], one[0][1]))
        run.numbers[name] = {key: sequences.number(name, key[0], key[1]) for key, _ in ordered}
