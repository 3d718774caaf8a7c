"""`/admin/api/actions`: what an operator may do to a server that works, without faults.

Each is audited, and is an event of the tree, so that everybody who looks sees who did what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, TypeVar

import msgspec
import trio
from quart import Blueprint
from werkzeug.exceptions import Conflict, NotFound, ServiceUnavailable, UnprocessableEntity

from stockstream import paths
from stockstream.messages import (
    DrainClients,
    EndDrain,
    FetchNow,
    OperatorAsked,
    Reconnect,
)
from stockstream.users.roles import Scope
from supervision import (
    ROOT,
    SHUTDOWN,
    CallError,
    Kind,
    ManagementError,
    Restart,
    replace_child,
    replace_soon,
    snapshot,
)
from web.admin.bodies import read_body
from web.answers import json_answer
from web.audited import audited, current_author
from web.users.gate import admin_name, require

if TYPE_CHECKING:
    from quart import Response

    from stockstream.statuses import DrainStatus
    from supervision import ActorRef, ActorSnapshot, Request
    from web.parts import Parts

T = TypeVar("T")

FETCH_SECONDS = 15.0
CALL_SECONDS = 5.0
LOOKS = 100
RESTART_SECONDS = 20.0
LOOK_SECONDS = 0.05
LONGEST_DRAIN_SECONDS = 3_600.0
LONGEST_REASON = 200


class FetchBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which upstream."""

    upstream: str


class RestartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which actor, and why. `generation` is the one that is meant, where that matters."""

    path: str
    generation: int | None = None
    reason: Annotated[str, msgspec.Meta(max_length=LONGEST_REASON)] = ""


class DrainBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many clients, in percent, and over how many seconds."""

    share: Annotated[float, msgspec.Meta(gt=0, le=100)] = 100.0
    over_seconds: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_DRAIN_SECONDS)] = 30.0


class Fetched(msgspec.Struct, frozen=True):
    """What came of a fetch: `ok` when it brought prices, or a connection is there or is made."""

    upstream: str
    ok: bool
    detail: str


class Reconnected(msgspec.Struct, frozen=True):
    """So many connections were `cut`, and so many were there again; `reason` why it is not `ok`."""

    ok: bool
    cut: int
    connections: int
    reason: str


class Restarted(msgspec.Struct, frozen=True):
    """The actor is back as `generation`, which is null where nobody waits for it."""

    path: str
    ok: bool
    generation_before: int
    generation: int | None
    detail: str


class UnknownUpstreamError(NotFound):
    """No feed has that name."""

    word: ClassVar[str] = "no_such_upstream"


class NoSuchActorError(NotFound):
    """Nothing is at that path."""

    word: ClassVar[str] = "no_such_actor"


class GenerationMovedError(Conflict):
    """It is another incarnation by now."""

    word: ClassVar[str] = "generation_moved"


class NotRestartableError(UnprocessableEntity):
    """The root ends the server."""

    word: ClassVar[str] = "not_restartable"


class NotNowError(ServiceUnavailable):
    """The actor that would do it restarts, or hangs."""

    word: ClassVar[str] = "not_now"


