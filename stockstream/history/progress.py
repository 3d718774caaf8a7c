"""Whether recording keeps up, judged by the age of its backlog, for any cause. Pure.

An open connection proves nothing: the server may be read-only, a table locked, or the recorder
itself may hang. A backlog that is being written counts as behind until it is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.statuses import RecorderFigures

if TYPE_CHECKING:
    from stockstream.statuses import RecorderStatus
    from stockstream.tables import Tables
    from stockstream.times import Moment

LATE_SECONDS = 10.0
"""Longer than a write and the next attempt take together when the server is busy."""


class Progress(msgspec.Struct, frozen=True):
    """`reason` says why it is not `ok`. `oldest` is when the oldest price that is not in the
    database was received, in ms since 1970, None when none waits; it is `lag_seconds` old.
    """

    ok: bool
    reason: str | None
    oldest: int | None
    lag_seconds: float


class RecorderDocument(RecorderFigures, frozen=True):
    """The recorder's figures as they leave the process; `lost_at` in ms since 1970."""

    lost_at: int | None = None


def progress(tables: Tables, now_ms: int) -> Progress:
    """How recording stands; only inside a trio run."""
    database, recorder = tables.database.value, tables.recorder.value
    waiting = tables.outbox.statistics()
    spooled = None if recorder is None else recorder.spooled_since
    oldest = min((at for at in (waiting.oldest, spooled) if at is not None), default=None)
    seconds = max(0.0, _age(waiting.since))
    lag = max(seconds, 0.0 if spooled is None else (now_ms - spooled) / 1000)
    late = max(seconds, _age(None if recorder is None else recorder.behind_since)) > LATE_SECONDS
    reason = None if recorder is None else recorder.alert
    if reason is None and (database is None or not database.up):
        reason = (None if database is None else database.reason) or "not connected yet"
    if reason is None and late:
        reason = _why_late(recorder, lag)
    return Progress(reason is None, reason, oldest, round(lag, 3))


def told(status: RecorderStatus | None, now_ms: int) -> RecorderDocument | None:
    """The row as it leaves the process."""
    if status is None:
        return None
    figures = {name: getattr(status, name) for name in RecorderFigures.__struct_fields__}
    lost_at = None if status.lost_at is None else now_ms - round(status.lost_at.age * 1000)
    return RecorderDocument(**figures, lost_at=lost_at)


def _age(since: Moment | None) -> float:
    return 0.0 if since is None else since.age


def _why_late(recorder: RecorderStatus | None, lag: float) -> str:
    if recorder is None:
        return "the recorder does not run"
    if recorder.trouble is not None:
        return f"prices are not recorded, they wait: {recorder.trouble}"
    if recorder.spooled:
        return f"{recorder.spooled} batches that waited on disk are being recorded"
    return f"prices wait for {lag:.0f} s: the recorder does not keep up"
