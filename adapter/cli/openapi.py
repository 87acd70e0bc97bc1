"""In: nothing. Out: the description of the HTTP interface (OpenAPI), as checked in under openapi/."""

from __future__ import annotations

import json
import sys

__all__ = ["openapi"]


def openapi() -> None:
    """Print the OpenAPI document of the service."""
    from adapter.service import openapi_document

    json.dump(openapi_document(), sys.stdout, indent=2, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")
