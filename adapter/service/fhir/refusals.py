"""In: why a request under /fhir is not answered. Out: an OperationOutcome that says so, and repeats nothing of a person.

R4 http.html: every answer that is an error carries one. OAuth's own answers (RFC 6749 5.2) are the token endpoint's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["FHIR_JSON", "FhirRefused", "FhirRoute", "outcome"]

FHIR_JSON: Final = "application/fhir+json"
#: By status: a code of issue-type, and the usual sentence.
_USUAL: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid", "The request does not make sense here."),
    401: ("login", "An access token of this service is wanted: ask its token endpoint for one."),
    403: ("forbidden", "The scopes of the token do not allow it."),
    404: ("not-found", "There is nothing at this address."),
    405: ("not-supported", "This address does not answer to this method."),
    406: ("not-supported", "What is served here is not among what the request accepts."),
    413: ("too-long", "The body is longer than what is taken at once."),
    415: ("not-supported", "A Parameters resource as JSON is wanted."),
    416: ("invalid", "The file ends before the range that is asked for."),
    422: ("processing", "A parameter of the request is not valid."),
    429: ("throttled", "This client asks too often: wait as long as Retry-After says."),
    500: ("exception", "A defect of the service; its log says where."),
}
_UNAUTHORIZED: Final = 401


class FhirRefused(Exception):
    """A request is not answered.

    Args:
        status: of HTTP.
        issues: (code of issue-type, sentence) for each reason; none for the usual one of the status.
        headers: to be sent with it.
    """

    def __init__(self, status: int, *issues: tuple[str, str], headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.issues = issues
        self.headers = headers
        super().__init__(str(status))


def outcome(status: int, *issues: tuple[str, str], headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as an OperationOutcome.

    Args:
        status: of HTTP.
        issues: (code of issue-type, sentence) for each reason; none for the usual one of the status.
        headers: to be sent with it.
    """
    told = issues or (_USUAL.get(status, ("processing", "The request was refused.")),)
    content: dict[str, Any] = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": text} for code, text in told],
    }
    # RFC 6750 3.
    own = {"WWW-Authenticate": "Bearer"} if status == _UNAUTHORIZED else {}
    return JSONResponse(content, status_code=status, media_type=FHIR_JSON, headers={**own, **(headers or {})})


class FhirRoute(APIRoute):
    """A route whose refusals are OperationOutcomes."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler, and around it what turns refusals into answers."""
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await answer(request)
            except FhirRefused as refused:
                return outcome(refused.status, *refused.issues, headers=refused.headers)
            except RequestValidationError:
                return outcome(422)

        return answered
