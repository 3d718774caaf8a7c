"""The live supervision tree as a document of plain values, for the admin API and the CLI."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import msgspec

from stockstream.telemetry.stories import is_numbered
from supervision import ActorSnapshot, Crash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervision import ExitReason

SCHEMA_VERSION = 1
LONGEST_TRACE = 8_000


class MailboxDocument(msgspec.Struct, frozen=True):
    """Casts and calls waiting, the most that ever were, the bound, and what gave way."""

    queued: int
    high_water: int
    bound: int
    dropped: int
    conflated: int


class SupervisorDocument(msgspec.Struct, frozen=True):
    """How a supervisor restarts: `restarts_in_window` of `intensity` within `period` seconds."""

    strategy: str
    intensity: int
    period: float
    restarts_in_window: int


class ActorDocument(msgspec.Struct, frozen=True):
    """One actor; times in seconds, `last_exit` and `last_trace` as text for people.

    `folded` more children run and are left out.
    """

    path: str
    kind: str
    actor: str
    state: str
    restart: str
    generation: int
    restarts: int
    last_exit: str | None
    last_exit_ago: float | None
    last_trace: str | None
    uptime: float | None
    mailbox: MailboxDocument | None
    unanswered_calls: int
    handled: int
    handling_seconds: float
    supervisor: SupervisorDocument | None
    children: list[ActorDocument]
    folded: int = 0


class TreeDocument(msgspec.Struct, frozen=True):
    """The whole tree."""

    schema_version: int
    root: ActorDocument


def tree_document(root: ActorSnapshot, most_children: int | None = None) -> TreeDocument:
    """Turn a snapshot into its document.

    Of a supervisor's numbered children `most_children` are shown, and all that are not running.
    """
    return TreeDocument(SCHEMA_VERSION, _actor(root, most_children))


def _actor(snapshot: ActorSnapshot, most: int | None) -> ActorDocument:
    mailbox, supervisor = snapshot.mailbox, snapshot.supervisor
    shown = _shown(snapshot.children, most)
    return ActorDocument(
        path=snapshot.path,
        kind=snapshot.kind,
        actor=snapshot.actor,
        state=snapshot.state,
        restart=snapshot.restart,
        generation=snapshot.generation,
        restarts=snapshot.restarts,
        last_exit=None if snapshot.last_exit is None else str(snapshot.last_exit),
        last_exit_ago=snapshot.last_exit_ago,
        last_trace=_trace(snapshot.last_exit),
        uptime=snapshot.uptime,
        mailbox=None
        if mailbox is None
        else MailboxDocument(
            mailbox.queued,
            mailbox.high_water,
            mailbox.bound,
            mailbox.dropped,
            mailbox.conflated,
        ),
        unanswered_calls=snapshot.unanswered_calls,
        handled=snapshot.handled,
        handling_seconds=snapshot.handling_seconds,
        supervisor=None
        if supervisor is None
        else SupervisorDocument(
            supervisor.strategy,
            supervisor.intensity,
            supervisor.period,
            supervisor.restarts_in_window,
        ),
        children=[_actor(child, most) for child in shown],
        folded=len(snapshot.children) - len(shown),
    )


def _shown(children: Sequence[ActorSnapshot], most: int | None) -> list[ActorSnapshot]:
    if most is None:
        return list(children)
    shown, numbered = [], 0
    for child in children:
        if is_numbered(child.path) and child.state == "running":
            numbered += 1
            if numbered > most:
                continue
        shown.append(child)
    return shown


def _trace(reason: ExitReason | None) -> str | None:
    if not isinstance(reason, Crash):
        return None
    return "".join(traceback.format_exception(reason.error))[-LONGEST_TRACE:]
