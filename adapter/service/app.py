"""In: settings and a one-time token. Out: the service as an ASGI app (pages, API, health); its OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

from adapter.config import Settings
from adapter.errors import ReluthError
from adapter.jobs import pull_site, start_catch_up
from adapter.service.api import PROBLEM_JSON, api_router, health_router, problem
from adapter.service.cards.api import cards_api
from adapter.service.cards.keys import ClientKeys
from adapter.service.cards.room import CardRoom
from adapter.service.desk import Desk, open_desk
from adapter.service.door.access import Access
from adapter.service.door.accounts_pages import accounts_pages
from adapter.service.door.crossing import FOREIGN_DETAIL, ForeignRequest
from adapter.service.door.guard import Guard
from adapter.service.door.oidc_pages import oidc_pages, open_provider
from adapter.service.door.pages import door_pages, turned_away
from adapter.service.door.permissions import authorise, methods_at
from adapter.service.fhir import check_clients, fhir_api, open_fhir_room, outcome, packages_api
from adapter.service.language import load_words
from adapter.service.loading_api import loading_router
from adapter.service.metrics import metrics_router
from adapter.service.notifications import NOTIFY_PREFIX, notification_router
from adapter.service.patient.api import patient_api
from adapter.service.patient.pages import patient_pages
from adapter.service.readiness import readiness_router
from adapter.service.rendering import page, static_router
from adapter.service.settling.routes import conflicts_api, conflicts_pages
from adapter.service.study.api import study_api
from adapter.service.study.log_pages import log_pages
from adapter.service.study.pages import study_pages
from adapter.service.worklist.api import worklist_api
from adapter.service.worklist.pages import worklist_pages
from adapter.store import Store
from adapter.sync import PullSummary

__all__ = ["create_app", "openapi_document"]

_PARIS = ZoneInfo("Europe/Paris")
_FIRST_ERROR = 400
_NO_SUCH_METHOD = 405
_UNREADABLE = "The body cannot be read."
_FHIR_PATHS = ("/fhir/", "/datasets/packages")
_PROBLEM_PATHS = ("/api/", "/cds-services", "/healthz", "/readyz", "/metrics", NOTIFY_PREFIX)


def today_in_paris() -> date:
    """The sites' calendar day."""
    return datetime.now(_PARIS).date()


def create_app(
    settings: Settings,
    *,
    token: str | None = None,
    today: Callable[[], date] = today_in_paris,
) -> FastAPI:
    """The service over the store of ``settings``, which is opened when it starts and closed when it stops.

    Args:
        settings: store, trials, and Host names that are ours besides this machine's own.
        token: what opens `/login` once, where the store has no accounts; None: nobody gets in by it.
        today: what dates are compared with to tell that they have passed.

    Raises:
        ConfigurationError: the provider, a client of CDS Hooks, or a notification's secret cannot be so.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with _started(app, settings, today=today):
            yield

    def store_of(request: Request) -> Store:
        desk: Desk = request.app.state.desk
        return desk.store

    def mark(site: str, types: frozenset[str] | None) -> None:
        app.state.catch_up.mark(site, types)

    # The two documentation pages of FastAPI load scripts from another host.
    app = FastAPI(
        title="ReLUTH FHIR adapter",
        summary="Worklist, verdicts, funnel and pulls of a trial's pre-screening.",
        version="0.1.0",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(authorise)],
        # The library would send `/fhir/token/` on to an address of its own making: http, for it knows of no proxy. What is sent
        # again with it, a call about a patient or an assertion, would go in the clear.
        redirect_slashes=False,
    )
    load_words()  # a sentence that lacks a language is found now, not by a reader
    app.state.not_started = None
    app.state.access = Access(token, settings=settings)
    app.state.oidc = open_provider(settings)
    for name, client in settings.cds.clients.items():
        ClientKeys(name, client)  # settings that are wrong are told before anybody calls
    check_clients(settings)
    app.state.today = today
    app.state.settings = settings
    app.add_exception_handler(HTTPException, _http_refusal)
    app.add_exception_handler(ForeignRequest, _refuse_foreign)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.include_router(health_router)
    app.include_router(readiness_router(settings, store_of))
    app.include_router(metrics_router(settings, store_of))
    app.include_router(notification_router(settings, mark))
    app.include_router(api_router)
    app.include_router(worklist_api)
    app.include_router(patient_api)
    app.include_router(study_api)
    app.include_router(cards_api)
    app.include_router(fhir_api)
    app.include_router(packages_api)
    app.include_router(loading_router(settings))
    app.include_router(conflicts_api)
    app.include_router(door_pages)
    app.include_router(accounts_pages)
    app.include_router(oidc_pages)
    app.include_router(worklist_pages)
    app.include_router(patient_pages)
    app.include_router(study_pages)
    app.include_router(log_pages)
    app.include_router(conflicts_pages)
    app.include_router(static_router)
    app.add_middleware(Guard, access=app.state.access, refuse=refuse, hosts=app.state.access.hosts)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


@contextmanager
def _started(app: FastAPI, settings: Settings, *, today: Callable[[], date]) -> Iterator[None]:
    """What is open as long as the service runs."""
    with ExitStack() as stack:
        try:
            desk = stack.enter_context(open_desk(settings))
            app.state.desk = desk
            app.state.fhir = stack.enter_context(open_fhir_room(desk.store, settings, desk.trial))
            app.state.access.open(desk.store)
            app.state.cards = CardRoom(desk.store, settings, today=today)
            app.state.catch_up = stack.enter_context(start_catch_up(settings, _pull_of(settings), today=today))
        except ReluthError as error:
            # The server that runs the app would only print where; whoever started it says why.
            app.state.not_started = error
            raise
        yield


def _pull_of(settings: Settings) -> Callable[[Store, str, frozenset[str] | None], PullSummary]:
    return lambda store, site, types: pull_site(store, settings, site, types=types)


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document of the service, which does not depend on settings."""
    return _document(create_app(Settings()))


