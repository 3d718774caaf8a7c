"""Letters handed in to a real SMTP server, and to some that are none."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from email.headerregistry import Address
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.alerts.mail.letters import Letters
from stockstream.alerts.mail.links import MailLinks
from stockstream.alerts.mail.places import SmtpServer, read_smtp_url
from stockstream.alerts.mail.smtp import Handed, Postman, Sent
from stockstream.cli.doctor.findings import Result
from stockstream.cli.doctor.mail import look_at_smtp
from stockstream.messages import Alert
from stockstream.quotes import Symbol, Version
from tests.support.selfsigned import server_context
from tests.support.smtp_server import USER, Mailbox, smtp_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import EmailMessage
    from pathlib import Path

LINKS = MailLinks(["a" * 32], "https://stocks.example/" + "a-long-path/" * 8)
LETTERS = Letters(Address("Alerts, of StöckStream", addr_spec="alerts@example.com"), LINKS)
ALERT = Alert(
    number=1,
    owner="me",
    rule=7,
    symbol=Symbol("AAPL"),
    kind="above",
    threshold=151.0,
    window=None,
    price=151.02,
    reference=None,
    timestamp=1_795_348_800_000,
    version=Version(1, 2),
    fired_at=1_795_348_800_500,
    currency="USD",
)
NOWHERE_ELSE = "0.0.0.0"
"""It leads here, and does not count as this machine."""


def letter(to: str = "me@example.org") -> tuple[str, str, EmailMessage]:
    return LETTERS.sender, to, LETTERS.of_alert(ALERT, to, 5)


def postman(
    port: int,
    *,
    host: str = "127.0.0.1",
    tls: bool = False,
    user: str | None = None,
    password: Callable[[], str | None] = lambda: None,
    context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    seconds: float = 5.0,
    limit: float = 10.0,
    allow_plain: bool = False,
) -> Postman:
    server = SmtpServer(host, port, tls, user, allow_plain)
    return Postman(server, password, seconds, limit, context)


async def test_a_letter_comes_as_it_was_written() -> None:
    """Its links whole: a program of mail reads the one to end it from the head."""
    with smtp_server() as box:
        assert await postman(box.port).hand_in([letter()]) == Handed([Sent(code=250)])
    (came,) = box.letters
    stop = LINKS.stop(5)
    assert f"List-Unsubscribe: <{stop}>\r\n".encode() in box.raw[0]
    assert came["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (came["From"].addresses[0].display_name, came["To"]) == (
        "Alerts, of StöckStream",
        "me@example.org",
    )
    assert came["Subject"] == "AAPL rose to 151.02 USD, over 151"
    assert came["Message-ID"] == "<7-1-2.5@example.com>"
    assert stop in came.get_content()
    assert box.senders == ["alerts@example.com"]


async def test_what_the_server_says_decides_whether_it_is_tried_again() -> None:
    """Letter by letter: one that is refused does not stand in the way of the next."""
    box = Mailbox(answers={"no@a.example": ["550 5.1.1 no such"], "later@a.example": ["451 busy"]})
    with smtp_server(box):
        letters = [letter(f"{name}@a.example") for name in ("no", "later", "yes")]
        handed = await postman(box.port).hand_in(letters)
    assert handed.trouble is None
    assert [(sent.code, sent.final) for sent in handed.outcomes] == [
        (550, True),
        (451, False),
        (250, False),
    ]
    assert [str(came["To"]) for came in box.letters] == ["yes@a.example"]


async def test_a_password_is_asked_for_at_each_connection() -> None:
    """A wrong one is no letter's trouble, and is not told; the new one is used at once."""
    box = Mailbox(password="n3w-hunter2")
    known = ["old-hunter2"]
    with smtp_server(box):
        me = postman(box.port, user=USER, password=lambda: known[0])
        refused = await me.hand_in([letter()])
        assert refused == Handed([], "535 the user or the password is refused")
        known[0] = "n3w-hunter2"
        assert (await me.hand_in([letter()])).outcomes == [Sent(code=250)]


