"""Whose wall clock is right: by what the others' say, and what a node of a wrong one does."""

from __future__ import annotations

import random

import pytest
import structlog
import trio

from stockstream.cluster.clocks import JUDGED_AFTER, RIGHT_AGAIN_MS, WRONG_MS, Clocks
from stockstream.cluster.told import cluster_document
from stockstream.messages import EpochsUsed
from stockstream.shards import NodeId, Shard, Sharding
from stockstream.statuses import NodeState, UpstreamClock
from stockstream.times import DAY_MS, Moment
from tests.unit.cluster.nodes import WALL_MS, running_nodes, wall_clock

B, C = NodeId("b", 1), NodeId("c", 1)
TWO_DAYS = 2 * DAY_MS


def judged(clocks: Clocks, *others: int, mine: int = WALL_MS, upstream: int | None = None) -> bool:
    """Whether the own clock is wrong, once others have told theirs, so far ahead of it."""
    for _ in range(JUDGED_AFTER):
        for number, ahead in enumerate(others):
            clocks.hear(NodeId(f"n{number}", 1), mine + ahead)
        clocks.echo(mine, upstream)
    return clocks.is_wrong


@pytest.mark.parametrize("off", [TWO_DAYS, -TWO_DAYS, WRONG_MS + 2_000])
def test_a_clock_is_wrong_when_most_of_the_others_agree_on_another_time(off: int) -> None:
    """By as much as the one in the middle of them says; then epochs go by theirs."""
    clocks = Clocks()
    assert judged(clocks, -off, -off + 1_000)
    assert clocks.off == pytest.approx(off, abs=1_000)
    assert clocks.now(WALL_MS + off, 0) == pytest.approx(WALL_MS, abs=1_000)


@pytest.mark.parametrize(
    ("others", "upstream"),
    [
        ((), None),
        ((), TWO_DAYS),
        ((TWO_DAYS,), None),
        ((TWO_DAYS, -TWO_DAYS), None),
        ((TWO_DAYS, TWO_DAYS, 0), None),
        ((TWO_DAYS, TWO_DAYS), 0),
        ((WRONG_MS, WRONG_MS), None),
        ((600_000, 1_200_000), 0),
    ],
)
def test_no_clock_is_wrong_while_nobody_knows_or_the_difference_is_small(
    others: tuple[int, ...], upstream: int | None
) -> None:
    """One other, others that do not agree, as many on each side, minutes."""
    assert not judged(Clocks(), *others, upstream=upstream)


def test_a_clock_that_was_set_a_moment_ago_is_not_judged_yet() -> None:
    """By it the epochs of before are days ahead: that is not to be believed meanwhile."""
    clocks = Clocks()
    assert not judged(clocks, 0, 0)
    assert clocks.judged
    for _ in range(JUDGED_AFTER - 1):
        clocks.hear(B, WALL_MS)
        clocks.hear(C, WALL_MS)
        clocks.echo(WALL_MS - TWO_DAYS, None)
        assert (clocks.judged, clocks.is_wrong) == (False, False)
    assert judged(clocks, TWO_DAYS, TWO_DAYS, mine=WALL_MS - TWO_DAYS)
    assert clocks.judged


def test_a_clock_that_was_set_ahead_gives_no_time_while_it_is_judged() -> None:
    """A claim by it would be days above all others: its node would have to be started again."""
    clocks = Clocks()
    assert not judged(clocks, 0, 0)
    clocks.hear(B, WALL_MS)
    clocks.hear(C, WALL_MS)
    clocks.echo(WALL_MS + TWO_DAYS, None)
    assert not clocks.is_wrong
    assert clocks.now(WALL_MS + TWO_DAYS, 0) == WALL_MS


def test_of_two_the_upstream_says_which_is_wrong() -> None:
    """By the date of its answers."""
    assert judged(Clocks(), -TWO_DAYS, upstream=-TWO_DAYS)
    assert not judged(Clocks(), TWO_DAYS, upstream=0)


def test_a_clock_near_the_limit_is_right_again_once_it_is_well_within() -> None:
    """Or its node would give its shards away, and take them back, twice a second."""
    clocks = Clocks()
    assert judged(clocks, WRONG_MS + 1, WRONG_MS + 1)
    assert judged(clocks, WRONG_MS - 1, WRONG_MS - 1)
    assert not judged(clocks, RIGHT_AGAIN_MS, RIGHT_AGAIN_MS)
    assert clocks.off == 0


