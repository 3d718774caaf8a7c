"""The actor `nats`: owns the NATS server of the nodes on this machine, a process of its own."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import ClassVar

from stockstream.cluster.nats_server import HOST, keep_nats_server, new_token
from supervision import Actor


@dataclass(frozen=True, slots=True)
class NatsPlan:
    """Where the server will listen, and what lets nodes in."""

    port: int
    token: str = field(repr=False)

    @property
    def url(self) -> str:
        """Its address for nodes, with the token."""
        return f"nats://{self.token}@{HOST}:{self.port}"


def plan_nats() -> NatsPlan:
    """A port that is free now, and a new token."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return NatsPlan(probe.getsockname()[1], new_token())


class Nats(Actor):
    """Runs the server, and runs it again on the same port when it ends.

    Its first start is waited for, and its failure is a failed start.
    """

    owns_tasks: ClassVar[bool] = True

    def __init__(self, plan: NatsPlan) -> None:
        self._plan = plan

    async def init(self) -> None:
        """Start it; it answers then."""
        await self.tasks.start(keep_nats_server, self._plan.token, self._plan.port)
