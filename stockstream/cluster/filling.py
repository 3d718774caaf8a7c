"""Fills the table with what other nodes have: all of it at the start, and later what was missed.

A node is asked for its rows in pages. What is here already is refused by its version, so nobody
needs to know what exactly was missed.

At the start that is one that fetches: another may have missed something itself a moment ago, and
its answer does not say so. Where several fetch, each knows its own part best, so the others are
asked next.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NoReturn

import trio

from stockstream.cluster.gaps import Gaps
from stockstream.cluster.prices import Page, PageWanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from stockstream.cluster.questions import Asker
    from stockstream.shards import NodeId
    from stockstream.tables import Tables

PAGE_SECONDS = 2.0
MOST_ASKED_TO_BEGIN = 3
ECHOES_TO_BEGIN = 2
"""Own heartbeats that have to come back before it is known who is there."""
PAUSE_SECONDS = 1.0


class Filling:
    """See the module."""

    def __init__(self, me: NodeId, tables: Tables, asker: Asker) -> None:
        self._me = me
        self._tables = tables
        self._asker = asker
        self._echoes = 0
        self._begin = trio.Event()
        self._missed = trio.Event()
        self.gaps = Gaps()

    def echoed(self) -> None:
        """An own heartbeat has come back."""
        self._echoes += 1
        if self._echoes == ECHOES_TO_BEGIN:
            self._begin.set()

    def heard(self, node: NodeId, number: int) -> None:
        """A message of prices has come from another node."""
        self.gaps.heard(node, number)
        self._notice()

    def told(self, node: NodeId, number: int) -> None:
        """Another node tells the number of its last message of prices."""
        self.gaps.told(node, number)
        self._notice()

    def lost(self) -> None:
        """What was taken before may not have gone in."""
        self.gaps.lost()
        self._notice()

    async def run(self, take: Callable[[Page], bool], full: Callable[[], None]) -> NoReturn:
        """Ask one node for everything, call `full`, and ask each that something was missed of.

        `take` takes a page in, and answers whether it could be read.
        """
        await self._begin.wait()
        fetching = self._who_fetch()
        for node in self._whom_to_ask(fetching):
            if await self._ask(node, take):
                fetching -= {node}
                break
        self.gaps.begin()
        self.gaps.missed |= fetching
        full()
        self._notice()
        while True:
            await self._missed.wait()
            self._missed = trio.Event()
            for node in list(self.gaps.missed):
                # What is missed from now on is missed anew.
                self.gaps.missed.discard(node)
                if not await self._ask(node, take) and self._is_member(node):
                    self.gaps.missed.add(node)
            self._notice()
            await trio.sleep(PAUSE_SECONDS)

    def _notice(self) -> None:
        if self.gaps.missed:
            self._missed.set()

    def _who_fetch(self) -> frozenset[NodeId]:
        """The other nodes that fetch anything for all, as far as it is known here."""
        members = self._tables.members.value
        if members is None:
            return frozenset()
        claimed = {claim.node for claim in members.claims.values()}
        return frozenset(claimed & {row.node for row in members.members if row.node != self._me})

    def _whom_to_ask(self, first: AbstractSet[NodeId]) -> list[NodeId]:
        members = self._tables.members.value
        ready = () if members is None else (row.node for row in members.members if row.ready)
        nodes = [node for node in ready if node != self._me]
        random.shuffle(nodes)
        nodes.sort(key=lambda node: node not in first)
        return nodes[:MOST_ASKED_TO_BEGIN]

    def _is_member(self, node: NodeId) -> bool:
        members = self._tables.members.value
        return members is not None and any(row.node == node for row in members.members)

    async def _ask(self, node: NodeId, take: Callable[[Page], bool]) -> bool:
        """Take all prices of a node; False where it did not give them all."""
        after = ""
        while True:
            question = PageWanted(name=self._me.name, boot=self._me.boot, after=after)
            page = await self._asker.ask(node, question, PAGE_SECONDS)
            if not isinstance(page, Page) or not take(page):
                return False
            if not page.more:
                return True
            if not page.rows or page.rows[-1].quote.symbol <= after:
                return False  # it would never end
            after = page.rows[-1].quote.symbol
