"""Letters to an SMTP server: one connection for some letters, each with its outcome.

smtplib blocks, so it runs in a thread, under a limiter of its own. Each of its waits has a limit;
but a server that sends a byte now and then keeps within all of them. So there is a limit for the
whole, too: then the socket is shut down from outside, which ends whatever the thread waits for.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from stockstream.http_client import os_reason, root_cause, tls_context, tls_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from email.message import EmailMessage

    from stockstream.alerts.mail.places import SmtpServer

THREADS = 2
"""One that works, and one that was given up and has not noticed yet."""
LONGEST_REASON = 200
_PERMANENT = 500
"""From here on, codes of SMTP say that trying again is of no use."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The outcome of a letter. `reason` says why it was not taken, None when it was; `final`: a
    further try would fail, too. `code` is the server's, None without one.
    """

    reason: str | None = None
    code: int | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Handed:
    """What came of a connection: the outcomes of the letters that were tried, in their order, and
    why there are no more of them, which says nothing of the letters.
    """

    outcomes: list[Sent] = field(default_factory=list)
    trouble: str | None = None


class NoTls(smtplib.SMTPException):
    """The server offers no STARTTLS, and is somewhere else."""


class _Connection:
    """One connection, used by a thread; `abort` may be called from another."""

    def __init__(self, server: SmtpServer, seconds: float, context: ssl.SSLContext) -> None:
        self._server = server
        self._seconds = seconds
        self._context = context
        self._smtp: smtplib.SMTP | None = None
        self._aborted = False

    def abort(self) -> None:
        """End what the thread waits for."""
        self._aborted = True
        sock = None if self._smtp is None else self._smtp.sock
        if sock is not None:
            with suppress(OSError):  # it is closed already
                sock.shutdown(socket.SHUT_RDWR)

    def hand_in(
        self, letters: Sequence[tuple[str, str, EmailMessage]], password: str | None, told: Handed
    ) -> None:
        """Send letters, each with its sender and its receiver; outcomes are in `told` at once."""
        smtp = self._opened(password)
        try:
            for sender, receiver, letter in letters:
                if self._aborted:
                    return
                told.outcomes.append(_send(smtp, sender, receiver, letter))
            with suppress(smtplib.SMTPException, OSError):  # all is taken already
                smtp.quit()
        finally:
            smtp.close()

    def _opened(self, password: str | None) -> smtplib.SMTP:
        server, seconds = self._server, self._seconds
        smtp = self._smtp = (
            smtplib.SMTP_SSL(timeout=seconds, context=self._context)
            if server.tls
            else smtplib.SMTP(timeout=seconds)
        )
        try:
            # For the name that a certificate has to have: the constructor would connect at once.
            smtp._host = server.host  # type: ignore[attr-defined]  # noqa: SLF001
            code, said = smtp.connect(server.host, server.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, said)
            smtp.ehlo_or_helo_if_needed()
            if not server.tls and not server.is_here:
                if smtp.has_extn("starttls"):
                    smtp.starttls(context=self._context)
                    smtp.ehlo()
                elif not server.allow_plain:
                    raise NoTls("it offers no STARTTLS (SMTP_ALLOW_PLAIN goes on without)")
            if server.user is not None:
                smtp.login(server.user, password or "")
        except BaseException:
            smtp.close()
            raise
        return smtp


def _send(smtp: smtplib.SMTP, sender: str, receiver: str, letter: EmailMessage) -> Sent:
    """Hand one in.

    Raises:
        smtplib.SMTPException, OSError: the connection, or what we are there, is in trouble.
    """
    try:
        smtp.send_message(letter, sender, [receiver])
    except smtplib.SMTPRecipientsRefused as error:
        code, said = error.recipients[receiver]
        return _refused(code, said)
    except smtplib.SMTPDataError as error:
        return _refused(error.smtp_code, error.smtp_error)
    return Sent(code=250)


def _refused(code: int, said: bytes | str) -> Sent:
    return Sent(_shown(f"{code} {_text(said)}"), code, final=code >= _PERMANENT)


@dataclass
class Postman:
    """Hands letters in. A connection takes at most `limit` seconds, a wait in it `seconds`."""

    server: SmtpServer
    password: Callable[[], str | None]
    seconds: float = 10.0
    limit: float = 60.0
    context: Callable[[], ssl.SSLContext] = tls_context
    _limiter: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(THREADS))

    async def hand_in(self, letters: Sequence[tuple[str, str, EmailMessage]]) -> Handed:
        """Send letters, each with the addresses of its sender and its receiver; none only shows
        whether the server takes us.
        """
        told = Handed()
        with trio.move_on_after(self.limit) as scope:
            context = await trio.to_thread.run_sync(self.context, limiter=self._limiter)
            connection = _Connection(self.server, self.seconds, context)
            try:
                work = partial(connection.hand_in, letters, self.password(), told)
                await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._limiter)
            except (smtplib.SMTPException, OSError) as error:
                return Handed(told.outcomes, _shown(_why(error)))
            except trio.Cancelled:
                connection.abort()
                raise
        if scope.cancelled_caught:
            return Handed(list(told.outcomes), "no answer in time")
        return told


def _why(error: Exception) -> str:
    """Why there is no connection that takes letters, without what we have shown there."""
    root = root_cause(error)
    if isinstance(root, TimeoutError):  # which smtplib calls cut off, too
        return "no answer in time"
    match error:
        case NoTls():
            return str(error)
        case smtplib.SMTPAuthenticationError():
            return f"{error.smtp_code} the user or the password is refused"
        case smtplib.SMTPResponseException():
            return f"{error.smtp_code} {_text(error.smtp_error)}"
        case smtplib.SMTPServerDisconnected():
            return "the connection was cut off"
        case smtplib.SMTPException():
            return _text(str(error))
    if isinstance(root, ssl.SSLError):
        return f"TLS: {tls_reason(root)}"
    return f"no connection: {os_reason(root) or error}"


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said


def _shown(reason: str) -> str:
    return "".join(c if c.isprintable() else " " for c in reason)[:LONGEST_REASON]
