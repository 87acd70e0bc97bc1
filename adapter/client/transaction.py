"""In: what is to be written. Out: the bytes of a transaction Bundle; and of its answer, what became of each entry.

R4 http.html#transaction. A resource's bytes are put in as they are: its decimals keep their digits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

from adapter.client.errors import Issue, issues_of
from adapter.client.found import head_of, version_of
from adapter.errors import UsageError

__all__ = ["EntryOutcome", "TransactionEntry", "parse_transaction_response", "transaction_bundle"]

_BOM = b"\xef\xbb\xbf"
_TYPE = r"[A-Z][A-Za-z]{1,63}"
_ID = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9\-.]{1,64}"
# What a method may be sent to: a type, one resource of it, or the one that a search finds (R4 http.html#cond-update). A
# conditional delete is not offered: where servers allow it, it may take several.
_TARGETS = {
    "POST": re.compile(_TYPE),
    "PUT": re.compile(rf"{_TYPE}(?:/{_ID}|\?.+)"),
    "DELETE": re.compile(rf"{_TYPE}/{_ID}"),
}
_LOCATION = re.compile(rf"(?:^|/)(?P<type>{_TYPE})/(?P<id>{_ID})(?:/_history/(?P<version>[A-Za-z0-9\-.]{{1,64}}))?/?$")
# R4 bundle.html: "starting with the 3 digit HTTP code and may contain the standard HTTP description".
_STATUS = re.compile(r"\s*([1-5]\d\d)(?:\s.*)?", re.DOTALL)
_DONE = range(200, 300)


@dataclass(frozen=True, slots=True)
class TransactionEntry:
    """One write of a transaction.

    Args:
        method: ``POST``, ``PUT`` or ``DELETE``.
        url: relative to the base: ``Type`` for POST, ``Type/id`` or ``Type?search`` for PUT, ``Type/id`` for DELETE.
        resource: its bytes; None for DELETE.
        full_url: ``urn:uuid:...`` by which other entries refer to it.
        if_none_exist: with POST: the search (`identifier_query`) that finds what already exists.
        if_match: with PUT and DELETE: the ETag of the version that may be replaced, e.g. ``W/"3"``.

    Raises:
        UsageError: what no server could take, or would take for something else.
    """

    method: str
    # Resources and searches hold patient content: kept out of repr, and so out of logs and tracebacks.
    url: str = field(repr=False)
    resource: bytes | None = field(default=None, repr=False)
    full_url: str | None = None
    if_none_exist: str | None = field(default=None, repr=False)
    if_match: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would be written wrong."""
        target = _TARGETS.get(self.method)
        if target is None:
            raise UsageError("an entry's method is POST, PUT or DELETE")
        if not target.fullmatch(self.url):
            raise UsageError(f"the url of a {self.method} entry is not what that method may be sent to")
        if self.method == "DELETE" and self.resource is not None:
            raise UsageError("a DELETE entry holds no resource")
        if self.method != "DELETE":
            head = head_of(self.resource or b"")
            if head is None or head.resource_type != self.resource_type:
                raise UsageError(f"a {self.method} entry holds a resource of the type in its url")
            # R4 http.html#update forbids another id; HAPI 8.8.0 takes it in a transaction.
            if "/" in self.url and self.url != f"{head.resource_type}/{head.id}" and "?" not in self.url:
                raise UsageError("a PUT entry holds a resource with the id in its url")
        # An empty search, or one behind a question mark, is ignored by servers: the resource would exist twice.
        if self.if_none_exist is not None and (self.method != "POST" or not re.match(r"[^?=&]+=.", self.if_none_exist)):
            raise UsageError("if_none_exist is a search without its question mark, and goes with POST")
        if self.if_match is not None and (self.method == "POST" or version_of(self.if_match) is None):
            raise UsageError("if_match is an ETag, and goes with PUT and DELETE")

    @property
    def resource_type(self) -> str:
        """Type of what is written."""
        return self.url.partition("/")[0].partition("?")[0]


