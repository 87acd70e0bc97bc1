"""In: what is to be exported, and whose. Out: the kick-off of a bulk export, as a query or as a Parameters resource."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlencode

import msgspec

from adapter.errors import UsageError

__all__ = ["ExportRequest"]

_FORMAT: Final = "application/fhir+ndjson"
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")
# R4 datatypes.html#id; "." and ".." would be taken for path segments.
_ID: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")
_PARTIAL: Final = "allowPartialManifests"
_VALUES: Final = {"_since": "valueInstant", _PARTIAL: "valueBoolean"}


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported.

    Args:
        types: resource types; none for all that the server exports.
        level: whose: all of the server, all patients, or those of a Group.
        group: id of the Group, for that level.
        since: FHIR instant: what was changed after it.
        type_filters: searches, ``Observation?category=laboratory``.
        elements: ``id``, ``Patient.name``...: only these.
        organize_output_by: resource type by whose instances the files are sorted (STU3).
        partial_manifests: files may be told of before all are ready, in manifests of several pages (STU3).
        post: the parameters go in a body; else in the address.
    """

    types: tuple[str, ...] = ()
    level: Literal["system", "patient", "group"] = "patient"
    group: str | None = None
    since: str | None = None
    type_filters: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    organize_output_by: str | None = None
    partial_manifests: bool = False
    post: bool = False

    def __post_init__(self) -> None:
        """Refuse what no server can be asked.

        Raises:
            UsageError: a type or a Group's id is none as FHIR knows them, or the Group is missing.
        """
        if not all(map(_TYPE.fullmatch, self.types)):
            raise UsageError("resource types as FHIR knows them are wanted")
        if self.level == "group" and not (self.group and _ID.fullmatch(self.group)):
            raise UsageError("an export of a group needs the group's id")

    @property
    def path(self) -> str:
        """Of the operation, below the FHIR base URL."""
        levels = {"system": "$export", "patient": "Patient/$export", "group": f"Group/{self.group}/$export"}
        return levels[self.level]

    @property
    def has_lists(self) -> bool:
        """A list of several stands in it, which can be sent in two forms."""
        return len(self.types) > 1 or len(self.elements) > 1

    def query(self) -> str:
        """As the query of an address; lists by commas, as all servers that take a GET read them."""
        return urlencode(self._parameters(_comma_list), safe=",:/")

    def parameters(self, *, repeated: bool) -> bytes:
        """As a Parameters resource.

        Args:
            repeated: each value of a list is a parameter of its own (4.0 ballot), instead of one list by commas.
        """
        told = [
            {"name": name, _VALUES.get(name, "valueString"): value == "true" if name == _PARTIAL else value}
            for name, value in self._parameters(_each if repeated else _comma_list)
        ]
        return msgspec.json.encode({"resourceType": "Parameters", "parameter": told})

    def _parameters(self, listed: Callable[[Sequence[str]], Sequence[str]]) -> list[tuple[str, str]]:
        told = [("_outputFormat", _FORMAT)]
        told += [("_type", value) for value in listed(self.types)]
        told += [("_since", self.since)] if self.since else []
        # Repeated in every edition: a search may hold commas of its own.
        told += [("_typeFilter", value) for value in self.type_filters]
        told += [("_elements", value) for value in listed(self.elements)]
        told += [("organizeOutputBy", self.organize_output_by)] if self.organize_output_by else []
        told += [(_PARTIAL, "true")] if self.partial_manifests else []
        return told


def _comma_list(values: Sequence[str]) -> Sequence[str]:
    return [",".join(values)] if values else []


def _each(values: Sequence[str]) -> Sequence[str]:
    return values