def actions_api(parts: Parts) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("actions_api", __name__, url_prefix="/admin/api/actions")
    blueprint.before_request(require(Scope.ADMIN_WRITE))
    system = parts.system

    def told(path: str, what: str) -> None:
        system.emit(OperatorAsked(path, what, admin_name()))

    @blueprint.post("/fetch")
    async def fetch() -> Response:
        name = (await read_body(FetchBody)).upstream
        with audited(current_author(), "action.fetch", name) as act:
            if name not in parts.tables.feeds.rows or "@" in name:
                known = ", ".join(sorted(parts.tables.feeds.rows))
                raise UnknownUpstreamError(f"no feed is called {name[:64]!r}; there are: {known}")
            path = paths.feed(name)
            told(path, "fetch now")
            came = await _call(system.ref(path), FetchNow(), FETCH_SECONDS)
            answer = Fetched(name, came.ok, came.detail)
            act.outcome = "done" if came.ok else "nothing came of it"
            act.after = answer
        return json_answer(answer)

    @blueprint.post("/reconnect")
    async def reconnect() -> Response:
        with audited(current_author(), "action.reconnect", "database") as act:
            told(paths.DATABASE, "reconnect")
            cut = await _call(parts.database, Reconnect(), CALL_SECONDS)
            answer = act.after = await _reconnected(parts, cut)
            act.outcome = "done" if answer.ok else "not connected"
        return json_answer(answer)

    @blueprint.post("/restart")
    async def restart() -> Response:
        wanted = await read_body(RestartBody)
        with audited(current_author(), "action.restart", wanted.path, after=wanted):
            actor, above = _found(parts, wanted)
            told(wanted.path, "restart" + (f" ({wanted.reason})" if wanted.reason else ""))
            return json_answer(await _restart(parts, actor, above))

    @blueprint.post("/drain")
    async def drain() -> Response:
        wanted = await read_body(DrainBody)
        with audited(current_author(), "action.drain", after=wanted) as act:
            told(paths.WEB, f"drain {wanted.share:g} % over {wanted.over_seconds:g} s")
            order = DrainClients(wanted.share, wanted.over_seconds)
            status = act.after = await _call(system.ref(paths.WEB), order, CALL_SECONDS)
        return json_answer(status)

    @blueprint.delete("/drain")
    async def end_drain() -> Response:
        with audited(current_author(), "action.end_drain") as act:
            told(paths.WEB, "end the drain")
            status: DrainStatus | None = await _call(
                system.ref(paths.WEB), EndDrain(), CALL_SECONDS
            )
            act.after = status
        return json_answer({"drain": status})

    return blueprint


async def _call(ref: ActorRef, order: Request[T], seconds: float) -> T:
    try:
        return await ref.call(order, timeout=seconds)
    except CallError as error:
        raise NotNowError(f"{ref.path} does not answer: {error}") from error


async def _reconnected(parts: Parts, cut: int) -> Reconnected:
    """Wait until prices can be written again, for a while."""
    table = parts.tables.database
    row = table.value
    for _ in range(LOOKS):
        row = table.value
        if row is not None and row.up:
            break
        await trio.sleep(LOOK_SECONDS)
    if row is None:
        return Reconnected(False, cut, 0, "not connected yet")
    return Reconnected(row.up, cut, sum(row.connections.values()), row.reason)


def _found(parts: Parts, wanted: RestartBody) -> tuple[ActorSnapshot, ActorSnapshot]:
    """The actor that is meant, and its supervisor."""
    root = snapshot(parts.system, most_dynamic=0, always=(wanted.path,))
    for above in () if root is None else root.walk():
        for actor in above.children:
            if actor.path == wanted.path:
                if wanted.generation not in {None, actor.generation}:
                    raise GenerationMovedError(
                        f"{actor.path} is at generation {actor.generation}, not {wanted.generation}"
                    )
                return actor, above
    if wanted.path == ROOT:
        raise NotRestartableError(
            "nobody is above the root: have what started the server restart it, or drain it"
        )
    raise NoSuchActorError(f"nothing is at {wanted.path!r}; `stockstream tree` lists what is")


async def _restart(parts: Parts, actor: ActorSnapshot, above: ActorSnapshot) -> Restarted:
    system, path, before = parts.system, actor.path, actor.generation
    ref, supervisor = system.whereis(path), system.ref(above.path)
    if actor.restart is Restart.TEMPORARY:
        if ref is not None:
            ref.stop(SHUTDOWN)
        return Restarted(path, True, before, None, "it ends; whose it was starts another one")
    if path == paths.WEB:
        # This answer goes by it: it is finished before the connections are closed.
        replace_soon(supervisor, path)
        return Restarted(path, True, before, None, "it drains its clients, and starts again")
    child = path.rpartition("/")[2] if ref is None else ref
    try:
        after = await replace_child(supervisor, child, timeout=RESTART_SECONDS)
    except (CallError, ManagementError) as error:
        return Restarted(path, False, before, None, str(error))
    what = "it and all under it" if actor.kind == Kind.SUPERVISOR else "it"
    generation = None if after is None else after.generation
    return Restarted(path, after is not None, before, generation, f"{what} began anew")
