"""The live supervision tree as a document of plain values, for the admin API and the CLI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from supervision import ActorSnapshot, LastExit

SCHEMA_VERSION = 1
LONGEST_TRACE = 8_000


class MailboxDocument(msgspec.Struct, frozen=True):
    """Casts and calls waiting, their maximum so far, the bound, and the number dropped."""

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

    `folded` counts, by state, the children that are left out; `handling_p50` and `handling_p95`
    are what half and 95 % of the last thousands of messages took at most.
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
    handling_p50: float | None
    handling_p95: float | None
    supervisor: SupervisorDocument | None
    children: list[ActorDocument]
    folded: dict[str, int]


class TreeDocument(msgspec.Struct, frozen=True):
    """The whole tree."""

    schema_version: int
    root: ActorDocument


def tree_document(root: ActorSnapshot) -> TreeDocument:
    """Turn a snapshot into its document."""
    return TreeDocument(SCHEMA_VERSION, _actor(root))


def _actor(snapshot: ActorSnapshot) -> ActorDocument:
    mailbox, supervisor = snapshot.mailbox, snapshot.supervisor
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
        handling_p50=snapshot.handling_p50,
        handling_p95=snapshot.handling_p95,
        supervisor=None
        if supervisor is None
        else SupervisorDocument(
            supervisor.strategy,
            supervisor.intensity,
            supervisor.period,
            supervisor.restarts_in_window,
        ),
        children=[_actor(child) for child in snapshot.children],
        folded=dict(snapshot.left_out),
    )


def _trace(last: LastExit | None) -> str | None:
    trace = None if last is None else last.trace
    return None if trace is None else trace[-LONGEST_TRACE:]
