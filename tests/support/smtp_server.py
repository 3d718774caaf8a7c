"""A real SMTP server in a thread, which keeps what it is given and answers as a test wants."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Iterator
    from email.message import EmailMessage

USER = "stock"


@dataclass
class Mailbox:
    """What came, and what the server says next: `answers` to RCPT by address, once each."""

    port: int = 0
    password: str | None = None
    answers: dict[str, list[str]] = field(default_factory=dict)
    raw: list[bytes] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)

    @property
    def letters(self) -> list[EmailMessage]:
        """What was taken, the oldest first."""
        return [message_from_bytes(each, policy=default) for each in self.raw]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if self.answers.get(address):
            return self.answers[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.senders.append(envelope.mail_from)
        self.raw.append(envelope.content)
        return "250 taken"

    def authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        right = (data.login, data.password) == (USER.encode(), (self.password or "").encode())
        return AuthResult(success=right, handled=False)


class _Controller(Controller):
    """On a free port: the socket is there before the server is."""

    def __init__(self, box: Mailbox, **options: Any) -> None:
        self.bound = socket.create_server(("127.0.0.1", 0))
        box.port = self.bound.getsockname()[1]
        super().__init__(box, hostname="127.0.0.1", port=box.port, **options)

    def _create_server(self) -> Any:
        loop: asyncio.AbstractEventLoop = self.loop
        return loop.create_server(self._factory_invoker, sock=self.bound, ssl=self.ssl_context)


@contextmanager
def smtp_server(
    box: Mailbox | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
) -> Iterator[Mailbox]:
    """A server: by TLS from the first byte, or that offers STARTTLS, or neither. It takes a
    user with the password of the box, where that has one.
    """
    box = box or Mailbox()
    options: dict[str, Any] = {"ssl_context": tls}
    if starttls is not None:
        options |= {"tls_context": starttls, "require_starttls": False}
    if box.password is not None:
        options |= {
            "authenticator": box.authenticate,
            "auth_require_tls": False,
        }
    controller = _Controller(box, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