def test_who_was_frozen_for_an_hour_does_not_take_its_clock_for_wrong() -> None:
    """What the others said meanwhile comes at once, before the own next heartbeat comes back."""
    clocks = Clocks()
    assert not judged(clocks, 0, 0)
    for later in range(0, 3_600_000, 500):
        clocks.hear(B, WALL_MS + later)
        clocks.hear(C, WALL_MS + later)
    clocks.echo(WALL_MS + 3_600_000, None)
    assert not clocks.is_wrong


def test_who_says_nothing_any_more_has_no_say() -> None:
    """Its clock stands still in its last heartbeat."""
    clocks = Clocks()
    assert not judged(clocks, 0, 0)
    for later in range(9):
        clocks.echo(WALL_MS + TWO_DAYS + later * 500, None)
        assert not clocks.is_wrong
    assert clocks.ahead_of_mine(B) is None


def test_a_boot_that_a_wrong_clock_gave_makes_no_epochs() -> None:
    """Everybody would refuse them. While nobody else is there it stands: it is above all that the
    earlier lives of this node gave.
    """
    clocks = Clocks()
    boot = WALL_MS + TWO_DAYS
    assert clocks.now(WALL_MS, boot) == boot
    judged(clocks, 0, 0)
    assert clocks.now(WALL_MS, boot) == WALL_MS
    assert clocks.now(WALL_MS, WALL_MS + 1_000) == WALL_MS + 1_000


# A node of a wrong clock


@pytest.mark.proves("N5", "N26")
@pytest.mark.parametrize("off", [TWO_DAYS, -TWO_DAYS])
async def test_a_node_whose_clock_steps_by_two_days_stands_by_until_it_is_set(
    autojump_clock: object, off: int
) -> None:
    """Another one fetches at once; it says why, and so do the others; once right, it is ready."""
    async with running_nodes("a", "b", "c") as (_, *nodes):
        (holder,) = (node for node in nodes if node.holds)
        others = [node for node in nodes if node is not holder]
        name = holder.me.name
        with structlog.testing.capture_logs() as log:
            holder.ahead_ms = off
            await trio.sleep(2.1)
            assert holder.tables.members.value.state is NodeState.STANDING_BY
            assert sum(bool(node.holds) for node in others) == 1
            await trio.sleep(5)
        assert not holder.holds
        told = [cluster_document(node.tables) for node in (holder, *others)]
        assert told[0].troubles[0].startswith(f"{name} is standing by: its clock is")
        assert "172,800 s" in told[0].troubles[0]
        for document in told[1:]:
            assert any(f"the clock of {name} is" in line for line in document.troubles)
            (row,) = (member for member in document.members if member.node == name)
            assert not row.ready
            assert row.clock_ahead_seconds == pytest.approx(off / 1000, abs=1)
        events = [line["event"] for line in log if line.get("log_level") == "warning"]
        assert events.count("the state in the cluster changed") == 1
        assert events.count("clocks differ") == 4, "each node of each other one, once"
        holder.ahead_ms = 0
        await trio.sleep(2)
        assert all(node.tables.members.value.state is NodeState.READY for node in nodes)
        assert [node for node in nodes if node.holds] == [holder]
        (epoch,) = holder.tables.holding.value.epochs.values()
        assert epoch < wall_clock() + DAY_MS
        assert cluster_document(holder.tables).troubles == []


@pytest.mark.parametrize("off", [TWO_DAYS, -TWO_DAYS])
async def test_a_node_that_starts_with_a_wrong_clock_takes_the_others_prices(
    autojump_clock: object, off: int
) -> None:
    """It never claims anything; it goes by their time, so their epochs are none of a far future."""
    async with running_nodes("a", "b") as (nodes, a, b):
        odd = await nodes.start("c", 9 + off, ahead_ms=off)
        await trio.sleep(3)
        members = odd.tables.members.value
        assert (members.state, members.clock_off) == (
            NodeState.STANDING_BY,
            pytest.approx(off, abs=1_000),
        )
        assert members.claims == a.tables.members.value.claims
        assert sum(bool(node.holds) for node in (a, b)) == 1
        odd.ahead_ms = 0
        await trio.sleep(3)
        assert odd.tables.members.value.state is NodeState.READY
        b.stop()
        a.stop()
        await trio.sleep(2)
        (epoch,) = odd.tables.holding.value.epochs.values()
        assert epoch < wall_clock() + DAY_MS or off < 0


