"""In: what a site is asked to export. Out: where the export runs, its manifest when it is ready, page by page.

Bulk Data Access STU2 and STU3 (GET, or POST of Parameters), and the 4.0 ballot (POST only, no comma lists, the export's
status apart from the request's). Nothing that a server names as an address is asked before its host is checked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final

import httpx
import msgspec

from adapter.client.address import parsed_url, without_query
from adapter.client.errors import LoopingPages, Refused, UnusableAnswer
from adapter.client.export_request import ExportRequest
from adapter.client.manifest import Manifest, parse_manifest
from adapter.client.polling import Grave, Pace, ready
from adapter.client.retry import Failed
from adapter.client.transport import Body, Transport
from adapter.errors import RemoteError

__all__ = ["BulkExport", "ExportRequest"]

_log = logging.getLogger(__name__)

_PREFER: Final = "respond-async"
# A preference that a server does not know it leaves aside (RFC 7240 2). A GET is for older ones, which may look for the
# one word alone (STU2 export.html: "only a value of respond-async is supported").
_PREFER_OF_A_POST: Final = "respond-async, separate-export-status"
_BEGUN: Final = frozenset({200, 202})
_UNPROCESSABLE: Final = frozenset({400, 422})
_PERHAPS_POST_ONLY: Final = frozenset({400, 405, 501})
_GONE: Final = frozenset({404, 410})
_ERRORS_FROM: Final = 400
#: A day: who exports a hospital at night is ready in the morning.
LONGEST_EXPORT: Final = 86_400.0


class BulkExport:
    """The exports of one server.

    Args:
        transport: to it.
        root: FHIR base URL without a slash at its end.

    ::

        bulk = BulkExport(transport, "https://fhir.example.org/r4")
        status_url = bulk.kick_off(ExportRequest(types=("Patient", "Observation")))
        for manifest in bulk.pages(bulk.wait(status_url)):
            for file in manifest.files: ...
    """

    def __init__(self, transport: Transport, root: str) -> None:
        self._transport = transport
        self._root = root

    def kick_off(self, request: ExportRequest) -> str:
        """Ask for an export; the address at which its status is had.

        Asked again, as the policy allows, after any failure: where an export was begun and the answer was lost, a second
        one costs the server some work, and us nothing.

        Raises:
            Refused: the server does not do such an export.
            UnusableAnswer: it did not say where the status is had.
            ForeignHost: it is had from another host.
            Unavailable: no usable answer within the attempts.
        """
        url = f"{self._root}/{request.path}"
        if request.post:
            return self._posted(url, request)
        try:
            headers = {"Prefer": _PREFER}
            return self._transport.get(f"{url}?{request.query()}", self._begun, headers=headers, wanted=_BEGUN)
        except Refused as refusal:
            if refusal.status not in _PERHAPS_POST_ONLY:
                raise
            advice = 'where the server takes exports by POST only, set method = "post" under [sites.<site>.bulk]'
            raise Refused(refusal.where, refusal.status, refusal.issues, advice=advice) from None

    def wait(
        self,
        status_url: str,
        *,
        tell: Callable[[str], None] = lambda progress: None,
        longest: float | None = None,
        patience: float = LONGEST_EXPORT,
    ) -> Manifest:
        """Ask for the status until the export is ready; its manifest, with absolute addresses.

        Asked no sooner than the server wishes, up to ``longest``; at growing distances where it wishes nothing. What
        passes (429, 503, a restart of the server) is waited out for up to an hour of waiting, or as long as the run's
        budget lasts.

        Args:
            status_url: as `kick_off` gave it.
            tell: is given what the server says of its progress (X-Progress).
            longest: seconds; a longer wait asked for by Retry-After is taken as this. None for that of the policy.
            patience: seconds of waiting for an export that goes on.

        Raises:
            NotFound: there is no such export any more.
            Refused: the export failed, or the server does not tell us of it.
            UnusableAnswer: it is ready, and its manifest is none.
            ForeignHost: the status is had from a host that is not allowed.
            Unavailable: still not ready, or still failing.
        """
        where = without_query(status_url)
        pace = Pace(self._transport, where, longest=longest, patience=patience)
        while True:
            try:
                answer = self._transport.once(status_url, accept="application/json", again=pace.is_failing)
                going = ready(answer, where, now=self._transport.clock.now())
                if going is None:
                    return self._manifest(answer, where)
            except Failed as failure:
                pace.after_failure(failure)
                continue
            if going.progress:
                tell(going.progress)
            pace.after_progress(going.asked)

    def pages(self, first: Manifest, *, longest: float | None = None) -> Iterator[Manifest]:
        """A manifest, and those that it leads to.

        Args:
            first: as `wait` gave it.
            longest: as there.

        Raises:
            LoopingPages: a page leads back to one already read.
            RemoteError: a page is not had; those before hold, but files are missing.
        """
        seen: set[str] = set()
        manifest = first
        yield manifest
        while manifest.next is not None:
            if manifest.next in seen:
                raise LoopingPages(without_query(manifest.next))
            seen.add(manifest.next)
            # Of a page that is not ready yet a server may say so as it does of the first.
            manifest = self.wait(manifest.next, longest=longest)
            yield manifest

    def cancel(self, status_url: str) -> None:
        """Tell the server that the export and its files are not wanted any more; a failure is logged, and no more."""
        where = without_query(status_url, method="DELETE")
        try:
            status = self._transport.once(status_url, method="DELETE").status_code
        except (Failed, RemoteError) as error:
            _log.warning("%s: not cancelled: %s", where, error)
            return
        if status >= _ERRORS_FROM and status not in _GONE:
            _log.warning("%s: not cancelled (answered %d)", where, status)

    def _posted(self, url: str, request: ExportRequest) -> str:
        """By POST: lists by commas, and value by value where a server refuses that.

        In this order: a server of STU2 that reads only the first of repeated values would export too little and not say so,
        one of the 4.0 ballot refuses a list as a resource type that it does not know.
        """
        try:
            return self._post(url, request.parameters(repeated=False))
        except Refused as refusal:
            if not request.has_lists or refusal.status not in _UNPROCESSABLE:
                raise
        return self._post(url, request.parameters(repeated=True))

    def _post(self, url: str, content: bytes) -> str:
        body = Body(content, prefer=_PREFER_OF_A_POST)
        return self._transport.post(url, body, self._begun, repeatable=True, wanted=_BEGUN)

    def _begun(self, answer: httpx.Response) -> str:
        where = without_query(str(answer.request.url), method=answer.request.method)
        location = answer.headers.get("Content-Location")
        if not location:
            raise UnusableAnswer(where, "does not say where the status of the export is had (Content-Location)")
        return self._onward(location, told_by=str(answer.request.url), where=where)

    def _manifest(self, answer: httpx.Response, where: str) -> Manifest:
        try:
            manifest = parse_manifest(answer.content)
        except ValueError as error:
            raise Grave(str(error), final=UnusableAnswer(where, str(error))) from None
        page = str(answer.request.url)
        files = tuple(
            msgspec.structs.replace(file, url=self._absolute(file.url, page, where)) for file in manifest.files
        )
        onward = None if manifest.next is None else self._onward(manifest.next, told_by=page, where=where)
        return msgspec.structs.replace(manifest, files=files, next=onward)

    def _absolute(self, url: str, page: str, where: str) -> str:
        parsed = parsed_url(url)
        if parsed is None:
            raise UnusableAnswer(where, "tells an address that is none")
        # As given where it is absolute: written anew, a signature within might not hold any more.
        return url if parsed.is_absolute_url else str(httpx.URL(page).join(url))

    def _onward(self, url: str, *, told_by: str, where: str) -> str:
        absolute = self._absolute(url, told_by, where)
        self._transport.check(absolute, told_by=told_by)
        return absolute
