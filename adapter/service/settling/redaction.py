"""In: what waits for a person at a site; a reader who may not know who its patients are. Out: the same without what would tell.

Of a conflict's fields the values of those stay that a result or an infusion is made of. All others are withheld, known or not:
a hospital may write a name, a number or a sentence about the patient anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from adapter.service.redaction import without_ids
from adapter.service.settling.unsettled import FieldDifference, OpenConflict, OpenProposal, Unsettled, WaitingEntry

__all__ = ["WITHHELD", "redacted_unsettled"]

#: In the place of a value, as JSON text.
WITHHELD: Final = '"[…]"'
_SHOWN: Final = (
    r"status|effective\w+|issued|occurrence\w+|period|valueQuantity|valueInteger|valueBoolean|valueDateTime|dataAbsentReason|"
    r"code|category|interpretation|referenceRange|dosage|medication\w*|phase|studyStatus|progress"
)
_KNOWN: Final = re.compile(rf"[A-Za-z]+\.(?:{_SHOWN})(?:[.\[].*)?")
#: Within these, free text and references.
_NEVER: Final = re.compile(r"\.(?:text|display|reference|identifier|extension|note|comment)\b")


def redacted_unsettled(
    found: Unsettled, *, knows: Callable[[str], bool], number: Callable[[OpenProposal], str]
) -> Unsettled:
    """What waits, for a reader who may know at some sites only who it is about.

    Args:
        found: what the reader may see.
        knows: whether they may know at a site.
        number: the screening number of a proposal's patient.
    """
    return Unsettled(
        conflicts=[one if knows(one.site) else _conflict(one) for one in found.conflicts],
        waiting=[one if knows(one.site) else _waiting(one) for one in found.waiting],
        proposals=[
            one if knows(one.site) else one.model_copy(update={"patient": number(one)}) for one in found.proposals
        ],
    )


def _conflict(one: OpenConflict) -> OpenConflict:
    fields = [_field(field) for field in one.fields]
    return one.model_copy(
        update={"references": sorted({without_ids(text) for text in one.references}), "fields": fields}
    )


def _waiting(one: WaitingEntry) -> WaitingEntry:
    return one.model_copy(update={"detail": without_ids(one.detail)})


def _field(one: FieldDifference) -> FieldDifference:
    if _KNOWN.fullmatch(one.path) and not _NEVER.search(one.path):
        return one.model_copy(update={"ours": _value(one.ours), "hospital": _value(one.hospital)})
    return one.model_copy(update={"ours": _withheld(one.ours), "hospital": _withheld(one.hospital)})


def _value(text: str | None) -> str | None:
    # A whole element may stand on one side only, with all that is in it.
    return WITHHELD if text is not None and text[:1] in ("{", "[") else text


def _withheld(text: str | None) -> str | None:
    return None if text is None else WITHHELD