def refuse(request: Request, status: int) -> Response:
    """A refusal, as OperationOutcome or problem details for programs and as a page for people."""
    if request.url.path.startswith(_FHIR_PATHS):
        return outcome(status)
    if request.url.path.startswith(_PROBLEM_PATHS):
        return problem(status)
    return turned_away(request, status)


def _refuse_foreign(request: Request, _error: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return problem(403, FOREIGN_DETAIL)
    return page(request, "refusal.html", refusal="foreign", status=403)


def _http_refusal(request: Request, error: Exception) -> Response:
    response = _refusal_of(request, error)
    if response.status_code == _NO_SUCH_METHOD:
        # RFC 9110 15.5.6. The library names the methods of the first route at the address only.
        response.headers["Allow"] = ", ".join(methods_at(request.url.path))
    return response


def _refusal_of(request: Request, error: Exception) -> Response:
    if request.url.path.startswith(_FHIR_PATHS) and isinstance(error, HTTPException):
        return outcome(error.status_code, headers=error.headers)
    if isinstance(error, HTTPException) and error.status_code == _FIRST_ERROR:
        # Of a body: of the Host header the guard says so.
        if request.url.path.startswith(_PROBLEM_PATHS):
            return problem(_FIRST_ERROR, _UNREADABLE)
        return page(request, "refusal.html", refusal="unreadable", status=_FIRST_ERROR)
    return refuse(request, error.status_code if isinstance(error, HTTPException) else 500)


def _invalid(request: Request, _error: Exception) -> Response:
    # The library's own answer quotes the input. For a reader, an address that cannot be a patient's key is not there.
    return refuse(request, 422 if request.url.path.startswith(_PROBLEM_PATHS) else 404)


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, summary=app.summary, version=app.version, routes=app.routes)
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        for status, response in operation["responses"].items():
            content = response.get("content", {})
            schema = content.get("application/json", {}).get("schema", {}).get("$ref", "")
            if int(status) >= _FIRST_ERROR and schema.endswith("/Problem"):
                content[PROBLEM_JSON] = content.pop("application/json")
    document["components"]["securitySchemes"] = {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "reluth_session",
            "description": "Given by /sign-in, or by /login in exchange for the one-time token that the service printed.",
        },
        "cds": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "Signed by a configured client (ES384 or RS384), for one call (CDS Hooks 2.0, Trusting CDS Clients).",
        },
    }
    for path, operations in document["paths"].items():
        if path.startswith("/api/"):
            for operation in operations.values():
                operation["security"] = [{"session": []}]
    return document
