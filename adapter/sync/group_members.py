"""In: the Group of a hospital's server whose patients are exported, and the patients whom the store knows. Out: whether somebody may have joined.

An export of a Group from a time on brings what changed since; what was written before of those who joined since, a server may
leave out (Bulk Data 2.0, ``_since``).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

import msgspec

from adapter.client import NotFound, Refused
from adapter.client.found import Found
from adapter.fhir import normalise_reference
from adapter.sync.search_plan import PATIENT

__all__ = ["GroupReader", "may_have_joined"]

_GROUP: Final = "Group"


class GroupReader(Protocol):
    """What is needed of `adapter.client.SiteClient`."""

    def read(self, resource_type: str, resource_id: str) -> Found:
        """One resource by its id."""


class _Entity(msgspec.Struct):
    reference: str | None = None


class _Member(msgspec.Struct):
    entity: _Entity | None = None


class _Group(msgspec.Struct):
    member: list[_Member] = []


def may_have_joined(client: GroupReader, group: str, known: Collection[str]) -> bool | None:
    """Whether a member of a Group is not known yet; None where nobody can tell: it cannot be read, or lists nobody.

    Args:
        client: of the server.
        group: id of the Group.
        known: ids of the patients of whom nothing is missing but what changed since.

    Raises:
        RemoteError: the server does not answer.
    """
    try:
        read = msgspec.json.decode(client.read(_GROUP, group).raw, type=_Group)
    except (NotFound, Refused, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    references = [member.entity.reference for member in read.member if member.entity and member.entity.reference]
    named = {found for one in references if (found := normalise_reference(one)) is not None}
    patients = {one.partition("/")[2] for one in named if one.startswith(f"{PATIENT}/")}
    if not patients or len(references) < len(read.member):
        return None
    return not patients <= set(known)
