"""The membership of several nodes, over a bus in memory. Virtual time."""

from __future__ import annotations

import random
import threading

import pytest
import structlog
import trio

from stockstream import paths
from stockstream.cluster.messages import Heard
from stockstream.cluster.wire import Heartbeat
from stockstream.messages import Demand, EpochSeen, EpochsUsed, HoldingChanged, LocalDemand
from stockstream.quotes import Symbol
from stockstream.shards import Claim, Sharding
from stockstream.statuses import CircuitState, CircuitStatus, NodeState
from stockstream.times import DAY_MS, Moment
from tests.unit.cluster.nodes import WALL_MS, running_nodes, wall_clock

SOMEBODY = LocalDemand({Symbol("AAPL"): 2}, everything=0, subscribers=2, connections=3)


def holders(*nodes):
    return [node for node in nodes if node.holds]


@pytest.mark.proves("N2", "N4")
async def test_one_of_three_fetches_and_all_know_who(autojump_clock):
    """They know each other, and agree about the claim."""
    async with running_nodes("a", "b", "c") as (_, *nodes):
        (holder,) = holders(*nodes)
        for node in nodes:
            members = node.tables.members.value
            assert members.state is NodeState.READY
            assert [member.node.name for member in members.members] == ["a", "b", "c"]
            assert {claim.name for claim in members.claims.values()} == {holder.me.name}
            assert members.echo_seconds == pytest.approx(0.01)


@pytest.mark.proves("N5")
async def test_shards_are_shared_out_and_each_is_fetched_once(autojump_clock):
    """With several of them."""
    async with running_nodes("a", "b", "c", parts=16) as (_, *nodes):
        held = [name for node in nodes for name in node.holds]
        assert sorted(held) == sorted(Sharding({"api": 16}).shards)
        assert all(node.holds for node in nodes)


@pytest.mark.proves("N7")
async def test_a_dead_node_is_followed_within_a_second_and_a_half(autojump_clock):
    """Nobody listens on its subject: it need not be missed for three seconds."""
    async with running_nodes("a", "b", "c") as (_, *nodes):
        (holder,) = holders(*nodes)
        others = [node for node in nodes if node is not holder]
        holder.die()
        await trio.sleep(1.6)
        assert len(holders(*others)) == 1
        assert others[0].others == {others[1].me.name}


@pytest.mark.proves("N13")
async def test_a_node_that_stops_says_goodbye(autojump_clock):
    """The next one fetches as soon as it has heard that."""
    async with running_nodes("a", "b", "c") as (_, *nodes):
        (holder,) = holders(*nodes)
        others = [node for node in nodes if node is not holder]
        holder.stop()
        await trio.sleep(0.1)
        assert len(holders(*others)) == 1


@pytest.mark.proves("N8")
async def test_a_node_that_is_cut_off_fetches_for_its_own_clients_and_comes_back(autojump_clock):
    """What it held it goes on recording. It fetches before it has clients, or it would not be ready
    for any, and a balancer that asks would send none.
    """
    async with running_nodes("a", "b") as (_, *nodes):
        (holder,) = holders(*nodes)
        (other,) = (node for node in nodes if node is not holder)
        for node in nodes:
            node.cut_off()
        await trio.sleep(2)
        assert holder.alone
        assert other.alone
        assert holder.holds == holder.tables.holding.value.recording
        assert other.holds
        assert not other.tables.holding.value.recording
        assert HoldingChanged() in other.feed
        for node in nodes:
            node.cut_off(cut=False)
        await trio.sleep(2.5)
        assert holders(*nodes) == [holder]
        assert not other.alone


@pytest.mark.proves("N8")
async def test_epochs_given_while_alone_are_claimed_over(autojump_clock):
    """Whoever fetches then gives higher ones than all that clients were shown."""
    async with running_nodes("a", "b") as (_, *nodes):
        (holder,) = holders(*nodes)
        (other,) = (node for node in nodes if node is not holder)
        other.cut_off()
        other.cast(SOMEBODY)
        await trio.sleep(2)
        used = wall_clock() + 600_000
        other.cast(EpochsUsed(dict.fromkeys(other.holds, used)))
        await trio.sleep(0.1)
        other.cut_off(cut=False)
        await trio.sleep(3)
        (epoch,) = holder.tables.holding.value.epochs.values()
        assert epoch > used
        assert not other.holds


