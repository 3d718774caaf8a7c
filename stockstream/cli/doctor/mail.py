"""The check of the SMTP server: whether it would take alerts from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.alerts.mail.smtp import Postman
from stockstream.cli.doctor.findings import failed, ok

if TYPE_CHECKING:
    from stockstream.alerts.mail.places import SmtpServer
    from stockstream.cli.doctor.findings import Finding

SECONDS = 5.0


async def look_at_smtp(server: SmtpServer, password: str | None) -> Finding:
    """Connect and log in, as the server does it; nothing is sent."""
    handed = await Postman(server, lambda: password, SECONDS, 2 * SECONDS).hand_in([])
    place = f"{server.host}:{server.port}"
    if handed.trouble is None:
        return ok(f"{place} lets us hand mail in")
    return failed(f"{place}: {handed.trouble}", "correct SMTP_URL or SMTP_PASSWORD")
