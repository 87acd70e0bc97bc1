"""In: what a hospital's FHIR server posts to /notify. Out: that something of a site changed, of which types; never what it said.

R4 rest-hook (empty, or a resource), and the Bundles of R5 and of the Subscriptions R5 Backport IG (handshake, heartbeat,
event-notification). A body is read to its bound for the types it names, and forgotten: who forges one causes a re-read
at the hospital's own server, no more. Who does not show the secret learns nothing, not even which sites there are.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Path, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from adapter.client.hook import notification_hook
from adapter.config import Settings
from adapter.fhir import RESOURCE_TYPES
from adapter.observe import logger
from adapter.service.api import problem, problems_of
from adapter.service.bodies import bounded_body

__all__ = ["MOST_BYTES", "NOTIFY_PREFIX", "Mark", "notification_router", "notified_types"]

#: What the guard has to let pass without a session and whatever the Host: the secret is the door.
NOTIFY_PREFIX: Final = "/notify/"
#: A notification is ids at most; whole resources are not asked for, and one is smaller than this.
MOST_BYTES: Final = 2**20
_READ_SECONDS: Final = 20.0
# HAPI 8.8.0 posts the notification of a topic as a transaction: what no Bundle answers it sends again, 18 times in 45 s.
_ANSWER: Final = b'{"resourceType":"Bundle","type":"transaction-response"}'
_SILENT: Final = frozenset({"handshake", "heartbeat", "query-status"})
_STATUS: Final = frozenset({"SubscriptionStatus", "Parameters"})

#: Takes the site and the types that changed there, None where they are not known; returns at once.
Mark = Callable[[str, frozenset[str] | None], None]

Site = Annotated[str, Path(description="Site of the settings.")]
Rest = Annotated[str, Path(description="Resource type, perhaps with an id after it.")]


class _Reference(msgspec.Struct):
    reference: object = None


class _Part(msgspec.Struct):
    name: object = None
    valueCode: object = None
    valueReference: _Reference | None = None
    part: list[_Part] = []


class _Event(msgspec.Struct):
    focus: _Reference | None = None


class _Request(msgspec.Struct):
    url: object = None


class _Body(msgspec.Struct):
    """What may tell of types: of a resource, a Bundle, a SubscriptionStatus or (backport, R4) a Parameters."""

    resourceType: object = None
    type: object = None
    entry: list[_Entry] = []
    notificationEvent: list[_Event] = []
    parameter: list[_Part] = []

    @property
    def name(self) -> str:
        """The resource type, ``""`` where none is stated."""
        return self.resourceType if isinstance(self.resourceType, str) else ""


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()
    request: _Request | None = None


_decode = msgspec.json.Decoder(_Body).decode


def notification_router(settings: Settings, mark: Mark) -> APIRouter:
    """The routes under `/notify`, for the sites whose settings have ``notifications``.

    Args:
        settings: of the service.
        mark: is told of each notification; it must not wait.

    Raises:
        ConfigurationError: a secret that is empty or short, or that would be sent in the clear.
    """
    hooks = {
        name: notification_hook(name, endpoint=str(told.endpoint), secret=told.secret.get_secret_value())
        for name, site in settings.sites.items()
        if (told := site.notifications) is not None
    }
    secrets = {name: _digest(hook.secret) for name, hook in hooks.items()}
    router = APIRouter(prefix=NOTIFY_PREFIX.rstrip("/"), tags=["notifications"])

    async def take(request: Request, site: str, rest: str = "") -> Response:
        refused = _refusal(request, site, secrets)
        if refused is not None:
            return refused
        try:
            async with asyncio.timeout(_READ_SECONDS):
                body = await bounded_body(request, MOST_BYTES)
        except TimeoutError:
            return problem(408, "The body did not come in time.")
        except ClientDisconnect:
            # It has told what it had to tell: that something changed.
            body = b""
        if body is None:
            return problem(413)
        types = notified_types(rest, body)
        if types is None or types:
            mark(site, types)
            told = None if types is None else sorted(types)
            logger("notifications").info("notified", site=site, types=told)
        return _taken(body)

    # Two routes a path: one with both methods would have one operation id in the OpenAPI document.
    answers = {**problems_of(401, 404, 413)}
    for method in ("POST", "PUT"):
        name = f"notify_{method.lower()}"

        @router.api_route(
            "/{site}",
            methods=[method],
            summary="Tell that something of a site changed",
            operation_id=name,
            responses=answers,
            response_class=Response,
        )
        async def notify(request: Request, site: Site) -> Response:
            """A FHIR Subscription's notification: `Authorization: Bearer` and the site's secret; its body is not believed."""
            return await take(request, site)

        @router.api_route(
            "/{site}/{rest:path}",
            methods=[method],
            summary="Tell that something of a type changed",
            operation_id=f"{name}_type",
            responses=answers,
            response_class=Response,
        )
        async def notify_type(request: Request, site: Site, rest: Rest) -> Response:
            """The same with the type, or (HAPI) type and id, in the path."""
            return await take(request, site, rest)

    return router


def notified_types(path: str, body: bytes) -> frozenset[str] | None:
    """The resource types that a notification is about.

    Args:
        path: what stands after the site: ``""``, ``Observation`` or ``Observation/9``.
        body: as sent.

    Returns:
        None where it says of none; the empty set where it says that nothing changed (handshake, heartbeat).

    >>> notified_types("Observation/9", b"")
    frozenset({'Observation'})
    >>> notified_types("", b'{"resourceType":"Patient","id":"1"}')
    frozenset({'Patient'})
    >>> notified_types("", b"anything") is None
    True
    """
    in_path = path.partition("/")[0]
    found = {in_path} & RESOURCE_TYPES
    told = _read(body)
    if told is not None and (told.name == "Bundle" or told.name in _STATUS):
        if _kind(told) in _SILENT:
            return frozenset()
        found |= {type_ for type_ in _of_bundle(told) if type_ in RESOURCE_TYPES}
    elif told is not None:
        found |= {told.name} & RESOURCE_TYPES
    return frozenset(found) or None


def _refusal(request: Request, site: str, secrets: Mapping[str, bytes]) -> Response | None:
    given = request.headers.getlist("authorization")
    scheme, _, shown = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    offered = _digest(shown.strip())
    # All are compared, whichever holds: the time tells neither the secret nor whose it is.
    holding = [name for name, secret in secrets.items() if hmac.compare_digest(secret, offered)]
    if scheme.lower() != "bearer" or not holding:
        return _unauthorised()
    if site not in secrets:
        return problem(404)
    return None if site in holding else _unauthorised()


def _taken(body: bytes) -> Response:
    found = _read(body)
    if found is None or found.name != "Bundle":
        return Response(status_code=200)
    return Response(_ANSWER, media_type="application/fhir+json")


def _unauthorised() -> Response:
    answer = problem(401, "Show the site's secret as Authorization: Bearer.")
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _read(body: bytes) -> _Body | None:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Empty, XML, form-encoded, cut off: that something was sent is enough.
        return None


def _kind(bundle: _Body) -> str:
    """What kind of notification it is, ``""`` where it does not say."""
    told = _first(bundle)
    if told is None or told.name not in _STATUS:
        return ""
    if told.name == "SubscriptionStatus":
        return told.type if isinstance(told.type, str) else ""
    # Backport, R4: Parameters in the place of SubscriptionStatus.
    codes = [one.valueCode for one in told.parameter if one.name == "type"]
    return codes[0] if codes and isinstance(codes[0], str) else ""


def _of_bundle(bundle: _Body) -> Iterator[str]:
    told = _first(bundle)
    if told is not None and told.name in _STATUS:
        events = [event.focus for event in told.notificationEvent]
        events += [
            part.valueReference
            for one in told.parameter
            if one.name == "notification-event"
            for part in one.part
            if part.name == "focus"
        ]
        yield from (_type_of(focus.reference) for focus in events if focus is not None)
    for entry in bundle.entry:
        if entry.request is not None:
            yield _type_of(entry.request.url)


def _first(bundle: _Body) -> _Body | None:
    """What tells of the notification: the first entry, or the body itself where it stands alone."""
    if bundle.name in _STATUS:
        return bundle
    return _read(bytes(bundle.entry[0].resource)) if bundle.entry else None


def _type_of(reference: object) -> str:
    """The type in ``Type/id`` or an address that ends so; ``""`` where there is none."""
    if not isinstance(reference, str):
        return ""
    parts = reference.partition("?")[0].partition("/_history")[0].rstrip("/").split("/")
    return next((part for part in parts[-2:] if part in RESOURCE_TYPES), "")


def _digest(secret: str) -> bytes:
    # Digests have one length, so a comparison tells nothing of the secret.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
