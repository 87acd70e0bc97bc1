"""In: the settings. Out: pages and JSON API until Ctrl-C, on loopback or behind a proxy; on stderr the address, with its one-time token."""

from __future__ import annotations

import contextlib
import secrets
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import settings_of
from adapter.cli.options import Options
from adapter.cli.output import say
from adapter.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from adapter.config import Settings

__all__ = ["serve", "serve_pages"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def serve(
    ctx: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Loopback address, or with accounts one behind a proxy; else the settings'.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one; else the settings'.")] = None,
) -> None:
    """Serve the screening desk, until Ctrl-C: with accounts to sign in, else by a one-time link on this machine."""
    options: Options = ctx.obj
    settings = settings_of(options)
    serve_pages(settings, host=host or settings.service.host, port=settings.service.port if port is None else port)


def serve_pages(settings: Settings, *, host: str, port: int) -> None:
    """Serve until Ctrl-C, and tell where: with accounts to sign in at, else with which one-time token.

    Raises:
        ConfigurationError: the public address has a path.
        UsageError: the address is not loopback, and there are no accounts or no proxy that ends TLS; or it is taken.
    """
    import uvicorn

    from adapter.documents import load_trial
    from adapter.service import create_app
    from adapter.service.long_running import long_running

    if not settings.store.path.is_dir():
        raise UsageError(f"no store at {settings.store.path}: `reluth pull` makes one, `reluth demo` shows how")
    _check_public_url(settings)
    has_accounts = _has_accounts(settings)
    _check_host(settings, host, has_accounts=has_accounts)
    for trial in settings.trials:
        # What is wrong in a document is told by its place, not by a server that does not start.
        load_trial(trial)
    token = None if has_accounts else secrets.token_urlsafe(32)
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
        if token is None:
            say(f"open {settings.service.public_url or address} (sign in; Ctrl-C ends)")
        else:
            say(f"open {address}/login?token={token} (works once; Ctrl-C ends)")
        # No access log: it would tell who looked at whom, by address. Nor is a proxy's word taken for anything: whoever
        # reaches the port can send the same.
        config = uvicorn.Config(
            app, log_config=None, access_log=False, ws="none", server_header=False, proxy_headers=False
        )
        # Ctrl-C is how serving ends, not how it fails.
        try:
            with contextlib.suppress(KeyboardInterrupt), long_running():
                uvicorn.Server(config).run(sockets=[listener])
        except SystemExit:
            if app.state.not_started is None:
                raise
            raise app.state.not_started from None


def _check_public_url(settings: Settings) -> None:
    public = settings.service.public_url
    if public is not None and (public.path or "/") != "/":
        # Links of pages and the cookies of sessions are of the whole host: below a path the first click would lead out of it.
        raise ConfigurationError(
            "service.public_url", f"has the path {public.path}: the service wants a host name of its own"
        )


def _has_accounts(settings: Settings) -> bool:
    from adapter.store import Store

    if settings.oidc is not None:
        return True
    with Store.open(settings.store.path, settings.store.database) as store:
        return store.accounts.any_enabled()


def _check_host(settings: Settings, host: str, *, has_accounts: bool) -> None:
    if host in _LOOPBACK:
        return
    if not has_accounts:
        raise UsageError(f"--host {host}: without accounts the pages are served on loopback only (127.0.0.1)")
    public = settings.service.public_url
    if public is None or public.scheme != "https":
        raise UsageError(
            f"--host {host}: passwords and patients would go in the clear; a proxy that ends TLS stands before it, "
            "and service.public_url names it (https://...)"
        )
