"""The check of a NATS server: connect, log in, and listen where a node listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from stockstream.cli.doctor.findings import Finding, failed, ok, warning
from stockstream.cluster.connection import ConnectionLost, NatsConnection
from stockstream.cluster.subjects import Subjects
from stockstream.shards import NodeId

if TYPE_CHECKING:
    from stockstream.asyncio_thread import AsyncioLoop
    from stockstream.cluster.nats_access import NatsAccess, Server

ASK_SECONDS = 1.8
SMALL_MESSAGE = 65_536
"""A server that takes less has the prices cut into many pieces."""


async def look_at_nats(
    loop: AsyncioLoop, server: Server, access: NatsAccess, cluster: str
) -> Finding:
    """Whether a node could join its cluster by this server. Nothing is said there."""
    subjects = Subjects(cluster, NodeId("doctor", 0))
    tls = await trio.to_thread.run_sync(access.tls_context, abandon_on_cancel=True)
    connection = NatsConnection(
        server, access, "stockstream doctor", subjects.answers, set(subjects.heard), _unheard
    )
    largest: list[int] = []
    trouble: list[str] = []
    told = trio.Event()

    def up(most_bytes: int) -> None:
        largest.append(most_bytes)
        told.set()

    async def run() -> None:
        try:
            await loop.run(connection.run, tls, lambda most: loop.tell(up, most))
        except ConnectionLost as lost:
            trouble.append(str(lost))
            told.set()

    with trio.move_on_after(ASK_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await told.wait()
            nursery.cancel_scope.cancel()
    if largest:
        return judge_nats(server.shown, largest[0], None)
    why = trouble[0] if trouble else f"no answer within {ASK_SECONDS:g} s"
    return judge_nats(server.shown, 0, why)


def _unheard(_subject: str, _reply: str, _data: bytes) -> None:
    """What other nodes say meanwhile is not for us."""


def judge_nats(server: str, largest: int, trouble: str | None) -> Finding:
    """What the attempt has come to."""
    if trouble is not None:
        low = trouble.lower()
        if "authorization" in low or "authentication" in low or "permissions" in low:
            do = "correct the login in CLUSTER_NATS_URL, CLUSTER_NATS_CREDENTIALS, or its rights"
        elif "tls" in low or "ssl" in low or "secure" in low or "certificate" in low:
            do = "write tls:// where it wants TLS, and name its CA by CLUSTER_NATS_CA"
        else:
            do = "start it, or correct CLUSTER_NATS_URL; a firewall may be between, too"
        return failed(f"{server}: {trouble}", do)
    if largest < SMALL_MESSAGE:
        return warning(
            f"{server} takes messages of {largest:,} bytes only",
            "set its max_payload to 1MB, its default",
        )
    return ok(f"{server} lets us in, and takes messages of {largest:,} bytes")
