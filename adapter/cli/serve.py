"""In: the settings. Out: pages and JSON API on loopback until Ctrl-C; the address with its one-time token on stderr."""

from __future__ import annotations

import contextlib
import secrets
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import settings_of
from adapter.cli.options import Options
from adapter.cli.output import say
from adapter.errors import UsageError

if TYPE_CHECKING:
    from adapter.config import Settings

__all__ = ["serve", "serve_pages"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Loopback address; else the settings' one.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one; else the settings'.")] = None,
) -> None:
    """Serve the worklist on this machine, until Ctrl-C."""
    options: Options = ctx.obj
    settings = settings_of(options)
    serve_pages(settings, host=host or settings.service.host, port=settings.service.port if port is None else port)


def serve_pages(settings: Settings, *, host: str, port: int) -> None:
    """Serve until Ctrl-C, and tell where and with which one-time token.

    Raises:
        UsageError: the address is not loopback (without accounts nobody else may get in), or it is taken.
    """
    import uvicorn

    from adapter.service import create_app

    if host not in _LOOPBACK:
        raise UsageError(f"--host {host}: without accounts the pages are served on loopback only (127.0.0.1)")
    if not settings.store.path.is_dir():
        raise UsageError(f"no store at {settings.store.path}: `reluth pull` makes one, `reluth demo` shows how")
    token = secrets.token_urlsafe(32)
    app = create_app(settings, token=token)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            # From here on a browser waits instead of being refused.
            listener.listen()
        except OSError as error:
            raise UsageError(f"--port {port}: cannot be used ({error.strerror})") from None
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        say(f"open {address}/login?token={token} (works once; Ctrl-C ends)")
        # No access log: it would tell who looked at whom, by address.
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", server_header=False)
        # Ctrl-C is how serving ends, not how it fails.
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