async def test_however_clocks_are_set_who_is_right_fetches_each_shard_once(
    autojump_clock: object,
) -> None:
    """While most are right. Whoever is wrong fetches nothing, and is back when it is set."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    async with running_nodes("a", "b", "c", parts=8) as (_, *nodes):
        for _ in range(12):
            wrong = rng.choice(nodes)
            for node in nodes:
                node.ahead_ms = rng.choice((0, 60_000, -300_000))
            wrong.ahead_ms = rng.choice((TWO_DAYS, -TWO_DAYS, 3_600_000, -3_600_000, 540_000))
            await trio.sleep(rng.uniform(2.5, 4))
            is_wrong = abs(wrong.ahead_ms) > WRONG_MS + 300_000
            right = [node for node in nodes if node is not wrong or not is_wrong]
            held = sorted(name for node in right for name in node.holds)
            assert held == sorted(Sharding({"api": 8}).shards), seed
            assert not (is_wrong and wrong.holds), seed
            states = [node.tables.members.value.state for node in right]
            assert states == [NodeState.READY] * len(right), seed
            epochs = [e for node in right for e in node.tables.holding.value.epochs.values()]
            assert max(epochs) < wall_clock() + DAY_MS, seed


async def test_of_two_nodes_both_say_the_difference_and_go_on(autojump_clock: object) -> None:
    """Nobody knows who is right, and prices flow."""
    async with running_nodes("a", "b") as (_, a, b):
        (holder,) = (node for node in (a, b) if node.holds)
        b.ahead_ms = TWO_DAYS
        await trio.sleep(3)
        assert a.tables.members.value.state is b.tables.members.value.state is NodeState.READY
        assert holder.holds
        for node, words in ((a, "the clock of b is"), (b, "the clock of a is")):
            assert any(words in line for line in cluster_document(node.tables).troubles)


async def test_of_two_nodes_the_one_that_the_upstream_contradicts_stands_by(
    autojump_clock: object,
) -> None:
    """The feed has compared its date with the steady clock."""
    async with running_nodes("a", "b") as (_, a, b):
        for node in (a, b):
            dated = WALL_MS + round(trio.current_time() * 1000) - Moment.now().milliseconds
            node.tables.upstream_clocks._rows["api"] = UpstreamClock(dated=dated)
        b.ahead_ms = TWO_DAYS
        await trio.sleep(2)
        assert a.tables.members.value.state is NodeState.READY
        assert b.tables.members.value.state is NodeState.STANDING_BY
        assert a.holds
        assert not b.holds


async def test_who_gave_versions_of_a_wrong_clock_says_that_it_has_to_be_started_again(
    autojump_clock: object,
) -> None:
    """It has prices that nothing of the others is newer than. Its next life goes by their time."""
    async with running_nodes("a") as (nodes, a):
        a.ahead_ms = TWO_DAYS
        a.cut_off()
        await trio.sleep(4)
        assert a.alone
        a.cast(EpochsUsed({Shard("api/0"): a.wall_clock()}))
        a.cut_off(cut=False)
        b, c = await nodes.start("b", 2), await nodes.start("c", 3)
        await trio.sleep(3)
        assert "set it" in a.tables.members.value.why
        a.ahead_ms = 0
        await trio.sleep(3)
        assert a.tables.members.value.state is NodeState.STANDING_BY
        assert "start the node again" in a.tables.members.value.why
        assert sum(bool(node.holds) for node in (b, c)) == 1
        a.die()
        again = await nodes.start("a", 9 + TWO_DAYS)
        await trio.sleep(3)
        assert again.tables.members.value.state is NodeState.READY
        b.stop()
        c.stop()
        await trio.sleep(2)
        (epoch,) = again.tables.holding.value.epochs.values()
        assert epoch < wall_clock() + DAY_MS
