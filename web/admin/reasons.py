"""Why a node is in trouble beside its prices: jobs, backups, deliveries, limits, what was lost.

The bounds are those of the alerts in `deploy/prometheus`, so that the page and they agree.
"""

from __future__ import annotations

import resource
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stockstream.tables import Tables
    from stockstream.telemetry.process import ProcessSample
    from supervision import ActorSnapshot

EVENT_MS = 600_000
"""What happened once, and cannot become well again, is told for so long."""
NEAR = 0.8
"""So much of a limit is near it."""
LATE_SECONDS = 1_800.0
BACKUP_MS = 26 * 3_600_000


class Tone(StrEnum):
    """How bad it is; the later the worse."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


class Reason(msgspec.Struct, frozen=True):
    """Why the verdict is not good; `part` is the part of the page that shows more."""

    tone: Tone
    part: str
    text: str


def mailboxes(actors: Iterable[ActorSnapshot]) -> Iterator[Reason]:
    """Actors that do not keep up: beyond its bound a mailbox refuses what comes."""
    for actor in actors:
        box = actor.mailbox
        if box is not None and box.bound and box.queued >= NEAR * box.bound:
            text = f"the mailbox of {actor.path} is nearly full: {box.queued} of {box.bound} wait"
            yield Reason(Tone.BAD, "tree", f"{text}; look what it does, or restart it")


def limits(connected: int, most: int, samples: Sequence[ProcessSample]) -> Iterator[Reason]:
    """Clients and open files near what there may be."""
    if connected >= NEAR * most:
        text = (
            f"{connected} of {most} clients are connected (MAX_CONNECTIONS): later ones are refused"
        )
        yield Reason(Tone.BAD, "clients", text)
    files = samples[-1].files if samples else None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files is not None and soft != resource.RLIM_INFINITY and files >= NEAR * soft:
        text = f"{files} of {soft} files are open: raise the limit of the process"
        yield Reason(Tone.BAD, "process", text)


def upkeep(tables: Tables, now_ms: int) -> Iterator[Reason]:
    """Jobs that fail or are late, backups, what operators did and is not stored."""
    for name, job in sorted(tables.jobs.rows.items()):
        if job.failing is not None:
            yield Reason(Tone.BAD, "jobs", f"the job {name} {job.failing}")
        elif job.overdue_seconds > LATE_SECONDS:
            text = f"the job {name} is {job.overdue_seconds / 60:.0f} min late, and no node runs it"
            yield Reason(Tone.BAD, "jobs", text)
    at, archive = tables.backed_up.value, tables.log_archive.value
    if at is not None and now_ms - at > BACKUP_MS:
        hours = (now_ms - at) / 3_600_000
        yield Reason(Tone.BAD, "jobs", f"the last backup is {hours:.0f} h old")
    if archive is not None and archive.reason is not None:
        text = f"the database's log is not kept for backups: {archive.reason}"
        yield Reason(Tone.WARN, "history", text)
    lost = tables.audit_inbox.statistics().lost
    if lost:
        text = (
            f"{lost} entries of the audit found no room since the start: they are in the log only"
        )
        yield Reason(Tone.BAD, "settings", text)


def deliveries(tables: Tables, now_ms: int) -> Iterator[Reason]:
    """Alerts that do not reach whom they should: no mail goes out, or something was given up."""
    alerts, webhooks, mail = tables.alerts.value, tables.webhooks.value, tables.mail.value
    if mail is not None and mail.trouble is not None:
        since = 0 if mail.trouble_since is None else (now_ms - mail.trouble_since) // 1000
        text = f"mail: {mail.server} has taken no letters for {max(0, since)} s: {mail.trouble}"
        yield Reason(Tone.BAD, "webhooks", text)
    for status, what in ((webhooks, "calls of webhooks"), (mail, "letters")):
        if status is None or status.dead_at is None or now_ms - status.dead_at > EVENT_MS:
            continue
        text = f"{what} were given up, {status.dead} since the start: they can be sent again"
        yield Reason(Tone.WARN, "webhooks", text)
    if alerts is not None and alerts.dropped:
        text = f"{alerts.dropped} alerts were lost since the start: the database was away too long"
        yield Reason(Tone.BAD, "webhooks", text)
    notices = tables.notices.value
    if notices is not None and notices.given_up + notices.dropped:
        text = f"{notices.given_up + notices.dropped} notices for operators did not arrive"
        yield Reason(Tone.WARN, "log", f"{text}: look at OPERATOR_WEBHOOK")
