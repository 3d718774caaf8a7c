"""Where letters are handed in and whom they come from, as settings say it."""

from __future__ import annotations

from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from stockstream.alerts.mail.addresses import WrongAddress, read_address

LONGEST_NAME = 64
SMTP_PORT, SMTPS_PORT = 587, 465


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where letters are handed in, and as whom. `tls` from the first byte, else by STARTTLS, which
    is needed unless the server is this machine, or `allow_plain`.
    """

    host: str
    port: int
    tls: bool
    user: str | None = None
    allow_plain: bool = False

    @property
    def is_here(self) -> bool:
        """Whether what is sent leaves this machine."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_smtp_url(text: str, *, allow_plain: bool = False) -> SmtpServer:
    """A server, as `smtp://user@host:587` or `smtps://host`.

    Raises:
        ValueError: it is none. What the text holds is not quoted: it might be a password.
    """
    try:
        parts = urlsplit(text)
        host, port, user = parts.hostname, parts.port, parts.username
    except ValueError:
        raise ValueError("is no address; write smtp://user@host:587 or smtps://user@host") from None
    if parts.scheme not in {"smtp", "smtps"} or not host:
        raise ValueError("write smtp://user@host:587, or smtps:// for TLS from the first byte")
    if parts.password is not None:
        raise ValueError("must hold no password: that is SMTP_PASSWORD, or SMTP_PASSWORD_FILE")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("has more than user, host and port")
    user = unquote(user) if user else None
    if not text.isascii() or not text.isprintable() or (user and not user.isprintable()):
        raise ValueError("must be printable ASCII characters; others are written as %…")
    tls = parts.scheme == "smtps"
    return SmtpServer(host, port or (SMTPS_PORT if tls else SMTP_PORT), tls, user, allow_plain)


def read_sender(text: str) -> Address:
    """Whom letters come from: `alerts@example.com`, or `StockStream <alerts@example.com>`.

    Raises:
        ValueError: it is no such thing.
    """
    name, address = parseaddr(text)
    plain = text.strip() in {address, f"<{address}>"}
    if not address or not text.isprintable() or (not plain and not text.strip().endswith(">")):
        raise ValueError(f"{text!r} is no sender; write Name <alerts@example.com>")
    try:
        spec = read_address(address)
    except WrongAddress as error:
        raise ValueError(f"{address!r}: {error}") from None
    if len(name) > LONGEST_NAME:
        raise ValueError(f"the name has at most {LONGEST_NAME} characters")
    return Address(display_name=name or "StockStream", addr_spec=spec)
