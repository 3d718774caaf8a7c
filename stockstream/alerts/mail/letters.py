"""What letters say. Pure: an alert or a question, and links, as a message of mail."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from stockstream.alerts.mail.links import MailLinks
    from stockstream.messages import Alert

# Lines of a head may have 998 characters. Folded at 78, long links would be encoded, and dead.
_POLICY = SMTP.clone(max_line_length=900)
_MOVE = "move"
_WENT = {"above": ("rose", "over"), "below": ("fell", "under")}


class Letters:
    """Writes them, from `sender`: a name and an address."""

    def __init__(self, sender: Address, links: MailLinks) -> None:
        self._sender = sender
        self._links = links

    @property
    def sender(self) -> str:
        """The address that they come from, where a server tells that one could not be delivered."""
        return self._sender.addr_spec

    def of_alert(self, alert: Alert, receiver: str, address_id: int) -> EmailMessage:
        """An alert. Sent twice, it is the same letter by its `Message-ID`."""
        stop = self._links.stop(address_id)
        letter = self._letter(receiver, described(alert), f"{alert.id}.{address_id}")
        letter["Date"] = format_datetime(datetime.fromtimestamp(alert.fired_at / 1000, UTC))
        letter["List-Unsubscribe"] = f"<{stop}>"
        letter["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        crossings = "" if alert.crossings == 1 else f"It stands for {alert.crossings} crossings.\n"
        chart = f"{self._links.base}/s/{quote(alert.symbol, safe='')}"
        letter.set_content(
            f"{described(alert)}.\n{crossings}"
            f"It fired at {_utc(alert.fired_at)}; the price is of {_utc(alert.timestamp)}.\n\n"
            f"Chart: {chart}\n\n"
            "-- \n"
            "A rule of StockStream told to mail you this. To get no more of these:\n"
            f"{stop}\n"
        )
        return letter

    def of_question(self, receiver: str, address_id: int, key: int, now: int) -> EmailMessage:
        """Whether alerts may come to an address; `key` names this asking, `now` is in ms."""
        letter = self._letter(receiver, "May StockStream mail you alerts?", f"question.{key}")
        letter["Date"] = format_datetime(datetime.fromtimestamp(now / 1000, UTC))
        letter.set_content(
            f"Somebody asked StockStream to mail alerts to {receiver}.\n\n"
            "If that was you, confirm it within two days:\n"
            f"{self._links.confirm(address_id, now // 1000)}\n\n"
            "If it was not, do nothing: no alert will come. The same page can see to it that\n"
            "nobody asks you again.\n"
        )
        return letter

    def _letter(self, receiver: str, subject: str, key: str) -> EmailMessage:
        letter = EmailMessage(policy=_POLICY)
        letter["From"] = self._sender
        letter["To"] = Address(addr_spec=receiver)
        letter["Subject"] = subject
        letter["Message-ID"] = f"<{key}@{self._sender.domain}>"
        letter["Auto-Submitted"] = "auto-generated"
        return letter


def described(alert: Alert) -> str:
    """The alert in a line: "AAPL rose to 151.02 USD, over 151"."""
    unit = "" if alert.currency is None else f" {alert.currency}"
    at = f"{alert.symbol} {{}} to {_number(alert.price)}{unit}"
    if alert.kind != _MOVE:
        went, side = _WENT[alert.kind]
        over = "" if alert.price == alert.threshold else f", {side} {_number(alert.threshold)}"
        return at.format(went) + over
    reference = alert.reference or alert.price
    went = "fell" if alert.price < reference else "rose"
    percent = abs(alert.price / reference - 1) * 100
    return at.format(f"{went} {percent:.2f} %") + f" within {alert.window} s"


def _number(value: float) -> str:
    return f"{value:,.12g}"


def _utc(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
