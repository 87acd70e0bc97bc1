"""In: a request under /datasets/packages, by a sponsor's client. Out: the packages that were published, and their files, which never change.

The same tokens as under /fhir; a client needs ``packages = true`` in its settings. A file may be kept for ever: its address holds the sha256
of the manifest, which holds that of the file.
"""

from __future__ import annotations

import mimetypes
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from adapter.datasets.provider import PublishedPackage
from adapter.service.fhir.asking import base_of
from adapter.service.fhir.delivering import Representation, deliver
from adapter.service.fhir.refusals import FhirRefused, FhirRoute
from adapter.service.fhir.room import fhir_room

__all__ = ["packages_api"]

#: RFC 8246: it will not change, so that it need not be asked whether it has. Not for caches on the way: a token is needed.
_FOR_EVER: Final = "private, max-age=31536000, immutable"
_OCTETS: Final = "application/octet-stream"
_TYPES: Final = {
    ".xpt": "application/x-sas-xport",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".md": "text/markdown; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
}

packages_api = APIRouter(prefix="/datasets", route_class=FhirRoute, include_in_schema=False)
PackageId = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


@packages_api.get("/packages")
def list_packages(request: Request) -> Response:
    """The packages that this client may have."""
    room = fhir_room(request)
    client = room.client(request)
    home = _home(request)
    return JSONResponse({"packages": [_shape(one, home) for one in room.packages(client)]})


@packages_api.get("/packages/{package_id}")
def read_package(request: Request, package_id: PackageId) -> Response:
    """The files of a package."""
    room = fhir_room(request)
    found = room.package(room.client(request), package_id)
    headers = {"Cache-Control": _FOR_EVER, "ETag": f'"{found.id}"'}
    return JSONResponse(_shape(found, _home(request)), headers=headers)


@packages_api.get("/packages/{package_id}/{path:path}")
def package_file(request: Request, package_id: PackageId, path: str) -> Response:
    """One file of a package."""
    room = fhir_room(request)
    client = room.client(request)
    package = room.package(client, package_id)
    # Of those that were published, by name: an address leads nowhere else.
    file = package.file(path)
    if file is None:
        raise FhirRefused(404)
    ending = "." + path.rpartition(".")[2]
    kind = _TYPES.get(ending) or mimetypes.guess_type(path)[0] or _OCTETS
    answer = deliver(request, Representation(package.folder / path, kind, file.sha256, cache=_FOR_EVER))
    room.note(client, "datasets-package", sites=package.sites or room.sites(client), detail=f"{package.id[:16]} {path}")
    return answer


def _home(request: Request) -> str:
    return base_of(request, request.app.state.settings).removesuffix("/fhir") + "/datasets/packages"


def _shape(package: PublishedPackage, home: str) -> dict[str, Any]:
    address = f"{home}/{package.id}"
    return {
        "id": package.id,
        "url": address,
        "manifest": f"{address}/manifest.json",
        "files": [
            {"path": file.path, "url": f"{address}/{file.path}", "bytes": file.bytes, "sha256": file.sha256}
            for file in package.files
        ],
    }
