"""In: a figure of matplotlib. Out: its bytes as SVG: the same figure gives the same bytes, and text stays text."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SVG_POLICY", "as_svg", "svg_response"]

#: matplotlib writes its colours as style sheets; a picture runs nothing and fetches nothing.
SVG_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
#: Text stays text, in the reader's own letters; ids come of a fixed salt, not of chance.
_SETTINGS: Final[dict[Any, str]] = {"svg.fonttype": "none", "svg.hashsalt": "reluth"}
#: Settings of matplotlib are global.
_LOCK = threading.Lock()


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG, without a date."""
    import matplotlib as mpl  # noqa: PLC0415 - it takes long to import, and few ask for a picture

    out = io.BytesIO()
    with _LOCK, mpl.rc_context(_SETTINGS):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def svg_response(picture: bytes) -> Response:
    """A picture that nobody keeps: it shows what is so now, to whom may see it."""
    headers = {"Content-Security-Policy": SVG_POLICY, "Cache-Control": "no-store"}
    return Response(picture, media_type="image/svg+xml", headers=headers)
