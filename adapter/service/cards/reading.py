"""In: the body of a call, or of feedback. Out: what it says, checked; or the sentence that says what is wrong with it, without content.

CDS Hooks 2.0, Calling a CDS Service, and Feedback. Resources stay the bytes that were sent: numbers keep their digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

__all__ = ["PATIENT_VIEW", "HookCall", "MalformedCall", "Outcome", "read_call", "read_feedback"]

PATIENT_VIEW: Final = "patient-view"
ORDER_SELECT: Final = "order-select"
# R4 datatypes.html#id; "." and ".." would be taken for path segments.
_ID = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9\-.]{1,64}\Z")
# RFC 9562 4, as text.
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
# RFC 6750 2.1: anything else could end the header that it is put into.
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]{1,8192}=*\Z")
_USER = re.compile(r"(?P<type>Practitioner|PractitionerRole|Patient|RelatedPerson)/(?P<id>.{1,64})\Z")
#: Whose own record it is, or who is near to them: a card about a trial is for those who treat them.
_NOT_TREATING: Final = frozenset({"Patient", "RelatedPerson"})
_MOST_FEEDBACK: Final = 100
_LONGEST_COMMENT: Final = 4000


class MalformedCall(ValueError):
    """The body is not what the hook asks for; the text holds nothing of it."""


class _Authorization(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: int
    scope: str
    subject: str


class _Context(msgspec.Struct):
    userId: str
    patientId: str
    encounterId: str | None = None
    selections: list[str] | None = None
    draftOrders: msgspec.Raw = msgspec.Raw()


class _Call(msgspec.Struct):
    hook: str
    hookInstance: str
    context: _Context
    fhirServer: str | None = None
    fhirAuthorization: _Authorization | None = None
    prefetch: dict[str, msgspec.Raw] | None = None


@dataclass(frozen=True, slots=True)
class HookCall:
    """What a client asks.

    Attributes:
        patient: ``Patient/id``; ``user`` is ``Practitioner/id`` or the like.
        fhir_server: as sent.
        token: for the FHIR server; never to be shown.
        prefetch: raw JSON by key; of one without data ``null``.
        selections: ids of the orders just chosen.
        drafts: raw Bundle of all orders not signed yet, empty for a hook without.
    """

    hook: str
    instance: str
    patient: str
    user: str
    fhir_server: str | None = None
    token: str | None = field(default=None, repr=False)
    prefetch: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    selections: tuple[str, ...] = ()
    drafts: bytes = field(default=b"", repr=False)

    @property
    def is_for_staff(self) -> bool:
        """Whether somebody looks who treats the patient."""
        return self.user.partition("/")[0] not in _NOT_TREATING


class _Coding(msgspec.Struct):
    code: str | None = None
    system: str | None = None


class _Reason(msgspec.Struct):
    reason: _Coding | None = None
    userComment: str | None = None


class _Accepted(msgspec.Struct):
    id: str


class _Told(msgspec.Struct):
    card: str
    outcome: str
    outcomeTimestamp: str
    acceptedSuggestions: list[_Accepted] | None = None
    overrideReason: _Reason | None = None


class _Feedback(msgspec.Struct):
    feedback: list[_Told]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a person did with one card.

    Attributes:
        card: its uuid, in lower case.
        is_override: it was put away; else one of its suggestions was taken.
        suggestions: uuids of those that were taken.
        reason: system and code of why it was put away.
        comment: as written; may hold patient content.
    """

    card: str
    is_override: bool
    at: datetime
    suggestions: tuple[str, ...] = ()
    reason: tuple[str | None, str | None] | None = None
    comment: str = field(default="", repr=False)


_read_call = msgspec.json.Decoder(_Call).decode
_read_feedback = msgspec.json.Decoder(_Feedback).decode


def read_call(body: bytes, *, hook: str) -> HookCall:
    """The call that a body holds.

    Args:
        body: as sent.
        hook: that the service is for.

    Raises:
        MalformedCall: it is none of this hook.
    """
    try:
        call = _read_call(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedCall("The body is not the JSON of a call: an element is missing or of another type.") from None
    if call.hook != hook:
        raise MalformedCall("The hook is not that of this service.")
    if not _UUID.match(call.hookInstance):
        raise MalformedCall("hookInstance is not a UUID.")
    context = call.context
    user = _USER.match(context.userId)
    if not _ID.match(context.patientId) or user is None or not _ID.match(user["id"]):
        raise MalformedCall("context.patientId is not an id, or context.userId not Practitioner/id or the like.")
    authorization = call.fhirAuthorization
    if authorization is not None:
        if call.fhirServer is None:
            raise MalformedCall("fhirAuthorization is of no use without fhirServer.")
        if authorization.token_type.lower() != "bearer" or not _TOKEN.match(authorization.access_token):
            raise MalformedCall("fhirAuthorization holds no bearer token.")
    drafts = bytes(context.draftOrders)
    if hook == ORDER_SELECT and (context.selections is None or not drafts):
        raise MalformedCall("context lacks selections or draftOrders.")
    return HookCall(
        hook=hook,
        instance=call.hookInstance.lower(),
        patient=f"Patient/{context.patientId}",
        user=context.userId,
        fhir_server=call.fhirServer,
        token=None if authorization is None else authorization.access_token,
        prefetch={name: bytes(raw) for name, raw in (call.prefetch or {}).items()},
        selections=tuple(context.selections or ()),
        drafts=drafts if hook == ORDER_SELECT else b"",
    )


def read_feedback(body: bytes) -> list[Outcome]:
    """What was done with cards.

    Raises:
        MalformedCall: it is no feedback.
    """
    try:
        told = _read_feedback(body).feedback
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedCall("The body is not the JSON of feedback.") from None
    if not 0 < len(told) <= _MOST_FEEDBACK:
        raise MalformedCall(f"feedback holds from 1 to {_MOST_FEEDBACK} entries.")
    return [_outcome(one) for one in told]


def _outcome(told: _Told) -> Outcome:
    if not _UUID.match(told.card):
        raise MalformedCall("feedback.card is not a UUID.")
    if told.outcome not in ("accepted", "overridden"):
        raise MalformedCall("feedback.outcome is neither accepted nor overridden.")
    suggestions = tuple(one.id.lower() for one in told.acceptedSuggestions or ())
    if told.outcome == "accepted" and not suggestions:
        raise MalformedCall("feedback.acceptedSuggestions is missing.")
    reason = told.overrideReason or _Reason()
    return Outcome(
        card=told.card.lower(),
        is_override=told.outcome == "overridden",
        at=_moment(told.outcomeTimestamp),
        suggestions=suggestions,
        reason=None if reason.reason is None else (reason.reason.system, reason.reason.code),
        comment=_text(reason.userComment or ""),
    )


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        # The specification says UTC, and some leave that out.
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedCall("feedback.outcomeTimestamp is not an ISO timestamp.") from None


def _text(comment: str) -> str:
    # PostgreSQL takes no NUL, and no database half of a surrogate pair.
    plain = comment.encode("utf-8", "replace").decode().replace("\0", "")
    return plain[:_LONGEST_COMMENT]
