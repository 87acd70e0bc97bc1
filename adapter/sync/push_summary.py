"""In: what a push did. Out: its closing object, and the exit code."""

from __future__ import annotations

from typing import Any

import msgspec

from adapter.errors import worst_exit_code

__all__ = ["PushSummary", "SetAside", "TypeWrites"]

_IN_PART = 5


class TypeWrites(msgspec.Struct):
    """Writes of one resource type."""

    created: int = 0
    updated: int = 0
    deleted: int = 0


class SetAside(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entity that was not told to the server: its kind and key, why, and codes or paths that say more."""

    kind: str
    key: str
    reason: str
    detail: str = ""


class PushSummary(msgspec.Struct):
    """What a push did.

    Attributes:
        site: whose server.
        run: name of the run.
        fhir_version: of the server.
        complete: nothing is left to tell.
        types: writes by resource type.
        unchanged: entities that were looked at, and that the server had already.
        taken_back: entities that the hospital had changed, now ours too.
        held: entities with a reference that cannot be resolved yet.
        refused: entities that the server, or our own check, does not take.
        conflicts: entities that a person has to settle.
        pending: entities left for a later push.
        remote_exit_codes: how the other side failed.
    """

    site: str
    run: str
    fhir_version: str
    complete: bool = False
    types: dict[str, TypeWrites] = {}
    unchanged: int = 0
    taken_back: int = 0
    held: list[SetAside] = []
    refused: list[SetAside] = []
    conflicts: list[SetAside] = []
    pending: int = 0
    problem: str = ""
    remote_exit_codes: set[int] = set()

    @property
    def exit_code(self) -> int:
        """0 all told, 5 in part, 4 or 75 where the other side failed."""
        in_part = {_IN_PART} if self.held or self.refused or self.conflicts or self.pending else set()
        return worst_exit_code(self.remote_exit_codes | in_part)

    def count(self, type_: str, method: str) -> None:
        """One more write."""
        writes = self.types.setdefault(type_, TypeWrites())
        name = {"POST": "created", "PUT": "updated", "DELETE": "deleted"}[method]
        setattr(writes, name, getattr(writes, name) + 1)

    def as_object(self) -> dict[str, Any]:
        """The object that ``reluth push --json`` ends with."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        del found["remote_exit_codes"]
        return found
