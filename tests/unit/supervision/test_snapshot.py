"""A picture of a crowd: how many of it are listed, and who."""

from __future__ import annotations

from dataclasses import dataclass
from sys import setprofile

import pytest
import trio

from supervision import (
    Actor,
    ActorSnapshot,
    Backoff,
    ChildSpec,
    MailboxPolicy,
    dynamic_supervisor,
    handles,
    snapshot,
    start_child,
)


@dataclass(frozen=True)
class Hold:
    """Stay in the handler."""


@dataclass(frozen=True)
class Fall:
    """Crash."""


class Member(Actor):
    """One of the crowd."""

    mailbox = MailboxPolicy(bound=5)

    @handles(Hold)
    async def _hold(self, _message: Hold) -> None:
        await trio.sleep_forever()

    @handles(Fall)
    def _fall(self, _message: Fall) -> None:
        raise ValueError("as told")


async def crowd(start, number: int):
    """A tree in which `pool` has so many children, which come back a minute after a crash."""
    backoff = Backoff(60.0, 60.0)
    tree = await start([dynamic_supervisor("pool", intensity=1_000, backoff=backoff)])
    for _ in range(number):
        await start_child(tree["pool"], ChildSpec("member", Member))
    return tree


def pool(tree, **limits) -> ActorSnapshot:
    root = snapshot(tree.system, **limits)
    return next(node for node in root.walk() if node.path == "pool")


def listed(tree, **limits) -> list[int]:
    return [int(child.path.removeprefix("pool/")) for child in pool(tree, **limits).children]


async def test_without_a_limit_all_are_listed(start):
    tree = await crowd(start, 30)
    assert listed(tree) == list(range(1, 31))
    assert pool(tree).left_out == {}


async def test_the_oldest_are_listed_and_the_rest_is_counted(start):
    tree = await crowd(start, 30)
    assert listed(tree, most_dynamic=4) == [1, 2, 3, 4]
    assert pool(tree, most_dynamic=4).left_out == {"running": 26}


async def test_a_static_supervisors_children_are_always_listed(start):
    tree = await start([ChildSpec(f"worker{number}", Member) for number in range(10)])
    root = snapshot(tree.system, most_dynamic=0)
    assert len(root.children) == 10


async def test_those_in_trouble_come_first(start):
    """Down ones, then those that dropped most, then the fullest; in start order all the same."""
    tree = await crowd(start, 30)
    for number in (9, 21):
        tree[f"pool/{number}"].cast(Fall())
    for number, casts in ((12, 3), (17, 9), (25, 5)):
        for _ in range(casts):
            tree[f"pool/{number}"].cast(Hold())
    await tree.settle()
    assert listed(tree, most_dynamic=2) == [9, 21]
    assert listed(tree, most_dynamic=3) == [9, 17, 21]
    assert listed(tree, most_dynamic=6) == [1, 9, 12, 17, 21, 25]
    states = {child.path: child.state for child in pool(tree, most_dynamic=2).children}
    assert states == {"pool/9": "restarting", "pool/21": "restarting"}
    assert pool(tree, most_dynamic=1).left_out == {"restarting": 1, "running": 28}


async def test_somebody_asked_for_is_listed_beside_them(start):
    tree = await crowd(start, 30)
    assert listed(tree, most_dynamic=2, always=("pool/28", "pool/99", "elsewhere/3")) == [1, 2, 28]
    assert pool(tree, most_dynamic=0, always=("pool/28",)).left_out == {"running": 29}


@pytest.mark.parametrize("number", [100, 1_000])
async def test_whoever_is_not_listed_costs_a_glance(start, number):
    """Counted in calls of functions, which no busy machine makes more of: none is per child."""
    tree = await crowd(start, number)
    calls = 0

    def count(_frame, event: str, _argument) -> None:
        nonlocal calls
        calls += event == "call"

    setprofile(count)
    try:
        picture = snapshot(tree.system, most_dynamic=3)
    finally:
        setprofile(None)
    assert sum(1 for _ in picture.walk()) == 5
    assert 5 < calls < 100
