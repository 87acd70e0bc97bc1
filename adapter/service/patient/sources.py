"""In: a patient's file and a resource that it cites. Out: the token that stands for it in an address; the resource as stored, and where it came from."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from adapter.service.desk import Desk
from adapter.service.patient.file import Opened
from adapter.service.shapes import Evidence
from adapter.store.own import is_own
from adapter.store.stored_versions import StoredVersion, stored_versions

__all__ = ["Source", "cited", "find_source", "source_token"]

_DIGITS = 16
_INDENT = 2


@dataclass(frozen=True, slots=True)
class Source:
    """One version of a resource as it is stored.

    Attributes:
        reference: ``ResourceType/id``.
        text: its JSON on lines of their own, every number with its digits as sent.
        version: the version that is shown, with the run that brought it.
        address: where the hospital's server has it; None where that is not known, or it was made here.
        superseded: the lake holds a later version.
    """

    reference: str
    text: str
    version: StoredVersion
    address: str | None
    superseded: bool


def source_token(key: str, reference: str, version: str | None) -> str:
    """What stands for a version of a resource in an address: no id of the hospital, and nothing that could be turned into one."""
    told = "\n".join((key, reference, version or ""))
    return hashlib.sha256(told.encode()).hexdigest()[:_DIGITS]


def cited(opened: Opened) -> Iterator[tuple[str, str | None]]:
    """Reference and version of everything that a patient's page may show: the verdict's evidence, and the record's resources."""
    for criterion in opened.verdict.criteria:
        found: list[Evidence] = [*criterion.evidence, *(item for part in criterion.parts for item in part.evidence)]
        yield from ((item.reference, item.version) for item in found)
    if opened.record is not None:
        for resources in opened.record.resources.values():
            yield from ((resource.reference, resource.meta.version_id) for resource in resources)
    yield from ((event.reference, None) for event in opened.file.attestations if event.reference is not None)


def find_source(desk: Desk, opened: Opened, token: str) -> Source | None:
    """The resource that a token stands for; None for a token that is not of this patient's page."""
    key = opened.file.key
    for reference, version in cited(opened):
        if hmac.compare_digest(source_token(key, reference, version), token):
            return _source(desk, opened.site, reference, version)
    return None


def _source(desk: Desk, site: str, reference: str, version: str | None) -> Source | None:
    # What lies within a resource is stored with it.
    reference = reference.partition("#")[0]
    type_, _, id_ = reference.partition("/")
    kept = stored_versions(desk.store.lake, site, type_, id_)
    # The one cited, if it is there; a server without versions sends all as none.
    fitting = [one for one in kept if version is None or one.version == version] or kept
    if not fitting:
        return None
    told = desk.settings.sites.get(site)
    base = None if told is None else told.base_url
    return Source(
        reference=reference,
        text=_lines(fitting[-1].raw),
        version=fitting[-1],
        address=None if base is None or is_own(id_) else f"{base}/{reference}",
        superseded=fitting[-1] is not kept[-1],
    )


def _lines(raw: bytes) -> str:
    try:
        # Only the space between the values is changed: 1.10 stays 1.10.
        return msgspec.json.format(raw, indent=_INDENT).decode("utf-8", "replace")
    except msgspec.DecodeError:
        return raw.decode("utf-8", "replace")