async def test_tls_is_needed_and_checked(tmp_path: Path) -> None:
    """By STARTTLS or from the first byte, unless the server is this machine, or it is allowed."""
    wrong = server_context(tmp_path)
    with smtp_server(tls=wrong) as box:
        refused = await postman(box.port, tls=True).hand_in([letter()])
        assert refused.outcomes == []
        assert str(refused.trouble).startswith("TLS: ")
    right = server_context(tmp_path, address=NOWHERE_ELSE)

    def trusting() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=tmp_path / "server.pem")

    with smtp_server(tls=right) as box:
        me = postman(box.port, host=NOWHERE_ELSE, tls=True, context=trusting)
        assert (await me.hand_in([letter()])).outcomes == [Sent(code=250)]
    with smtp_server(starttls=right) as box:
        me = postman(box.port, host=NOWHERE_ELSE, context=trusting)
        assert (await me.hand_in([letter()])).outcomes == [Sent(code=250)]
        refused = await postman(box.port, host=NOWHERE_ELSE).hand_in([letter()])
        assert str(refused.trouble).startswith("TLS: ")
    with smtp_server() as box:
        plain = await postman(box.port, host=NOWHERE_ELSE).hand_in([letter()])
        assert str(plain.trouble).startswith("it offers no STARTTLS")
        me = postman(box.port, host=NOWHERE_ELSE, allow_plain=True)
        assert (await me.hand_in([letter()])).outcomes == [Sent(code=250)]


@contextmanager
def rogue(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where one connection is taken, and treated like that."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


def _silent(connection: socket.socket) -> None:
    connection.recv(1)  # until the other side has had enough


def _dripping(connection: socket.socket) -> None:
    connection.settimeout(0.02)
    while True:
        try:
            if connection.sendall(b"2") is None and connection.recv(1) == b"":
                return
        except TimeoutError:
            continue
        except OSError:
            return


@pytest.mark.parametrize("behave", [_silent, _dripping])
async def test_a_server_that_hangs_is_left_in_time(
    behave: Callable[[socket.socket], None],
) -> None:
    """Also one that sends a byte now and then; its connection is closed."""
    with rogue(behave) as port, trio.fail_after(8):
        handed = await postman(port, seconds=0.3, limit=0.6).hand_in([letter()])
    assert handed == Handed([], "no answer in time")


async def test_the_doctor_connects_and_sends_nothing() -> None:
    """What it finds is what alerts would meet."""
    with smtp_server(Mailbox(password="right-hunter2")) as box:
        server = SmtpServer("127.0.0.1", box.port, False, USER)
        assert (await look_at_smtp(server, "right-hunter2")).result is Result.OK
        wrong = await look_at_smtp(server, "wrong")
        assert wrong.result is Result.FAILED
        assert "535 the user or the password is refused" in wrong.message
    assert box.raw == []


async def test_nobody_there_is_said_so() -> None:
    """By the system's word."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert (await postman(port).hand_in([])).trouble == "no connection: Connection refused"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost", SmtpServer("localhost", 587, False)),
        (
            "smtps://me%40a.example@mail.example",
            SmtpServer("mail.example", 465, True, "me@a.example"),
        ),
        ("smtp://u@[::1]:25", SmtpServer("::1", 25, False, "u")),
    ],
)
def test_a_server_is_read_from_its_address(url: str, server: SmtpServer) -> None:
    assert read_smtp_url(url) == server


@pytest.mark.parametrize(
    "url", ["mail.example", "http://a", "smtp://", "smtp://a:b@c", "smtp://a/b", "smtp://a:x", ""]
)
def test_what_is_no_server_is_refused_without_being_quoted(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(ValueError, match=r"^(write|must|has|is) ") as refused:
        read_smtp_url(url)
    assert "b@c" not in str(refused.value)
