"""Jobs that run on a schedule: how they do, and a run now."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

from quart import Blueprint
from werkzeug.exceptions import Conflict, NotFound, ServiceUnavailable

from stockstream import paths
from stockstream.jobs.job import RunJob
from stockstream.users.roles import Scope
from supervision import CallError
from web.answers import json_answer
from web.audited import audited, current_author
from web.users.gate import allow, require

if TYPE_CHECKING:
    from quart import Response

    from stockstream.statuses import JobStatus
    from supervision import System, Table

CALL_SECONDS = 5.0


class UnknownJobError(NotFound):
    """There is no job of that name."""

    word: ClassVar[str] = "unknown_job"


class NotRunError(Conflict):
    """It cannot begin now; the message says why."""

    word: ClassVar[str] = "not_run"


class NoRunnerError(ServiceUnavailable):
    """The actor of the job restarts, or hangs."""

    word: ClassVar[str] = "no_runner"


def jobs_api(system: System, jobs: Table[str, JobStatus]) -> Blueprint:
    """The routes under `/admin/api/jobs`. They read memory: they answer without a database, too."""
    blueprint = Blueprint("jobs_api", __name__, url_prefix="/admin/api/jobs")
    blueprint.before_request(require(Scope.ADMIN_READ))

    @blueprint.get("")
    async def look() -> Response:
        return json_answer({"jobs": [jobs.rows[name] for name in sorted(jobs)]})

    @blueprint.get("/<name>")
    async def look_at_one(name: str) -> Response:
        return json_answer(_known(jobs, name))

    @blueprint.post("/<name>/run")
    async def run(name: str) -> Response:
        allow(Scope.ADMIN_WRITE)
        with audited(current_author(), "job.run", name) as act:
            row = _known(jobs, name)
            try:
                why = await system.ref(paths.job(name)).call(RunJob(), timeout=CALL_SECONDS)
            except CallError as error:
                raise NoRunnerError(f"{name} could not be asked to run: {error}") from error
            if why is not None:
                raise NotRunError(f"{name} was not begun: {why}")
            act.after = {"run": row.runs + 1}
        return json_answer(row)

    return blueprint


def _known(jobs: Table[str, JobStatus], name: str) -> JobStatus:
    row = jobs.get(name)
    if row is not None:
        return row
    close = get_close_matches(name, list(jobs), n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(jobs))}"
    raise UnknownJobError(f"there is no job {name[:64]!r}; {hint}")
