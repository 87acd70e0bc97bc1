"""In: a mail server's settings, messages. Out: each handed over, refused, or to be tried later; nobody else speaks SMTP.

The texts of errors hold the server's reply code and nothing else of what it said: a reply may quote an address.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

from adapter.client import tls_context
from adapter.client.address import is_loopback
from adapter.config import MailSettings
from adapter.errors import ConfigurationError, RemoteError, TransientError
from adapter.jobs.mail.addresses import domain_of, sender_address
from adapter.observe import logger

__all__ = ["LONGEST", "Delivered", "Outgoing", "check_server"]

#: Seconds that a server may leave us without a word.
_TIMEOUT: Final = 30.0
#: Seconds that one message may take, however the server drips its words: far below `adapter.store.digests.STALE_CLAIM`.
LONGEST: Final = 300.0
_PERMANENT: Final = 500
_READY: Final = 220
#: So many connections in a row that broke with a message on the way, and the server is left alone.
_BROKEN: Final = 3


class Delivered(StrEnum):
    """What became of one message."""

    SENT = "sent"
    REFUSED = "refused"
    LATER = "later"


def check_server(mail: MailSettings) -> None:
    """Refuse settings by which no mail can go, or not safely; nothing is sent.

    Raises:
        ConfigurationError: a key of ``[mail]`` is wrong.
    """
    if mail.security == "none" and not is_loopback(mail.host):
        raise ConfigurationError(
            "mail.security", "is none, which is for a server on this machine only: starttls or tls"
        )
    if (mail.username is None) is not (mail.password is None):
        raise ConfigurationError("mail.username", "a username and a password (password_file) go together")
    if mail.password is not None and not mail.password.get_secret_value().isascii():
        raise ConfigurationError("mail.password", "only ASCII can be shown to a mail server")
    if mail.username is not None and not mail.username.isascii():
        raise ConfigurationError("mail.username", "only ASCII can be shown to a mail server")
    try:
        sender_address(mail.sender)
    except ValueError as error:
        raise ConfigurationError("mail.sender", str(error)) from None


class Outgoing:
    """A connection to the mail server, opened when it is needed and again after it broke.

    Args:
        mail: the settings.
        timeout: seconds that the server may leave us without a word.
        longest: seconds that connecting, or one message, may take in all.

    Raises:
        ConfigurationError: the settings are wrong.
    """

    def __init__(self, mail: MailSettings, *, timeout: float = _TIMEOUT, longest: float = LONGEST) -> None:
        check_server(mail)
        self._mail = mail
        self._sender = sender_address(mail.sender)
        self._timeout = timeout
        self._longest = longest
        self._tls = None if mail.security == "none" else _tls(mail)
        self._smtp: smtplib.SMTP | None = None
        self._broken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take leave of the server."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            with suppress(OSError, smtplib.SMTPException), self._hurried(smtp):
                smtp.quit()
            smtp.close()

    def connect(self) -> None:
        """Be connected, over TLS and signed in as the settings say.

        Raises:
            TransientError: the server cannot be reached, or asks to come back.
            RemoteError: it has no certificate to trust, or no TLS, or refuses name and password.
        """
        if self._smtp is not None:
            return
        smtp = self._new()
        try:
            with self._told("the greeting"), self._hurried(smtp):
                code, _ = smtp.connect(self._mail.host, self._mail.port)
                if code != _READY:
                    raise smtplib.SMTPConnectError(code, "")
                self._secure(smtp)
        except BaseException:
            smtp.close()
            raise
        self._smtp = smtp

    def send(self, message: EmailMessage, *, to: str) -> Delivered:
        """Hand one message over for one recipient.

        Args:
            message: whole.
            to: a plain address.

        Returns:
            sent once the server has taken it; later also where the connection broke, and it may have.

        Raises:
            RemoteError: the server takes nothing from this sender.
            TransientError: it takes nothing from this sender now.
        """
        self.connect()
        if self._smtp is None:  # pragma: no cover - `connect` raises where it does not connect
            return Delivered.LATER
        try:
            with self._hurried(self._smtp):
                # CRLF whatever the message's policy: a bare LF is where one message is smuggled into another.
                whole = message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
                self._smtp.sendmail(self._sender.addr_spec, [to], whole)
        except smtplib.SMTPRecipientsRefused as error:
            code = max((code for code, _ in error.recipients.values()), default=0)
            return self._not_taken(code, "the recipient")
        except smtplib.SMTPSenderRefused as error:
            self._drop()
            raise _by_code(error.smtp_code, "the sender (mail.sender)") from None
        except smtplib.SMTPDataError as error:
            return self._not_taken(error.smtp_code, "the message")
        except (OSError, smtplib.SMTPException) as error:
            # smtplib's own errors are OSErrors; a timeout is one as well.
            logger("jobs").warning("mail connection lost", error=type(error).__name__)
            self._drop()
            self._broken += 1
            if self._broken >= _BROKEN:
                raise TransientError("the mail server breaks the connection over each message") from None
            return Delivered.LATER
        self._broken = 0
        return Delivered.SENT

    def _not_taken(self, code: int, what: str) -> Delivered:
        logger("jobs").warning("mail not taken", what=what, reply=code)
        self._broken = 0
        return Delivered.REFUSED if code >= _PERMANENT else Delivered.LATER

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None

    def _new(self) -> smtplib.SMTP:
        # Our own name in the greeting: that of the sender's domain, for the machine's name is nobody's business.
        name = domain_of(self._sender)
        smtp = (
            smtplib.SMTP_SSL(local_hostname=name, timeout=self._timeout, context=self._tls)
            if self._mail.security == "tls"
            else smtplib.SMTP(local_hostname=name, timeout=self._timeout)
        )
        # The name that the certificate is compared with. Only the constructor sets it, which would connect at once and
        # leave nothing to cut a server off by that drips its first words.
        smtp._host = self._mail.host  # type: ignore[attr-defined]  # not in typeshed
        return smtp

    def _secure(self, smtp: smtplib.SMTP) -> None:
        if self._mail.security == "starttls":
            smtp.starttls(context=self._tls)
        if self._mail.username is not None and self._mail.password is not None:
            smtp.login(self._mail.username, self._mail.password.get_secret_value())

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn what goes wrong on the way in to errors of ours."""
        try:
            yield
        except smtplib.SMTPNotSupportedError:
            lacking = "STARTTLS" if self._mail.security == "starttls" else "a way to sign in"
            raise RemoteError(f"the mail server does not offer {lacking} that we know") from None
        except smtplib.SMTPAuthenticationError as error:
            raise _by_code(error.smtp_code, "name and password (mail.username)") from None
        except smtplib.SMTPResponseException as error:
            raise _by_code(error.smtp_code, what) from None
        except ssl.SSLCertVerificationError as error:
            raise RemoteError(f"the mail server's certificate is not to be trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise RemoteError(f"the mail server does not speak TLS as mail.security says ({error.reason})") from None
        except (OSError, smtplib.SMTPException) as error:
            kind = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise TransientError(f"the mail server cannot be reached ({kind})") from None

    @contextmanager
    def _hurried(self, smtp: smtplib.SMTP) -> Iterator[None]:
        """End the connection once it has taken too long, however busy it looks."""
        timer = threading.Timer(self._longest, _cut, [smtp])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _cut(smtp: smtplib.SMTP) -> None:
    sock = smtp.sock
    if sock is not None:
        with suppress(OSError):
            # Not TLS's own way to end, which would wait for the other side.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _tls(mail: MailSettings) -> ssl.SSLContext:
    try:
        return tls_context(None if mail.ca_file is None else str(mail.ca_file))
    except ConfigurationError as error:
        raise ConfigurationError(f"mail.{error.setting}", error.problem) from None


def _by_code(code: int, what: str) -> RemoteError:
    if code >= _PERMANENT:
        return RemoteError(f"the mail server refuses {what} (reply {code})")
    return TransientError(f"the mail server does not take {what} now (reply {code})")
