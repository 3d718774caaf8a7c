"""The metrics of logins for Prometheus. No name and no address is told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stockstream.metrics import counter, counters_by, gauge, gauges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from stockstream.tables import Tables
    from stockstream.users.passwords import Passwords
    from web.users.login_throttle import LoginThrottle


def families(tables: Tables, logins: LoginThrottle, passwords: Passwords) -> Iterator[Family]:
    """Counts are of this process."""
    yield counters_by(
        "outcome",
        "stockstream_logins_total",
        "Logins by a password that were tried, by how they ended.",
        logins.outcomes(),
    )
    credentials = [row.credential for row in tables.credentials.rows.values()]
    known = Counter((one.kind, one.role.value) for one in credentials)
    yield gauges(
        "stockstream_credentials_known",
        "Sessions and API tokens that were used here lately, or hold a socket open, by role.",
        [({"kind": kind, "role": role}, count) for (kind, role), count in sorted(known.items())],
    )
    line = passwords.statistics()
    yield gauge(
        "stockstream_passwords_waiting", "Passwords that wait to be looked at.", line.waiting
    )
    yield counter(
        "stockstream_passwords_refused_total",
        "Passwords that were not looked at, because too many waited.",
        line.refused,
    )