@pytest.mark.proves("N17")
async def test_an_epoch_that_a_client_brings_is_claimed_over(autojump_clock):
    """Of a node that was alone and died; the streamer hears that somebody may be ahead. One made
    up, of another day, is not believed.
    """
    async with running_nodes("a", "b") as (_, *nodes):
        (holder,) = holders(*nodes)
        holder.streamer.clear()
        (other,) = (node for node in nodes if node is not holder)
        brought = wall_clock() + 600_000
        other.cast(EpochSeen(Symbol("AAPL"), brought))
        await trio.sleep(2)
        (epoch,) = holder.tables.holding.value.epochs.values()
        assert epoch > brought
        assert holder.tables.holding.value.contested == frozenset(holder.holds)
        assert HoldingChanged() in holder.streamer
        other.cast(EpochSeen(Symbol("AAPL"), wall_clock() + 2 * DAY_MS))
        await trio.sleep(2)
        assert [*holder.tables.holding.value.epochs.values()] == [epoch]


@pytest.mark.proves("N5")
async def test_every_epoch_is_kept_for_the_next_start(autojump_clock):
    """Also those of other nodes."""
    async with running_nodes("a", "b") as (_, *nodes):
        await trio.sleep(1)
        (holder,) = holders(*nodes)
        (epoch,) = holder.tables.holding.value.epochs.values()
        for node in nodes:
            await node.until_kept(epoch)


@pytest.mark.proves("N12")
async def test_demand_is_the_sum_of_all_living_nodes(autojump_clock):
    """On each node; a dead node's share goes with it, and a missed one is asked for."""
    async with running_nodes("a", "b", "c") as (nodes, a, b, c):
        a.cast(SOMEBODY)
        b.cast(LocalDemand({Symbol("AAPL"): 1, Symbol("MSFT"): 1}, 1, 2, 2))
        await trio.sleep(0.5)
        for node in (a, b, c):
            assert node.demand == Demand(
                frozenset({"AAPL", "MSFT"}), everything=True, subscribers=4
            )
            presence = node.tables.presence.value
            assert presence.symbols == {"AAPL": 3, "MSFT": 1}
            assert [each.connections for each in presence.nodes] == [3, 2, 0]
        late = await nodes.start("d", 9)
        await trio.sleep(2)
        assert late.demand == a.demand
        b.die()
        await trio.sleep(3.5)
        assert a.demand == Demand(frozenset({"AAPL"}), everything=False, subscribers=2)
        assert late.demand == a.demand


@pytest.mark.proves("N12")
async def test_a_storm_of_clients_is_four_messages_a_second(autojump_clock):
    """The last of them is told."""
    async with running_nodes("a", "b") as (_, a, b):
        before = a.memory.wants.value[a.me].number
        for count in range(1, 101):
            a.cast(LocalDemand({Symbol("AAPL"): count}, 0, count, count))
            await trio.sleep(0.01)
        await trio.sleep(0.3)
        assert b.tables.presence.value.symbols == {"AAPL": 100}
        assert a.memory.wants.value[a.me].number - before == 100


@pytest.mark.proves("N11")
async def test_a_node_whose_breaker_opened_leaves_the_upstream_to_another(autojump_clock):
    """It comes back after half a minute; the next time after a whole one."""
    async with running_nodes("a", "b") as (_, *nodes):
        (holder,) = holders(*nodes)
        (other,) = (node for node in nodes if node is not holder)
        for seconds in (30, 60):
            opened = CircuitStatus(CircuitState.OPEN, Moment.now(), Moment.now().after(5))
            holder.tables.circuits._rows["api"] = opened
            await trio.sleep(1)
            assert holders(*nodes) == [other]
            assert "api" in holder.tables.members.value.members[nodes.index(holder)].unfit
            await trio.sleep(seconds - 3)
            assert holders(*nodes) == [other]
            await trio.sleep(4)
            assert holders(*nodes) == [holder]


