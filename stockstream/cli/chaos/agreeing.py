"""Whether nodes that are asked agree: all are well, and say the same of who fetches what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream.chaos.node import Unreachable
from stockstream.cluster.told import ClusterDocument
from stockstream.decoding import from_json

if TYPE_CHECKING:
    from collections.abc import Collection

    from stockstream.chaos.node import Node

ANSWER_SECONDS = 1.0


async def disagreement(nodes: Collection[Node], members: int | None = None) -> str | None:
    """Why they do not agree, in a line; None when they do. They should be so many, if it is known.

    One that runs alone, without a cluster, agrees with nobody.
    """
    said: list[ClusterDocument] = []
    for node in nodes:
        with trio.move_on_after(ANSWER_SECONDS) as scope:
            try:
                answer = await node.get("/api/v1/cluster")
                if not answer.is_success:
                    return f"/api/v1/cluster answered {answer.status_code}: {answer.text:.200}"
                said.append(from_json(answer.content, ClusterDocument))
            except (Unreachable, msgspec.MsgspecError) as error:
                return str(error)
        if scope.cancelled_caught:
            return f"a node does not answer within {ANSWER_SECONDS:g} s"
    for one in said:
        if one.troubles:
            return f"{one.node} says: {one.troubles[0]}"
        if len(one.members) != (members or len(said[0].members)):
            return f"{one.node} knows {len(one.members)} nodes"
        if one.shards != said[0].shards:
            return f"{one.node} and {said[0].node} do not say the same of who fetches what"
    return None
