"""The metrics of the alerts and their webhooks for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.metrics import counter, counters, gauge, gauges
from stockstream.statuses import WebhookStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from stockstream.statuses import AlertStatus, MailStatus
    from stockstream.tables import Tables


def families(tables: Tables) -> Iterator[Family]:
    """Rules, what they fired, and how it is posted. Counts are of this process."""
    alerts = tables.alerts.value
    if alerts is not None:
        yield from _alerts(alerts)
    yield from _webhooks(tables.webhooks.value or WebhookStatus())
    mail = tables.mail.value
    if mail is not None:
        yield from _mail(mail)


def _alerts(alerts: AlertStatus) -> Iterator[Family]:
    yield gauge("stockstream_alert_rules", "Rules that prices are judged by.", alerts.rules)
    yield counter(
        "stockstream_alert_judgements_total", "Prices judged, each by one rule.", alerts.judged
    )
    yield counter("stockstream_alerts_fired_total", "Alerts that rules fired.", alerts.fired)
    yield gauges(
        "stockstream_alerts_waiting",
        "Alerts that are not stored yet, and alerts that no browser was told yet.",
        [({"for": "database"}, alerts.unstored), ({"for": "delivery"}, alerts.undelivered)],
    )
    yield counter(
        "stockstream_alerts_dropped_total",
        "Alerts that were lost, because the database was away for too long.",
        alerts.dropped,
    )
    yield counter(
        "stockstream_alerts_withheld_total",
        "Crossings within a cool-down; one alert tells of them all after it.",
        alerts.withheld,
    )
    yield counter(
        "stockstream_alert_quotes_missed_total",
        "Prices that came too fast to be judged; only the newest of each symbol was.",
        alerts.missed,
    )


def _mail(mail: MailStatus) -> Iterator[Family]:
    yield counters(
        "stockstream_mail_attempts_total",
        "Attempts to mail an alert, or a question, by how they ended.",
        [({"outcome": "delivered"}, mail.delivered), ({"outcome": "failed"}, mail.failed)],
    )
    yield counter(
        "stockstream_mail_given_up_total",
        "Letters that are not tried any more.",
        mail.dead,
    )
    yield gauge(
        "stockstream_mail_trouble",
        "1 while the SMTP server takes no letters of this node at all.",
        int(mail.trouble is not None),
    )


def _webhooks(webhooks: WebhookStatus) -> Iterator[Family]:
    yield counters(
        "stockstream_webhook_attempts_total",
        "Attempts to post an alert, by how they ended.",
        [({"outcome": "delivered"}, webhooks.delivered), ({"outcome": "failed"}, webhooks.failed)],
    )
    yield counter(
        "stockstream_webhook_calls_given_up_total",
        "Alerts that are not posted any more, after all their attempts.",
        webhooks.dead,
    )
    yield gauge(
        "stockstream_webhook_attempts_under_way",
        "Attempts that have begun, and are not written down as ended yet.",
        webhooks.under_way,
    )
