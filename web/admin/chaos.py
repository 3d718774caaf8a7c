"""The chaos API: requests of `stockstream chaos` and the admin page to the chaos controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

import msgspec
import structlog
from quart import Blueprint, request
from werkzeug.exceptions import (
    Conflict,
    Forbidden,
    HTTPException,
    NotFound,
    ServiceUnavailable,
    UnprocessableEntity,
)

from stockstream import paths
from stockstream.chaos.catalogue import ACTIONS
from stockstream.chaos.messages import Begin, End, Halt, Inject, Injection, Refusal, Refused
from stockstream.chaos.targets import list_targets
from stockstream.users.roles import Scope
from stockstream.version import program_version
from supervision import CallError, NoProc, Request, snapshot
from web.admin.bodies import read_body
from web.answers import json_answer
from web.audited import audited, current_author
from web.parameters import read_query, texts, whole
from web.users.gate import admin_name, allow, require
from web.users.principal import Kind, current_principal

if TYPE_CHECKING:
    from quart import Response

    from stockstream.chaos.records import ChaosRecords
    from supervision import System
    from web.users.break_glass import AdminAccess

T = TypeVar("T")

MOST = whole("most", "Clients, at most; else all.", least=0, most=10**9)
PATH = texts("path", "Actors that are listed whatever `most` says.")
ROLE_HEADER = "X-Chaos-Token"
CALL_SECONDS = 30.0
HISTORY_ROWS = 200
LONGEST_EXPERIMENT_SECONDS = 86_400.0

_log = structlog.stdlib.get_logger("web.chaos")


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


class NoControllerError(ServiceUnavailable):
    """The chaos controller restarts, or hangs."""

    word: ClassVar[str] = "no_controller"


_STATUS: dict[str, type[HTTPException]] = {
    "no_such_target": NotFound,
    "bad_parameters": UnprocessableEntity,
    "would_escalate": Conflict,
}


class NoRoleError(Forbidden):
    """In production, breaking things takes a token of its own."""

    word: ClassVar[str] = "no_chaos_role"


def chaos_api(
    system: System, records: ChaosRecords, *, node: str, enabled: bool, access: AdminAccess
) -> Blueprint:
    """The routes under `/admin/api/chaos`, for operators of the node of that name.

    If there is a `CHAOS_TOKEN`, a request with the admin token that injects a fault must send it in
    `X-Chaos-Token`. An account may by its role.
    """
    blueprint = Blueprint("chaos_api", __name__, url_prefix="/admin/api/chaos")
    blueprint.before_request(require(Scope.ADMIN_READ))

    def allowed() -> str:
        allow(Scope.CHAOS_RUN)
        principal = current_principal()
        refusal: HTTPException | None = None
        given = request.headers.get(ROLE_HEADER, "")
        if not enabled:
            refusal = ChaosDisabledError("fault injection is off; start with CHAOS_ENABLED=true")
        elif principal.kind is Kind.BREAK_GLASS and not access.check_chaos_token(given):
            refusal = NoRoleError(f"send CHAOS_TOKEN in the header {ROLE_HEADER}")
        if refusal is not None:
            call = f"{request.method} {request.path}"
            _log.warning("chaos refused", who=admin_name(), call=call, reason=refusal.description)
            system.ref(paths.CHAOS).cast(Refused(admin_name(), call, refusal.description or ""))
            with audited(current_author(), "chaos.refused", call):
                raise refusal
        return admin_name()

    @blueprint.get("/status")
    async def status() -> Response:
        return json_answer(
            {
                "node": node,
                "version": program_version(),
                "enabled": enabled,
                "experiment": records.experiment,
                "active": list(records.faults.rows.values()),
                "history": records.newest(HISTORY_ROWS),
            }
        )

    @blueprint.get("/actions")
    async def actions() -> Response:
        return json_answer({"actions": list(ACTIONS.values())})

    @blueprint.get("/targets")
    async def targets() -> Response:
        asked = read_query(MOST, PATH)
        root = snapshot(system, most_dynamic=asked[MOST], always=asked[PATH])
        return json_answer({"targets": [] if root is None else list_targets(root)})

    @blueprint.post("/inject")
    async def inject() -> Response:
        who = allowed()
        wanted = await read_body(InjectBody)
        order = Inject(
            wanted.action,
            wanted.target,
            wanted.parameters,
            who,
            wanted.experiment,
            wanted.expected_generation,
            wanted.allow_escalation,
            wanted.reason,
        )
        with audited(current_author(), "chaos.inject", wanted.target, after=wanted) as act:
            injection = await _call(system, order)
            if isinstance(injection, Injection) and not injection.verified:
                act.outcome = "not_injected"
        return json_answer(injection)

    @blueprint.post("/experiments")
    async def begin() -> Response:
        who = allowed()
        wanted = await read_body(BeginBody)
        if not 0 < wanted.seconds <= LONGEST_EXPERIMENT_SECONDS:
            raise RefusedError(
                Refusal("bad_parameters", "seconds must be above 0 and at most a day")
            )
        with audited(current_author(), "chaos.begin", wanted.title, after=wanted):
            experiment = await _call(system, Begin(wanted.title, wanted.seconds, who))
        return json_answer(experiment, 201)

    @blueprint.delete("/experiments/<experiment>")
    async def end(experiment: str) -> Response:
        who = allowed()
        with audited(current_author(), "chaos.end", experiment) as act:
            act.after = {"ended": await _call(system, End(experiment, who))}
        return json_answer(act.after)

    @blueprint.post("/halt")
    async def halt() -> Response:
        who = allowed()
        with audited(current_author(), "chaos.halt") as act:
            act.after = {"ended": await _call(system, Halt(who))}
        return json_answer(act.after)

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
