"""A notice for operators: its kinds, and its public form."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec


class NoticeKind(StrEnum):
    """What a notice is about."""

    CIRCUIT = "circuit"
    """A circuit breaker has changed its state; the subject is its upstream."""
    FEED = "feed"
    """An upstream's prices are stale, or fresh again; the subject is the upstream."""
    SUPERVISOR = "supervisor"
    """A supervisor gave up; the subject is its path."""
    TICKS = "ticks"
    """Prices were lost for the history; the subject is `history`."""
    TRIAL = "trial"
    """Somebody wants to see that notices arrive."""


class Said(NamedTuple):
    """Something is worth a notice: `subject` is in that `state` now. `bad` unless it is well again.

    The same is said again when kind, subject and state are the same.
    """

    kind: NoticeKind
    subject: str
    state: str
    text: str
    bad: bool = True


class Notice(msgspec.Struct, frozen=True):
    """The public form, as it is posted.

    `id` is the same when it is posted a second time. `at` is when the last of `count` like it
    happened on `node`, as ISO 8601.
    """

    id: str
    kind: NoticeKind
    subject: str
    state: str
    bad: bool
    text: str
    node: str
    at: str
    count: int
