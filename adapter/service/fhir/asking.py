"""In: a request under /fhir. Out: its parameters, its preferences, the address that it came to; or a refusal.

Bounded in size and in time: what is read here is read before anything is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.requests import ClientDisconnect, Request

from adapter.config import Settings
from adapter.service.bodies import bounded_body
from adapter.service.fhir.refusals import FHIR_JSON, FhirRefused

__all__ = ["JSON_KINDS", "base_of", "bounded", "check_accepts", "is_lenient", "parameters_of"]

#: Media types that an answer in JSON is one of; of what is only begun here, the files' too (STU2, Headers).
JSON_KINDS: Final = (FHIR_JSON, "application/json")
_MOST_BYTES: Final = 256 * 1024
_READ_SECONDS: Final = 10.0
_PREFIX: Final = "value"
_ROOT: Final = "/fhir"


def base_of(request: Request, settings: Settings) -> str:
    """Address of the FHIR server as its clients call it: below the public address, else where the request came to."""
    public = settings.service.public_url
    if public is not None:
        return str(public).rstrip("/") + _ROOT
    # The guard has looked at its Host header.
    told = urlsplit(str(request.url))
    return f"{told.scheme}://{told.netloc}{_ROOT}"


def check_accepts(request: Request, kinds: Collection[str]) -> None:
    """Refuse a request that accepts none of some media types (RFC 9110 12.5.1).

    Raises:
        FhirRefused: 406.
    """
    told = ",".join(request.headers.getlist("accept")).lower()
    if not told.strip():
        return
    wanted = set(kinds) | {f"{kind.partition('/')[0]}/*" for kind in kinds} | {"*/*"}
    for part in told.split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if kind in wanted and not any(_is_zero(one) for one in parameters):
            return
    raise FhirRefused(406)


def is_lenient(request: Request) -> bool:
    """Whether what is not supported may be left aside (R4 search.html#errors)."""
    told = ",".join(request.headers.getlist("prefer")).lower().replace(";", ",")
    return "handling=lenient" in {part.strip().replace(" ", "") for part in told.split(",")}


async def parameters_of(request: Request) -> list[tuple[str, str]]:
    """The parameters of an operation: of the query, and of the Parameters resource that a POST sends.

    Raises:
        FhirRefused: the body is none, too long, or slow.
    """
    found = list(request.query_params.multi_items())
    if request.method != "POST":
        return found
    body = await bounded(request, _MOST_BYTES)
    if not body.strip():
        return found
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in JSON_KINDS:
        raise FhirRefused(415)
    try:
        told: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise FhirRefused(400, ("structure", "The body is no JSON.")) from None
    return found + _of_resource(told)


def _of_resource(told: Any) -> list[tuple[str, str]]:
    listed = told.get("parameter", []) if isinstance(told, dict) else None
    if not isinstance(listed, list) or told.get("resourceType") != "Parameters":
        raise FhirRefused(400, ("structure", "A Parameters resource is wanted."))
    found = []
    for one in listed:
        name = one.get("name") if isinstance(one, dict) else None
        values = [value for key, value in one.items() if key.startswith(_PREFIX)] if isinstance(one, dict) else []
        if not isinstance(name, str) or len(values) != 1:
            raise FhirRefused(400, ("structure", "Each parameter has a name and one value."))
        value = values[0]
        if isinstance(value, bool):
            value = str(value).lower()
        # A reference of `patient`, say: what is not followed need not be understood.
        found.append((name, value if isinstance(value, str) else ""))
    return found


async def bounded(request: Request, most: int) -> bytes:
    """The body of a request.

    Raises:
        FhirRefused: it is longer than ``most`` bytes, does not come in time, or breaks off.
    """
    try:
        async with asyncio.timeout(_READ_SECONDS):
            body = await bounded_body(request, most)
    except (TimeoutError, ClientDisconnect):
        raise FhirRefused(400, ("incomplete", "The body did not come in time.")) from None
    if body is None:
        raise FhirRefused(413)
    return body


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.replace(" ", "").partition("=")
    try:
        return name == "q" and float(value) == 0
    except ValueError:
        return False
