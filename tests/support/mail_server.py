"""In: how a mail server is to behave. Out: a real one on loopback, with what it took; and what a message says, read by a program."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

__all__ = ["PASSWORD", "USER", "MailServer", "mail_server", "whole_text"]

USER, PASSWORD = "reluth", "correct horse"
OK = "250 OK"


@dataclass
class MailServer:
    """A mail server that runs.

    Attributes:
        replies: what it says to a recipient, by address, one after the other; then 250.
        data_replies: what it says to a message, one after the other; then 250. None ends the connection without a word.
        taken: recipient and bytes of each message it took.
        signed_in: whoever was let in.
    """

    port: int = 0
    replies: dict[str, list[str]] = field(default_factory=dict)
    data_replies: list[str | None] = field(default_factory=list)
    sender_reply: str = OK
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)
    greeted_as: list[str] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    before_data: Callable[[], None] | None = None

    @property
    def recipients(self) -> list[str]:
        """To whom the messages went, in their order."""
        return [to for to, _ in self.taken]

    def message(self, number: int = -1) -> EmailMessage:
        """One of the messages, parsed."""
        parsed = message_from_bytes(self.taken[number][1], policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    # What aiosmtpd calls --------------------------------------------------------------------------------------------

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.greeted_as.append(hostname)
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        assert server.transport is not None
        self.over_tls.append(server.transport.get_extra_info("ssl_object") is not None)
        if self.sender_reply == OK:
            envelope.mail_from = address
        return self.sender_reply

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        waiting = self.replies.get(address)
        said = waiting.pop(0) if waiting else OK
        if said == OK:
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.before_data is not None:
            self.before_data()
        said = self.data_replies.pop(0) if self.data_replies else OK
        if said is None:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return OK
        if said == OK:
            assert isinstance(envelope.content, bytes)
            self.taken += [(to, envelope.content) for to in envelope.rcpt_tos]
        return said

    def let_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        known = isinstance(given, LoginPassword) and (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        if known:
            self.signed_in.append(given.login.decode())
        return AuthResult(success=known, handled=False)


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # Port 0: the system has chosen one by now.
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd's


@contextmanager
def mail_server(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, auth: bool = False, **more: Any
) -> Iterator[MailServer]:
    """A server that takes mail.

    Args:
        starttls: its certificate, where it wants STARTTLS first.
        tls: its certificate, where it speaks TLS from the first byte.
        auth: whether one has to sign in.
        more: of `MailServer`.
    """
    server = MailServer(**more)
    options: Mapping[str, Any] = {
        "tls_context": starttls,
        "require_starttls": starttls is not None,
        "authenticator": server.let_in if auth else None,
        "auth_required": auth,
    }
    controller = _Controller(server, hostname="127.0.0.1", port=0, ssl_context=tls, **options)
    controller.start()
    try:
        server.port = controller.port
        yield server
    finally:
        controller.stop()


def whole_text(raw: bytes) -> str:
    """All that a message says to anybody: its bytes, and each header and part of it decoded."""
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    parts = [part.get_content() for part in message.walk() if not part.is_multipart()]
    headers = [f"{name}: {value}" for part in message.walk() for name, value in part.items()]
    return "\n".join([raw.decode("ascii"), *headers, *parts])
