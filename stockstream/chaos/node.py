"""A running node, as a command sees it: its admin API and its WebSocket's address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

import httpx
import msgspec

from stockstream.chaos.messages import ActiveFault, AuditRow, Experiment, Injection
from stockstream.chaos.targets import BlastRadius, Target
from stockstream.decoding import from_json
from stockstream.http_client import tls_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.chaos.catalogue import Value

T = TypeVar("T")

TIMEOUT_SECONDS = 40.0


class Unreachable(Exception):
    """The node does not answer, or its answer is not that of a node."""


class Refused(Exception):
    """The node refuses; `code` is its word for why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Status(msgspec.Struct, frozen=True):
    """The active faults and the recent actions of a node."""

    node: str
    version: str
    enabled: bool
    experiment: Experiment | None
    active: list[ActiveFault]
    history: list[AuditRow]


class _Targets(msgspec.Struct):
    targets: list[Target]


class _Ended(msgspec.Struct):
    ended: int


class _Reason(msgspec.Struct):
    code: str
    reason: str


class _Error(msgspec.Struct):
    error: _Reason


class Node:
    """One node. Use as an async context manager, which owns the connection."""

    def __init__(self, url: str, token: str, chaos_token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.credentials: Mapping[str, str] = {"Authorization": f"Bearer {token}"}
        """What its clients show, too: a dashboard that takes a login lets nobody else in."""
        headers = dict(self.credentials)
        if chaos_token:
            headers["X-Chaos-Token"] = chaos_token
        # No proxy of the environment: it would be told the token, and the node would refuse it.
        self._client = httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            verify=tls_context(),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._client.aclose()

    @property
    def websocket_url(self) -> str:
        """Where its clients connect."""
        return self.url.replace("http", "ws", 1) + "/ws"

    async def status(self) -> Status:
        """What is on."""
        return await self._call("GET", "/admin/api/chaos/status", Status)

    async def targets(self, most_dynamic: int | None = None) -> list[Target]:
        """All live actors, or at most so many of each dynamic supervisor's children."""
        limit = "" if most_dynamic is None else f"?most={most_dynamic}"
        return (await self._call("GET", f"/admin/api/chaos/targets{limit}", _Targets)).targets

    async def inject(
        self,
        action: str,
        target: str,
        parameters: Mapping[str, Value] | None = None,
        *,
        experiment: str | None = None,
        expected_generation: int | None = None,
        allow_escalation: bool = False,
        reason: str = "",
    ) -> Injection:
        """Do an action; the answer says whether its effect was seen."""
        body = {
            "action": action,
            "target": target,
            "parameters": dict(parameters or {}),
            "experiment": experiment,
            "expected_generation": expected_generation,
            "allow_escalation": allow_escalation,
            "reason": reason,
        }
        return await self._call("POST", "/admin/api/chaos/inject", Injection, body)

    async def begin(self, title: str, seconds: float) -> Experiment:
        """Reserve the node."""
        body = {"title": title, "seconds": seconds}
        return await self._call("POST", "/admin/api/chaos/experiments", Experiment, body)

    async def end(self, experiment: str) -> int:
        """Release it, with all faults of the experiment rolled back."""
        path = f"/admin/api/chaos/experiments/{experiment}"
        return (await self._call("DELETE", path, _Ended)).ended

    async def halt(self) -> int:
        """Roll everything back."""
        return (await self._call("POST", "/admin/api/chaos/halt", _Ended)).ended

    async def get(self, path: str) -> httpx.Response:
        """Fetch any page of it, or an absolute address, for a probe."""
        try:
            return await self._client.get(path)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{path}: {type(error).__name__} {error}") from error

    async def _call(
        self, method: str, path: str, kind: type[T], body: Mapping[str, object] | None = None
    ) -> T:
        try:
            answer = await self._client.request(
                method, path, content=None if body is None else msgspec.json.encode(body)
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(
                f"no server answers at {self.url} ({type(error).__name__} {error}); "
                "is it running? Set --url or STOCKSTREAM_URL if it is elsewhere"
            ) from error
        try:
            if answer.is_success:
                return from_json(answer.content, kind)
            refusal = from_json(answer.content, _Error).error
        except msgspec.MsgspecError as error:
            raise Unreachable(
                f"{self.url}{path} answered {answer.status_code} with something else than a "
                f"StockStream server does: {error}"
            ) from error
        raise Refused(refusal.code, refusal.reason)


__all__ = ["BlastRadius", "Node", "Refused", "Status", "Target", "Unreachable"]
