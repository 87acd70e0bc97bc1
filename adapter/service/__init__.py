"""In: the store. Out: pages and JSON over HTTP; and, as an app of its own, a simulated hospital's FHIR server.

The two apps are loaded when asked for: the command line wants one without waiting for the other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter.service.app import create_app, openapi_document
    from adapter.service.hospital import create_hospital, serve_hospital

__all__ = ["create_app", "create_hospital", "openapi_document", "serve_hospital"]

_HOMES = {
    "create_app": "adapter.service.app",
    "create_hospital": "adapter.service.hospital",
    "openapi_document": "adapter.service.app",
    "serve_hospital": "adapter.service.hospital",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