@pytest.mark.proves("N1")
async def test_a_node_with_another_source_stands_by_and_names_the_setting(autojump_clock):
    """It shows the cluster's prices and fetches nothing; when the others are gone, it does."""
    async with running_nodes("a", "b") as (nodes, a, b):
        odd = await nodes.start("c", 5, settings={"STOCK_API_URL": "http://elsewhere"})
        await trio.sleep(3)
        members = odd.tables.members.value
        assert members.state is NodeState.STANDING_BY
        assert not odd.holds
        assert [member.differing for member in members.members] == [
            ("STOCK_API_URL",),
            ("STOCK_API_URL",),
            (),
        ]
        assert len(holders(a, b)) == 1
        a.stop()
        b.stop()
        await trio.sleep(2)
        assert odd.holds


@pytest.mark.proves("N2")
async def test_of_two_nodes_of_one_name_the_older_stands_by(autojump_clock):
    """Whichever hears of the other first."""
    async with running_nodes("a", "b") as (nodes, a, b):
        newer = await nodes.start("a", 9)
        await trio.sleep(4)
        assert a.tables.members.value.state is NodeState.STANDING_BY
        assert not a.holds
        assert newer.tables.members.value.state is NodeState.READY
        assert len(holders(newer, b)) == 1


@pytest.mark.proves("C12", "N19")
@pytest.mark.parametrize("seed", range(5))
async def test_bus_and_membership_may_be_killed_at_any_moment(seed, autojump_clock):
    """Nobody stops fetching, nobody is missed, and no second one begins."""
    rng = random.Random(seed)
    async with running_nodes("a", "b", "c") as (_, *nodes):
        (holder,) = holders(*nodes)
        for node in nodes:
            node.cast(SOMEBODY)
        await trio.sleep(0.5)
        for _ in range(40):
            rng.choice(nodes).kill(rng.choice((paths.MEMBERSHIP, paths.BUS)))
            await trio.sleep(rng.uniform(0, 0.4))
            assert holders(*nodes) == [holder]
        await trio.sleep(2)
        for node in nodes:
            assert len(node.others) == 2
            assert node.demand == Demand(frozenset({"AAPL"}), everything=False, subscribers=6)


async def test_a_clock_set_back_gives_no_lower_epoch(autojump_clock):
    """The boot is above all epochs that the last start has kept, and epochs are above the boot."""
    async with running_nodes("a") as (nodes, a):
        (before,) = a.tables.holding.value.epochs.values()
        a.die()
        again = await nodes.start("a", before + DAY_MS - WALL_MS)
        await trio.sleep(3)
        (after,) = again.tables.holding.value.epochs.values()
        assert after >= before + DAY_MS


@pytest.mark.proves("N5")
async def test_epochs_days_ahead_are_refused_and_said_once(autojump_clock):
    """By the name of the node; it is not followed."""
    async with running_nodes("a") as (_, a):
        (before,) = a.tables.holding.value.epochs.values()
        name = next(iter(a.holds))
        ahead = Claim(wall_clock() + 3 * DAY_MS, "wrong", 1)
        with structlog.testing.capture_logs() as logged:
            for number in range(1, 4):
                beat = Heartbeat(name="wrong", boot=1, number=number, claims={name: ahead})
                a.cast(Heard(beat))
                await trio.sleep(0.1)
        (line,) = [entry for entry in logged if entry["event"] == "epochs are refused"]
        assert line["node"] == "wrong"
        assert line["seconds_ahead"] == pytest.approx(3 * 86_400, abs=86_400)
        assert a.tables.holding.value.epochs == {name: before}


async def test_a_disk_that_hangs_holds_one_thread_and_nobody_else(autojump_clock):
    """Also when the membership is killed again and again, and has an epoch to keep each time."""
    entered, began, hangs = [], threading.Event(), threading.Event()

    def hang(epoch):
        entered.append(epoch)
        began.set()
        hangs.wait(10)

    async with running_nodes("a") as (_, a):
        object.__setattr__(a.settings, "keep_epoch", hang)
        try:
            a.kill()
            assert await trio.to_thread.run_sync(began.wait, 10)
            for _ in range(5):
                a.kill()
                await trio.sleep(1)
            await trio.sleep(1)
            assert len(entered) == 1
            assert a.holds
            assert a.tables.members.value.state is NodeState.READY
        finally:
            hangs.set()
