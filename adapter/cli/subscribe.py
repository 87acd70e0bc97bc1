"""In: a site whose settings have ``notifications``. Out: Subscriptions at its server that tell this service of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import settings_of
from adapter.cli.options import Options
from adapter.cli.output import data, line, say
from adapter.errors import ConfigurationError, worst_exit_code

if TYPE_CHECKING:
    from adapter.client.subscription import Subscribed
    from adapter.config import Settings

__all__ = ["subscribe"]

_IN_PART = 5


def subscribe(
    ctx: typer.Context,
    site: Annotated[str, typer.Option(help="Site of the settings.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove the Subscriptions that this command made.")] = False,
) -> None:
    """Have the hospital's server tell `reluth serve` of changes: FHIR Subscriptions, one a resource type."""
    from adapter.client import Refused, SiteClient
    from adapter.client.hook import notification_hook
    from adapter.client.subscription import Subscriptions, advice
    from adapter.jobs.connecting import site_address

    options: Options = ctx.obj
    settings = settings_of(options)
    configured = settings.sites.get(site)
    if configured is None:
        known = ", ".join(settings.sites) or "none"
        raise ConfigurationError(f"sites.{site}", f"is not in the settings (there: {known})")
    wanted = configured.notifications
    if wanted is None:
        raise ConfigurationError(
            f"sites.{site}.notifications", "is missing: endpoint of this service as the server reaches it, and secret"
        )
    hook = notification_hook(site, endpoint=str(wanted.endpoint), secret=wanted.secret.get_secret_value())
    with SiteClient(site_address(site, configured)) as client:
        by_topic = wanted.by_topic or bool(wanted.topics)
        subscriptions = Subscriptions(client, hook, topics=wanted.topics if by_topic else None)
        try:
            found = subscriptions.remove() if remove else subscriptions.ensure(_types(settings, site))
        except Refused as error:
            say(f"reluth: {advice(error)}")
            raise
    _tell(found, options, site=site, endpoint=hook.endpoint)
    raise typer.Exit(worst_exit_code({_code(one) for one in found} - {0}))


def _types(settings: Settings, site: str) -> list[str]:
    """The types to be told of: those of ``notifications``, else all that are pulled."""
    from adapter.jobs.feeds import feed_types

    configured = settings.sites[site].notifications
    return feed_types(settings)[site] if configured is None or configured.types is None else configured.types


def _code(one: Subscribed) -> int:
    if one.error is not None:
        return one.error.exit_code
    # A type that is not served is never told of; one that was left still tells.
    return _IN_PART if one.outcome in {"not-served", "left"} or one.status in {"error", "off"} else 0


def _tell(found: list[Subscribed], options: Options, *, site: str, endpoint: str) -> None:
    from adapter.client import Refused
    from adapter.client.subscription import advice

    if options.json:
        data({"site": site, "endpoint": endpoint, "subscriptions": [one.as_object() for one in found]})
    for one in found:
        if not options.json:
            line(f"{one.type:<28}  {one.outcome:<10}  {one.status:<10}  {one.id}".rstrip())
        if one.error is not None:
            told = f": {advice(one.error)}" if isinstance(one.error, Refused) else ""
            say(f"reluth: {one.type}: {one.error}{told}")
        elif one.outcome == "left":
            say(f"reluth: Subscription/{one.id}: tells this service and was made by somebody else; it stays")
        elif one.status in {"error", "off"}:
            say(f"reluth: Subscription/{one.id}: the server says {one.status}: can it reach {endpoint}?")
