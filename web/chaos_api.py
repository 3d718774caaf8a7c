"""The chaos API: what `stockstream chaos` and the admin page ask the chaos controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

import msgspec
from quart import Blueprint, Response, request
from werkzeug.exceptions import (
    BadRequest,
    Conflict,
    Forbidden,
    HTTPException,
    NotFound,
    ServiceUnavailable,
    UnprocessableEntity,
)

from stockstream import paths
from stockstream.chaos.catalogue import ACTIONS
from stockstream.chaos.messages import Begin, End, Halt, Inject, Refusal
from stockstream.chaos.targets import list_targets
from stockstream.delivery.protocol import encode
from supervision import CallError, NoProc, Request, snapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stockstream.chaos.records import ChaosRecords
    from supervision import System

T = TypeVar("T")

CALL_SECONDS = 30.0
HISTORY_ROWS = 200
LONGEST_EXPERIMENT_SECONDS = 86_400.0


class InjectBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do to whom."""

    action: str
    target: str = ""
    parameters: dict[str, str | int | float | bool] = {}
    expected_generation: int | None = None
    allow_escalation: bool = False
    experiment: str | None = None
    reason: str = ""


class BeginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An experiment asks for the node."""

    title: str
    seconds: float


class RefusedError(HTTPException):
    """The controller's refusal, with its own code word."""

    def __init__(self, refusal: Refusal) -> None:
        self.word = refusal.code
        self.code = _STATUS.get(refusal.code, Conflict).code
        super().__init__(refusal.reason)


class ChaosDisabledError(Forbidden):
    """Fault injection is off."""

    word: ClassVar[str] = "chaos_disabled"


class BadBodyError(BadRequest):
    """The body is none of what this call takes."""

    word: ClassVar[str] = "bad_body"


class NoControllerError(ServiceUnavailable):
    """The chaos controller is being restarted, or hangs."""

    word: ClassVar[str] = "no_controller"


_STATUS: dict[str, type[HTTPException]] = {
    "no_such_target": NotFound,
    "bad_parameters": UnprocessableEntity,
    "would_escalate": Conflict,
}


def chaos_api(
    system: System,
    records: ChaosRecords,
    *,
    enabled: bool,
    check: Callable[[], Awaitable[str]],
    check_role: Callable[[], Awaitable[str]],
) -> Blueprint:
    """The routes under `/admin/api/chaos`.

    `check` lets an operator read, or raises; `check_role` lets one inject. Both answer who it is.
    """
    blueprint = Blueprint("chaos_api", __name__, url_prefix="/admin/api/chaos")

    async def allowed() -> str:
        who = await check_role()
        if not enabled:
            raise ChaosDisabledError("fault injection is off; start with CHAOS_ENABLED=true")
        return who

    async def body(kind: type[T]) -> T:
        try:
            return msgspec.json.decode(await request.get_data(), type=kind)
        except msgspec.MsgspecError as error:
            raise BadBodyError(str(error)) from error

    @blueprint.get("/status")
    async def status() -> Response:
        await check()
        return _json(
            {
                "enabled": enabled,
                "experiment": records.experiment,
                "active": list(records.faults.rows.values()),
                "history": records.newest(HISTORY_ROWS),
            }
        )

    @blueprint.get("/actions")
    async def actions() -> Response:
        await check()
        return _json({"actions": list(ACTIONS.values())})

    @blueprint.get("/targets")
    async def targets() -> Response:
        await check()
        root = snapshot(system)
        return _json({"targets": [] if root is None else list_targets(root)})

    @blueprint.post("/inject")
    async def inject() -> Response:
        who = await allowed()
        wanted = await body(InjectBody)
        return _json(
            await _call(
                system,
                Inject(
                    wanted.action,
                    wanted.target,
                    wanted.parameters,
                    who,
                    wanted.experiment,
                    wanted.expected_generation,
                    wanted.allow_escalation,
                    wanted.reason,
                ),
            )
        )

    @blueprint.post("/experiments")
    async def begin() -> tuple[Response, int]:
        who = await allowed()
        wanted = await body(BeginBody)
        if not 0 < wanted.seconds <= LONGEST_EXPERIMENT_SECONDS:
            raise RefusedError(
                Refusal("bad_parameters", "seconds must be above 0 and at most a day")
            )
        return _json(await _call(system, Begin(wanted.title, wanted.seconds, who))), 201

    @blueprint.delete("/experiments/<experiment>")
    async def end(experiment: str) -> Response:
        who = await allowed()
        return _json({"ended": await _call(system, End(experiment, who))})

    @blueprint.post("/halt")
    async def halt() -> Response:
        who = await allowed()
        return _json({"ended": await _call(system, Halt(who))})

    return blueprint


async def _call(system: System, message: Request[T]) -> T:
    controller = system.ref(paths.CHAOS)
    try:
        answer = await controller.call(message, timeout=CALL_SECONDS)
    except NoProc as error:
        raise NoControllerError("the chaos controller is being restarted") from error
    except CallError as error:
        raise NoControllerError(str(error)) from error
    if isinstance(answer, Refusal):
        raise RefusedError(answer)
    return answer


def _json(value: object) -> Response:
    return Response(encode(value), content_type="application/json")
