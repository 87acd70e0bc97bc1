"""In: the digests of the settings. Out: those that are due, sent; or, with --dry-run, their text on stdout."""

from __future__ import annotations

from email.message import EmailMessage
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, line, note, say

if TYPE_CHECKING:
    from adapter.jobs.mail import DigestSummary, Mailing

__all__ = ["digest"]

_COUNTS = ("sent", "empty", "already", "refused", "later")


def digest(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only the digests of this site.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the messages; send nothing.")] = False,
    now: Annotated[bool, typer.Option("--now", help="All of them, whatever the schedule says.")] = False,
) -> None:
    """Send the mail digests that are due: numbers and links, nothing of a patient."""
    from adapter.jobs.mail import Mailing

    options: Options = ctx.obj
    with opened(options) as room:
        mailing = Mailing(room.store, room.settings, site=site, regardless=now)
        if dry_run:
            _show(mailing, options)
            return
        summary = mailing.send()
    if options.json:
        data(summary.as_object())
    else:
        for one in summary.digests:
            _tell(one)
    if not summary.digests:
        note(options, "no digest is due")
    raise typer.Exit(summary.exit_code)


def _show(mailing: Mailing, options: Options) -> None:
    shown = 0
    for due, message in mailing.preview():
        shown += 1
        if options.json:
            head = {"site": due.site, "language": due.settings.language, "day": str(due.day), "slot": due.slot}
            data({**head, "to": str(message["To"]), "subject": str(message["Subject"]), "text": _text(message)})
        else:
            for header in ("From", "To", "Subject"):
                line(f"{header}: {message[header]}")
            line("")
            line(_text(message))
    if not shown:
        note(options, "no digest is due, or all were sent, or there is nothing to tell")


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    return "" if body is None else str(body.get_content()).replace("\r\n", "\n")


def _tell(one: DigestSummary) -> None:
    counts = one.as_object()
    told = ", ".join(f"{counts[name]} {name}" for name in _COUNTS if counts[name]) or "nobody to send it to"
    line(f"{one.site:<16} {one.language}  {one.slot:<12} {told}")
    if one.problem is not None:
        say(f"reluth: {one.site}: {one.problem}")
