"""In: summaries of what came, the addresses of the site's server. Out: the same, where what they name is this site's; else why not.

``Patient/12`` of another server is another person than ours (R4 references.html#literal). A relative reference is of the server
that the resource came from; an absolute one where its base is one of the site's own.

A folder has no address. There the base under which a feed names its people is taken for the site's own where it is the only
way in which it does; where it names some of them otherwise, nobody knows which of these is the site's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

import msgspec

from adapter.fhir import RESOURCE_TYPES, ResourceProblem, Summary
from adapter.fhir.bases import plain_base

__all__ = ["Addresses", "shown_base"]

_ELSEWHERE = (
    "what it is about is named under another address ({}) than the site's: if that is the site's own server, too, name it in "
    "own_addresses of the site and pull --full"
)
_UNLINKED = (
    "{} links of Patients to the same person's record under another address ({}) than the site's are not followed: if that is the "
    "site's own server, too, name it in own_addresses of the site and pull --full"
)
_MERGING = ("replaced-by ", "replaces ")
#: What of an address may be shown: a path may be anything.
_SHOWN = re.compile(r"[A-Za-z0-9.:\-]+(?:/[A-Za-z0-9._~\-]+)*")
_HIDDEN = "one that is not shown"


class Addresses:
    """What is the site's own, for one reading of a source.

    Args:
        own: base URLs of the site's server; None where nothing is known of it, and a feed tells.
    """

    def __init__(self, own: Collection[str] | None) -> None:
        self._own = None if own is None else frozenset(map(plain_base, own))
        #: Ways in which people are named, None for a relative reference; and all bases that were believed.
        self._named: set[str | None] = set()
        self._believed: set[str] = set()
        self._unlinked: Counter[str] = Counter()

    def settled(self, summary: Summary) -> Summary:
        """The summary, without links that lead elsewhere.

        Raises:
            ResourceProblem: its person, or a Medication or study that it hangs on, is named under another address.
        """
        bases = self._bases(summary)
        if self._own is None:
            if summary.type != "Patient" and summary.patient is not None:
                self._named.add(summary.person_base)
            self._believed.update(bases)
            self._believed.update(base for base in summary.link_bases if base)
            return summary
        foreign = self.foreign(summary)
        if foreign:
            raise ResourceProblem(_ELSEWHERE.format(shown_base(foreign[0])), summary.reference)
        return self._linked(summary) if summary.link_bases else summary

    def foreign(self, summary: Summary) -> list[str]:
        """Bases that are not the site's, under which a resource's person stands, or what it hangs on; none where no address is known."""
        return [] if self._own is None else [base for base in self._bases(summary) if base not in self._own]

    def found(self) -> frozenset[str]:
        """What a feed of which nothing was known says that the site's own addresses are; empty where it contradicts itself."""
        named = self._named or self._believed
        return frozenset(base for base in named if base is not None) if len(named) == 1 else frozenset()

    @property
    def is_contradicted(self) -> bool:
        """A base was believed that is not the site's: all has to be read once more."""
        return self._own is None and not self._believed <= self.found()

    def notices(self) -> list[str]:
        """Links that were not followed, a sentence for each address."""
        return [_UNLINKED.format(count, shown_base(base)) for base, count in sorted(self._unlinked.items())]

    @staticmethod
    def _bases(summary: Summary) -> tuple[str, ...]:
        return summary.shared_bases if summary.person_base is None else (summary.person_base, *summary.shared_bases)

    def _linked(self, summary: Summary) -> Summary:
        own = self._own or frozenset()
        pairs = list(zip(summary.links, summary.link_bases, strict=True))
        # Who a link to an older server's record speaks of is known all the same: the Patient is not put aside for it.
        self._unlinked.update(base for link, base in pairs if base and base not in own and link.startswith(_MERGING))
        return msgspec.structs.replace(summary, links=[link for link, base in pairs if not base or base in own])


def shown_base(base: str) -> str:
    """A base as it may stand in a message: one that may hold more than an address is not shown."""
    is_plain = _SHOWN.fullmatch(base) is not None and RESOURCE_TYPES.isdisjoint(base.split("/"))
    return base if is_plain else _HIDDEN
