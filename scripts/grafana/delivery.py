"""Prices out: clients, flushes, sockets, and the alerts that users set."""

from __future__ import annotations

from scripts.grafana.expressions import mean, of, quantile, rate, total
from scripts.grafana.model import Dashboard, Row, graph, query

DASHBOARD = Dashboard(
    name="delivery",
    title="Delivery",
    description="How prices go out: clients, flushes, sockets, and the alerts that users set.",
    rows=(
        Row(
            "Clients",
            (
                graph(
                    "Clients",
                    "WebSocket clients that prices may go to, and those of them with a "
                    "subscription.",
                    "none",
                    query(of("stockstream_clients")),
                    query(of("stockstream_clients_subscribed"), "{{instance}} subscribed"),
                ),
                graph(
                    "Clients that lag",
                    "Clients that have not received for so many seconds what was sent to them, "
                    "and those that are marked slow: they get fewer and newer prices.",
                    "none",
                    query(total(of("stockstream_clients_lagging"), "over"), "over {{over}} s"),
                    query(total(of("stockstream_clients_slow")), "slow"),
                    runbook="SlowClients",
                ),
                graph(
                    "Longest lag of a client",
                    "How long the slowest client has not received what was sent to it.",
                    "s",
                    query(of("stockstream_client_lag_seconds_max")),
                ),
                graph(
                    "Clients parted with",
                    "Clients that the broadcaster closed in a second: gone without a word, or too "
                    "slow.",
                    "cps",
                    query(total(rate("stockstream_clients_parted_with_total"), "why"), "{{why}}"),
                ),
                graph(
                    "Pings",
                    "Pings to clients in a second.",
                    "cps",
                    query(rate("stockstream_pings_total")),
                ),
                graph(
                    "Sets of symbols",
                    "Different sets of symbols at the last flush: each is encoded once.",
                    "none",
                    query(of("stockstream_client_sets")),
                ),
            ),
        ),
        Row(
            "Flushes",
            (
                graph(
                    "Time of a flush",
                    "From the begin of a flush until each client had it or was left behind: half "
                    "of the flushes, and all but one of a hundred. The setting FLUSH_INTERVAL "
                    "beside it.",
                    "s",
                    query(
                        quantile(0.5, "stockstream_flush_seconds", "instance"), "{{instance}} half"
                    ),
                    query(
                        quantile(0.99, "stockstream_flush_seconds", "instance"), "{{instance}} 99 %"
                    ),
                    query(of("stockstream_flush_interval_seconds"), "{{instance}} interval"),
                ),
                graph(
                    "Symbols of a flush",
                    "Symbols that a flush changed, on average, and in the last one.",
                    "none",
                    query(mean("stockstream_batch_symbols", "instance"), "{{instance}} mean"),
                    query(of("stockstream_last_batch_symbols"), "{{instance}} last"),
                ),
                graph(
                    "Flushes and rounds",
                    "Flushes in a second, and rounds, which are flushes and what is between them "
                    "for the status and for clients that are behind.",
                    "cps",
                    query(rate("stockstream_flushes_total"), "{{instance}} flushes"),
                    query(rate("stockstream_rounds_total"), "{{instance}} rounds"),
                ),
                graph(
                    "Frames",
                    "Frames that sockets took, in a second.",
                    "cps",
                    query(rate("stockstream_frames_total")),
                ),
                graph(
                    "Prices",
                    "Prices in these frames, in a second.",
                    "cps",
                    query(rate("stockstream_updates_total")),
                ),
                graph(
                    "Full sockets",
                    "Frames that sockets took in part at first, and times that a socket took "
                    "nothing, in a second: clients or networks that are slower than the prices.",
                    "cps",
                    query(total(rate("stockstream_frames_begun_total")), "in part"),
                    query(total(rate("stockstream_frames_refused_total")), "nothing"),
                ),
            ),
        ),
        Row(
            "Handshakes and sockets",
            (
                graph(
                    "Connections",
                    "WebSocket connections, and the setting MAX_CONNECTIONS.",
                    "none",
                    query(of("stockstream_connections")),
                    query(of("stockstream_connections_limit"), "{{instance}} limit"),
                    runbook="ConnectionsNearLimit",
                ),
                graph(
                    "Handshakes refused",
                    "Handshakes of WebSockets that were refused in a second, by why.",
                    "cps",
                    query(total(rate("stockstream_connections_refused_total"), "code"), "{{code}}"),
                ),
                graph(
                    "Told to wait",
                    "Requests, handshakes, changes, logins and tokens that were told to wait, in "
                    "a second, by the limit that they were over.",
                    "cps",
                    query(total(rate("stockstream_limit_refused_total"), "limit"), "{{limit}}"),
                    runbook="LoginFailures",
                ),
                graph(
                    "Who is remembered by the limits",
                    "Users or addresses, by limit.",
                    "none",
                    query(total(of("stockstream_limit_keys"), "limit"), "{{limit}}"),
                ),
                graph(
                    "Who waits",
                    "Handshakes that wait for their turn, and frames and requests that do.",
                    "none",
                    query(of("stockstream_handshakes_waiting"), "{{instance}} handshakes"),
                    query(of("stockstream_turnstile_waiting"), "{{instance}} frames and requests"),
                ),
                graph(
                    "Sockets",
                    "Open sockets of the web server, and addresses that have WebSocket "
                    "connections.",
                    "none",
                    query(of("stockstream_sockets"), "{{instance}} sockets"),
                    query(of("stockstream_client_addresses"), "{{instance}} addresses"),
                ),
                graph(
                    "Sockets that came and were sent away",
                    "In a second: accepted, over a limit, and idle ones that were closed for "
                    "others.",
                    "cps",
                    query(total(rate("stockstream_sockets_accepted_total")), "accepted"),
                    query(total(rate("stockstream_sockets_refused_total")), "over a limit"),
                    query(total(rate("stockstream_sockets_evicted_total")), "closed for others"),
                ),
                graph(
                    "Connections that ended badly",
                    "In a second: an error in the protocol code, nothing taken for 30 s, and "
                    "requests that ended with an error.",
                    "cps",
                    query(total(rate("stockstream_connections_crashed_total")), "error"),
                    query(total(rate("stockstream_connections_timed_out_total")), "took nothing"),
                    query(total(rate("stockstream_handler_errors_total")), "requests"),
                    runbook="RequestsFail",
                ),
            ),
        ),
        Row(
            "Alerts and webhooks",
            (
                graph(
                    "Rules",
                    "Rules of users that prices are judged by.",
                    "none",
                    query(of("stockstream_alert_rules")),
                ),
                graph(
                    "Judgements",
                    "Prices judged in a second, each by one rule.",
                    "cps",
                    query(rate("stockstream_alert_judgements_total")),
                ),
                graph(
                    "Alerts",
                    "In a second: fired, withheld by a cool-down, lost because the database was "
                    "away, and prices that came too fast to be judged.",
                    "cps",
                    query(total(rate("stockstream_alerts_fired_total")), "fired"),
                    query(total(rate("stockstream_alerts_withheld_total")), "withheld"),
                    query(total(rate("stockstream_alerts_dropped_total")), "lost"),
                    query(
                        total(rate("stockstream_alert_quotes_missed_total")), "prices not judged"
                    ),
                    runbook="AlertsLost",
                ),
                graph(
                    "Alerts that wait",
                    "For the database, and for a browser to be told.",
                    "none",
                    query(total(of("stockstream_alerts_waiting"), "for"), "{{for}}"),
                ),
                graph(
                    "Webhooks",
                    "Attempts to post an alert in a second, by how they ended, and alerts that "
                    "are given up.",
                    "cps",
                    query(
                        total(rate("stockstream_webhook_attempts_total"), "outcome"), "{{outcome}}"
                    ),
                    query(total(rate("stockstream_webhook_calls_given_up_total")), "given up"),
                    runbook="WebhooksGivenUp",
                ),
                graph(
                    "Mail",
                    "Attempts to mail an alert, or a question, by how they ended.",
                    "ops",
                    query(total(rate("stockstream_mail_attempts_total"), "outcome"), "{{outcome}}"),
                    query(total(rate("stockstream_mail_given_up_total")), "given up"),
                ),
                graph(
                    "Mail refused as a whole",
                    "1 while the SMTP server takes no letters of a node at all.",
                    "none",
                    query(of("stockstream_mail_trouble")),
                ),
                graph(
                    "Webhooks under way",
                    "Attempts that have begun, and are not written down as ended yet.",
                    "none",
                    query(of("stockstream_webhook_attempts_under_way")),
                ),
            ),
        ),
    ),
)
