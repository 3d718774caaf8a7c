"""Whom a node asks, when it starts, for what the others have."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
import trio

from stockstream import paths
from stockstream.cluster.filling import ECHOES_TO_BEGIN, Filling
from stockstream.cluster.link import Silence
from stockstream.cluster.prices import Page
from stockstream.shards import Claim, NodeId, shard
from stockstream.statuses import Member, Members, NodeState
from stockstream.tables import Tables
from stockstream.times import Moment
from tests.unit.alerts.support import acting_as

if TYPE_CHECKING:
    from stockstream.cluster.questions import Asker
    from stockstream.shards import Shard

ME, *OTHERS = (NodeId(name, 1) for name in "abcdefg")
SECONDS = 10.0


class Questions:
    """Stands for the way to the other nodes: those that are `silent` do not answer."""

    def __init__(self, silent: NodeId | None) -> None:
        self.asked: list[NodeId] = []
        self._silent = silent

    async def ask(self, node: NodeId, _question: object, _seconds: float) -> Page | Silence:
        await trio.lowlevel.checkpoint()
        self.asked.append(node)
        if node == self._silent:
            self._silent = None
            return Silence.NO_ANSWER
        return Page(name=node.name, boot=node.boot, now=0, rows=(), more=False)


async def asked_by_who_starts(
    claims: dict[Shard, Claim], *, silent: NodeId | None = None
) -> tuple[list[NodeId], int]:
    """The nodes that are asked in turn, and how many of them before the table is full."""
    tables, questions, full = Tables(), Questions(silent), list[int]()
    heard = Moment.now()
    members = tuple(
        Member(node, ready=True, unfit=frozenset(), heard=heard, version="1", address=None,
               public_url=None, load=0.0, clients=0)
        for node in (ME, *OTHERS)
    )  # fmt: skip
    with acting_as(paths.MEMBERSHIP):
        tables.members.put(Members(ME, NodeState.JOINING, members, claims, None, None))
    filling = Filling(ME, tables, cast("Asker", questions))
    for _ in range(ECHOES_TO_BEGIN):
        filling.echoed()
    with trio.move_on_after(SECONDS):
        await filling.run(lambda _page: True, lambda: full.append(len(questions.asked)))
    return questions.asked, full[0]


@pytest.mark.proves("N9")
async def test_who_fetches_is_asked_and_nobody_else(autojump_clock: None) -> None:
    """Another may have missed something itself, and does not know it yet."""
    fetches = OTHERS[3]
    claims = {shard("api", 0): Claim(7, *fetches), shard("api", 1): Claim(8, *fetches)}
    assert await asked_by_who_starts(claims) == ([fetches], 1)


@pytest.mark.proves("N9")
async def test_where_several_fetch_all_of_them_are_asked_and_one_is_waited_for(
    autojump_clock: None,
) -> None:
    """Each knows its own part best; the node need not wait for them all."""
    some = OTHERS[1], OTHERS[2], OTHERS[4]
    claims = {shard("api", at): Claim(7, *node) for at, node in enumerate((*some, ME))}
    asked, before_full = await asked_by_who_starts(claims)
    assert (sorted(asked), before_full) == (list(some), 1)


@pytest.mark.proves("N9")
async def test_who_fetches_and_does_not_answer_is_asked_again(autojump_clock: None) -> None:
    """Meanwhile another one says what it has, so that the node can begin."""
    fetches = OTHERS[0]
    claims = {shard("api", 0): Claim(7, *fetches), shard("api", 1): Claim(9, "gone", 1)}
    asked, before_full = await asked_by_who_starts(claims, silent=fetches)
    assert (asked[0], asked[2:], before_full) == (fetches, [fetches], 2)
    assert asked[1] in OTHERS[1:]
