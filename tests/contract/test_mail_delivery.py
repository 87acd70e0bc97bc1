"""Promises of the way to a real mail server: over TLS that is checked, signed in; each refusal told apart, nobody's address told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from adapter.config import MailSettings
from adapter.errors import ConfigurationError, RemoteError, TransientError
from adapter.jobs.mail import Delivered, Outgoing
from tests.support.certificates import Authority
from tests.support.mail_server import PASSWORD, USER, MailServer, mail_server
from tests.unit.jobs.events import logged

ANNA, BEN = "anna.secret@example.org", "ben.secret@example.org"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def settings(server: MailServer | int, **more: Any) -> MailSettings:
    port = server if isinstance(server, int) else server.port
    told = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "ReLUTH <reluth@example.org>", **more}
    return MailSettings.model_validate(told)


def message(text: str = "Bonjour é\n.hidden\n") -> EmailMessage:
    found = EmailMessage()
    found["Subject"] = "ReLUTH"
    found.set_content(text, cte="quoted-printable")
    return found


def test_mail_goes_by_starttls_and_signed_in(authority: Authority) -> None:
    with mail_server(starttls=authority.server_context(), auth=True) as server:
        mail = settings(server, security="starttls", username=USER, password=PASSWORD, ca_file=authority.file)
        with Outgoing(mail) as outgoing:
            assert [outgoing.send(message(), to=to) for to in (ANNA, BEN)] == [Delivered.SENT, Delivered.SENT]

    assert server.recipients == [ANNA, BEN]
    assert (server.signed_in, server.over_tls) == ([USER], [True, True])
    assert "Bonjour é" in server.message().get_content()
    assert "\n.hidden" in server.message().get_content().replace("\r", "")
    # The machine's own name is nobody's business.
    assert set(server.greeted_as) == {"example.org"}


def test_mail_goes_by_tls_from_the_first_byte(authority: Authority) -> None:
    with (
        mail_server(tls=authority.server_context()) as server,
        Outgoing(settings(server, security="tls", ca_file=authority.file)) as outgoing,
    ):
        assert outgoing.send(message(), to=ANNA) is Delivered.SENT

    assert server.over_tls == [True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_does_not_go_to_a_server_whose_certificate_nobody_vouches_for(
    authority: Authority, tmp_path: Path, security: str
) -> None:
    given: dict[str, Any] = {security: authority.server_context()}
    stranger = Authority(tmp_path / "other")
    with (
        mail_server(**given) as server,
        Outgoing(settings(server, security=security, ca_file=stranger.file)) as out,
        pytest.raises(RemoteError, match="certificate is not to be trusted") as raised,
    ):
        out.send(message(), to=ANNA)

    assert not isinstance(raised.value, TransientError)
    assert (server.taken, server.signed_in, server.over_tls) == ([], [], [])


def test_mail_does_not_go_to_a_server_whose_certificate_is_for_another_name(authority: Authority) -> None:
    with mail_server(starttls=authority.server_context()) as server:
        # 127.0.0.2 is this machine as well, and not in the certificate.
        mail = settings(server, security="starttls", host="127.0.0.2", ca_file=authority.file)
        with (
            _forwarded("127.0.0.2", server.port) as port,
            Outgoing(mail.model_copy(update={"port": port})) as outgoing,
            pytest.raises(RemoteError, match="IP address mismatch"),
        ):
            outgoing.send(message(), to=ANNA)

    assert server.taken == []


def test_mail_and_password_do_not_go_to_a_server_that_has_lost_its_starttls() -> None:
    with (
        mail_server() as server,
        Outgoing(settings(server, security="starttls", username=USER, password=PASSWORD)) as outgoing,
        pytest.raises(RemoteError, match="STARTTLS"),
    ):
        outgoing.send(message(), to=ANNA)

    assert (server.taken, server.over_tls, server.signed_in) == ([], [], [])


def test_server_without_tls_at_a_port_for_tls_is_named_as_that() -> None:
    with (
        mail_server() as server,
        Outgoing(settings(server, security="tls")) as outgoing,
        pytest.raises(RemoteError, match=r"mail\.security"),
    ):
        outgoing.connect()


def test_password_that_is_refused_is_the_administrators_to_mend(authority: Authority) -> None:
    with mail_server(starttls=authority.server_context(), auth=True) as server:
        mail = settings(server, security="starttls", username=USER, password="wrong", ca_file=authority.file)
        with Outgoing(mail) as outgoing, pytest.raises(RemoteError, match=r"mail\.username.*535") as raised:
            outgoing.send(message(), to=ANNA)

    assert raised.value.exit_code == 4
    assert "wrong" not in str(raised.value)


def test_signing_in_at_a_server_that_offers_no_way_to_is_refused() -> None:
    with (
        mail_server() as server,
        Outgoing(settings(server, username=USER, password=PASSWORD)) as outgoing,
        pytest.raises(RemoteError, match="a way to sign in"),
    ):
        outgoing.send(message(), to=ANNA)


@pytest.mark.parametrize(
    ("reply", "became"),
    [("550 5.1.1 <anna.secret@example.org> unknown", Delivered.REFUSED), ("451 4.7.1 greylisted", Delivered.LATER)],
)
def test_recipient_who_is_not_taken_does_not_stop_the_others(reply: str, became: Delivered) -> None:
    with logged() as events, mail_server(replies={ANNA: [reply]}) as server, Outgoing(settings(server)) as outgoing:
        found = [outgoing.send(message(), to=to) for to in (ANNA, BEN, ANNA)]

    assert found == [became, Delivered.SENT, Delivered.SENT]
    assert server.recipients == [BEN, ANNA]
    assert "secret" not in str(events)


@pytest.mark.parametrize(("reply", "became"), [("554 spam", Delivered.REFUSED), ("452 full", Delivered.LATER)])
def test_message_that_is_not_taken_does_not_stop_the_others(reply: str, became: Delivered) -> None:
    with mail_server(data_replies=[reply]) as server, Outgoing(settings(server)) as outgoing:
        found = [outgoing.send(message(), to=to) for to in (ANNA, BEN)]

    assert found == [became, Delivered.SENT]
    assert server.recipients == [BEN]


def test_connection_that_breaks_with_a_message_on_the_way_is_opened_again_for_the_next() -> None:
    with mail_server(data_replies=[None]) as server, Outgoing(settings(server)) as outgoing:
        found = [outgoing.send(message(), to=to) for to in (ANNA, BEN, ANNA)]

    assert found == [Delivered.LATER, Delivered.SENT, Delivered.SENT]
    assert server.recipients == [BEN, ANNA]


def test_server_that_breaks_every_connection_is_left_alone() -> None:
    with mail_server(data_replies=[None] * 9) as server, Outgoing(settings(server)) as outgoing:
        assert [outgoing.send(message(), to=ANNA) for _ in range(2)] == [Delivered.LATER, Delivered.LATER]
        with pytest.raises(TransientError, match="breaks the connection"):
            outgoing.send(message(), to=ANNA)


@pytest.mark.parametrize(("reply", "error"), [("553 not yours", RemoteError), ("451 later", TransientError)])
def test_sender_who_is_not_taken_stops_all(reply: str, error: type[RemoteError]) -> None:
    with (
        mail_server(sender_reply=reply) as server,
        Outgoing(settings(server)) as outgoing,
        pytest.raises(error, match=r"mail\.sender") as raised,
    ):
        outgoing.send(message(), to=ANNA)

    assert type(raised.value) is error
    assert "secret" not in str(raised.value)


def test_server_that_is_not_there_is_tried_later() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        mail = settings(taken.getsockname()[1])
        with Outgoing(mail) as outgoing, pytest.raises(TransientError, match="cannot be reached") as raised:
            outgoing.send(message(), to=ANNA)

    assert raised.value.exit_code == 75


@pytest.mark.parametrize("first", [b"", b"421 4.3.2 closing\r\n"], ids=["no word", "busy"])
def test_server_that_does_not_let_us_begin_is_tried_later(first: bytes) -> None:
    with _speaking([first]) as port, Outgoing(settings(port), timeout=5) as outgoing, pytest.raises(TransientError):
        outgoing.connect()


def test_server_that_says_nothing_is_left_after_the_timeout() -> None:
    with _speaking([]) as port, Outgoing(settings(port), timeout=0.3) as outgoing:
        begun = time.monotonic()
        with pytest.raises(TransientError):
            outgoing.connect()

    assert time.monotonic() - begun < 5


def test_server_that_drips_its_words_is_cut_off() -> None:
    # Each byte comes before the timeout: without a limit for the whole this lasts as long as the server likes.
    with _speaking([b"2"] * 300, pause=0.05) as port, Outgoing(settings(port), timeout=5, longest=0.5) as outgoing:
        begun = time.monotonic()
        with pytest.raises(TransientError):
            outgoing.connect()

    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"host": "mail.example.org"}, "mail.security"),
        ({"username": USER}, "mail.username"),
        ({"password": PASSWORD}, "mail.username"),
        ({"username": USER, "password": "pässword"}, "mail.password"),
        ({"username": "rélu", "password": "x"}, "mail.username"),
        ({"sender": "ReLUTH"}, "mail.sender"),
        ({"sender": "ReLUTH <a@example.org>\r\nBcc: eve@example.org"}, "mail.sender"),
        ({"security": "tls", "ca_file": "/nowhere/ca.pem"}, "mail.ca_file"),
    ],
)
def test_settings_by_which_no_mail_can_go_safely_are_named(more: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Outgoing(settings(25, **more))

    assert raised.value.setting == key
    assert "pässword" not in str(raised.value) and "eve" not in str(raised.value)


@contextmanager
def _speaking(words: list[bytes], *, pause: float = 0.0) -> Iterator[int]:
    """A server that says these words to the first who comes, and hangs up; without any it says nothing and stays."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    for word in words:
                        connection.sendall(word)
                        if done.wait(pause):
                            return
                    if not words:
                        done.wait(10)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            done.set()
            thread.join(timeout=10)


@contextmanager
def _forwarded(host: str, to: int) -> Iterator[int]:
    """One connection to a name of this machine, handed on to a port of it."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while part := source.recv(65536):
                target.sendall(part)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    with socket.create_server((host, 0)) as listening:
        listening.settimeout(10)

        def serve() -> None:
            came, _ = listening.accept()
            with came, socket.create_connection(("127.0.0.1", to)) as there:
                back = threading.Thread(target=copy, args=(there, came))
                back.start()
                copy(came, there)
                back.join(timeout=10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join(timeout=10)