@dataclass(frozen=True, slots=True)
class EntryOutcome:
    """What became of one entry of a transaction.

    Args:
        status: HTTP status: 201 created, 200 updated or (conditional create) already there, 4xx and 5xx not done.
        location: ``Type/id``, None when the server does not tell it.
        version: of the resource now, from the location or else the ETag.
        etag: for If-Match: as sent, or made of the version where it was sent bare (HAPI 8.8.0) or not at all.
        last_modified: FHIR instant, as sent.
        issues: of the entry's OperationOutcome, if it held one.
    """

    status: int
    location: str | None = None
    version: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    issues: tuple[Issue, ...] = ()

    @property
    def is_done(self) -> bool:
        """The entry was carried out, or there was nothing to do."""
        return self.status in _DONE


class _Request(msgspec.Struct, omit_defaults=True):
    method: str
    url: str
    ifNoneExist: str | None = None
    ifMatch: str | None = None


class _Entry(msgspec.Struct, omit_defaults=True, kw_only=True):
    fullUrl: str | None = None
    resource: msgspec.Raw | None = None
    request: _Request


class _Transaction(msgspec.Struct, kw_only=True):
    resourceType: str = "Bundle"
    type: str = "transaction"
    entry: list[_Entry]


def transaction_bundle(entries: Sequence[TransactionEntry]) -> bytes:
    """The transaction Bundle of the entries, in their order.

    >>> transaction_bundle([TransactionEntry("DELETE", "Basic/1")])
    b'{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Basic/1"}}]}'
    """
    bundle = _Transaction(
        entry=[
            _Entry(
                request=_Request(entry.method, entry.url, entry.if_none_exist, entry.if_match),
                fullUrl=entry.full_url,
                resource=None if entry.resource is None else msgspec.Raw(entry.resource),
            )
            for entry in entries
        ]
    )
    return msgspec.json.encode(bundle)


class _Told(msgspec.Struct):
    status: object = None
    location: object = None
    etag: object = None
    lastModified: object = None
    outcome: msgspec.Raw = msgspec.Raw()


class _Answered(msgspec.Struct):
    response: _Told


class _Response(msgspec.Struct):
    resourceType: object = None
    type: object = None
    entry: list[_Answered] = []


def parse_transaction_response(body: bytes, *, sent: Sequence[TransactionEntry]) -> list[EntryOutcome]:
    """Read the answer to a transaction: one outcome for each entry sent, in their order.

    Args:
        body: of the answer.
        sent: the entries of the transaction.

    Raises:
        ValueError: not JSON, no transaction-response, or one that does not answer these entries. The text says what.
    """
    try:
        response = msgspec.json.decode(body.removeprefix(_BOM), type=_Response)
    except msgspec.ValidationError:
        raise ValueError("answered with no transaction-response Bundle") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("answered with what is not whole JSON") from None
    if response.resourceType != "Bundle" or response.type != "transaction-response":
        raise ValueError("answered with no transaction-response Bundle")
    if len(response.entry) != len(sent):
        raise ValueError(f"answered {len(response.entry)} entries to {len(sent)}")
    return [_outcome(answered.response, entry) for answered, entry in zip(response.entry, sent, strict=True)]


def _outcome(told: _Told, entry: TransactionEntry) -> EntryOutcome:
    # A string by the specification; a number can mean nothing else.
    status = _STATUS.fullmatch(str(told.status))
    if status is None:
        raise ValueError("answered an entry without its status")
    location = _located(told.location)
    if location is not None and not _answers(location, entry):
        # R4 http.html#trules: in the order of the request. In another, nobody knows which is whose.
        raise ValueError("answered entries in another order")
    etag = told.etag if isinstance(told.etag, str) else None
    version = (location["version"] if location else None) or version_of(etag)
    if version is not None and not (etag or "").endswith('"'):
        etag = f'W/"{version}"'
    return EntryOutcome(
        status=int(status[1]),
        location=None if location is None else f"{location['type']}/{location['id']}",
        version=version,
        etag=etag,
        last_modified=told.lastModified if isinstance(told.lastModified, str) else None,
        issues=issues_of(bytes(told.outcome)),
    )


def _answers(location: re.Match[str], entry: TransactionEntry) -> bool:
    """It can be where this entry was carried out: an update is told of the resource that it was sent to."""
    if "/" in entry.url and "?" not in entry.url:
        return f"{location['type']}/{location['id']}" == entry.url
    return location["type"] == entry.resource_type


def _located(location: object) -> re.Match[str] | None:
    """Type, id and version in a location: absolute or relative, with its version or without."""
    if not isinstance(location, str):
        return None
    try:
        return _LOCATION.search(urlsplit(location).path)
    except ValueError:
        return None
