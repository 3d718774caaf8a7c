"""Who fetches what: what a node makes of what it hears."""

from __future__ import annotations

import random

import pytest

from stockstream.cluster.fingerprints import PROVIDERS
from stockstream.cluster.ownership import Ownership
from stockstream.cluster.rendezvous import preferred
from stockstream.cluster.wire import ClaimMessage, Heartbeat
from stockstream.shards import Claim, NodeId, Shard, Sharding, next_epoch, part_of
from stockstream.statuses import NodeState
from tests.support.cluster_bus import NOW, RIGHT, SHARDS, Bus

DAY_MS = 86_400_000
FIRST = SHARDS[0]


FIRST_EPOCH = next_epoch("a", NOW, 0)


def three(bus: Bus) -> list[Ownership]:
    """Nodes a, b and c, which share the shards."""
    nodes = [bus.join(name) for name in "abc"]
    bus.beat(3)
    assert bus.busy() == {"a", "b", "c"}
    return nodes


def one_of(bus: Bus, node: Ownership) -> Shard:
    """A shard that the node fetches."""
    return next(shard for shard, names in bus.fetchers().items() if names == [node.me.name])


# Joining


@pytest.mark.proves("N2")
def test_a_node_is_ready_once_it_hears_itself_twice_and_has_all_prices() -> None:
    """Before that it fetches nothing."""
    bus = Bus()
    node = bus.join("a", filled=False)
    bus.beat(2)
    assert (node.state, node.holding().epochs) == (NodeState.JOINING, {})
    bus.send(node, node.table_filled(NOW))
    assert node.state is NodeState.READY
    assert bus.busy() == {"a"}


@pytest.mark.proves("N2")
def test_who_starts_is_answered_at_once() -> None:
    """It need not wait for the next heartbeats to know who is there, and what is claimed."""
    bus = Bus()
    a, b, _ = three(bus)
    newcomer = bus.join("d")
    assert newcomer.members.keys() == {a.me, b.me, NodeId("c", 1)}
    assert newcomer.claims == a.claims


@pytest.mark.proves("N6")
def test_who_joins_takes_over_its_part_and_nothing_else_moves() -> None:
    """The others stop when they hear its claim, and not before."""
    bus = Bus()
    three(bus)
    before = bus.fetchers()
    bus.join("d")
    bus.beat(3)
    moved = {shard for shard, names in bus.fetchers().items() if names != before[shard]}
    assert moved
    assert all(bus.fetchers()[shard] == ["d"] for shard in moved)


@pytest.mark.proves("N6")
def test_a_coming_or_going_node_moves_its_own_part_only() -> None:
    """T11: about 1/n of the parts, over 200 random memberships of up to 8 nodes."""
    parts = [str(index) for index in range(64)]
    seed = 211
    dice = random.Random(seed)
    moved = expected = 0.0
    for _ in range(200):
        names = frozenset(f"node-{dice.randrange(10_000)}" for _ in range(dice.randrange(2, 9)))
        gone = dice.choice(sorted(names))
        with_it = {part: preferred(part, names) for part in parts}
        without = {part: preferred(part, names - {gone}) for part in parts}
        changed = {part for part in parts if with_it[part] != without[part]}
        # Joining is the same, read from the other side: what it holds is what moves.
        assert changed == {part for part in parts if with_it[part] == gone}, seed
        moved += len(changed)
        expected += len(parts) / len(names)
    assert moved == pytest.approx(expected, rel=0.05), seed


@pytest.mark.proves("N4")
def test_a_part_of_all_upstreams_goes_to_one_node() -> None:
    """Two upstreams may tell the same symbols, whose versions one streamer must give."""
    bus = Bus()
    both = Sharding({"api": 8, "push": 8}).shards
    nodes = [bus.join(name, shards=both) for name in "abc"]
    bus.beat(3)
    for node in nodes:
        parts = [shard.split("/")[1] for shard in node.holding().epochs]
        assert len(parts) == 2 * len(set(parts))


# Claims


@pytest.mark.proves("N5")
def test_a_claim_holds_from_the_moment_it_comes_back() -> None:
    """On the way it may be outbid; what did not come back may not have been heard."""
    node = Ownership(NodeId("a", 1), [FIRST], RIGHT)
    node.table_filled(NOW)
    node.connected()
    said: list[Heartbeat | ClaimMessage] = []
    for _ in range(2):
        (beat,) = node.tick(NOW)
        said = node.heard(beat, NOW)
    claim = next(message for message in said if isinstance(message, ClaimMessage))
    assert claim.claims == {FIRST: Claim(FIRST_EPOCH, "a", 1)}
    assert node.holding().epochs == {}
    node.heard(claim, NOW)
    assert node.holding().epochs == {FIRST: FIRST_EPOCH}


@pytest.mark.proves("N5")
def test_a_claim_that_was_lost_is_made_again() -> None:
    """After three ticks; not with each heartbeat, as it may only be slow."""
    node = Ownership(NodeId("a", 1), [FIRST], RIGHT)
    node.table_filled(NOW)
    node.connected()
    claims = 0
    for _ in range(9):
        for message in node.tick(NOW):
            claims += isinstance(message, ClaimMessage)
            if isinstance(message, Heartbeat):
                claims += sum(isinstance(m, ClaimMessage) for m in node.heard(message, NOW))
    assert claims == 3


@pytest.mark.proves("N5")
def test_the_highest_claim_wins_on_every_node() -> None:
    """By epoch, then by name and boot: whatever the order in which they are heard."""
    claims = [Claim(NOW, "b", 2), Claim(NOW + 1, "a", 1), Claim(NOW + 1, "b", 1)]
    for order in (claims, claims[::-1]):
        node = Ownership(NodeId("z", 1), [FIRST], RIGHT)
        for claim in order:
            message = ClaimMessage(name=claim.name, boot=claim.boot, claims={FIRST: claim})
            node.heard(message, NOW)
        assert node.claims == {FIRST: Claim(NOW + 1, "b", 1)}


@pytest.mark.proves("N5")
def test_a_clock_set_back_gives_no_lower_epoch() -> None:
    """A new claim is above all that are known."""
    bus = Bus()
    a, b, _ = three(bus)
    bus.clocks[b] = bus.clocks[a] = NOW - 3_600_000
    before = a.claims
    c = bus.nodes[2]
    mine = {shard for shard, claim in before.items() if claim.node == c.me}
    bus.send(c, c.leave())
    bus.kill(c)
    assert bus.busy() == {"a", "b"}
    assert all(a.claims[shard].epoch > before[shard].epoch for shard in mine)


@pytest.mark.proves("N5")
def test_a_new_epoch_is_above_those_of_all_shards() -> None:
    """Also of one that is none any more: its symbols belong to another now."""
    bus = Bus()
    a = bus.join("a", shards=SHARDS[:1])
    there_was = {SHARDS[7]: Claim(NOW + 5000, "gone", 1)}
    bus.send(a, a.heard(ClaimMessage(name="gone", boot=1, claims=there_was), NOW))
    bus.beat(3)
    above = next_epoch("a", NOW, NOW + 5000)
    assert a.holding().epochs == {SHARDS[0]: above}
    again = Ownership(a.me, SHARDS[:1], RIGHT, a.remembered())
    assert again.remembered().highest == above


@pytest.mark.proves("N5")
def test_an_epoch_over_a_day_ahead_is_refused_and_told_of() -> None:
    """From whomever it comes; what is less ahead counts."""
    bus = Bus()
    a, *_ = three(bus)
    known = a.claims
    far, near = NOW + DAY_MS + 1, NOW + DAY_MS
    b = NodeId("b", 1)
    a.heard(ClaimMessage(name="b", boot=1, claims={FIRST: Claim(far, *b)}), NOW)
    a.heard(Heartbeat(name="b", boot=1, number=99, claims={FIRST: Claim(far, *b)}), NOW)
    assert a.claims == known
    assert a.refused == {b: far}
    a.heard(Heartbeat(name="b", boot=1, number=100, claims={FIRST: Claim(near, *b)}), NOW)
    assert a.claims[FIRST] == Claim(near, *b)
    assert a.refused == {}


@pytest.mark.proves("N5")
@pytest.mark.parametrize("wrong", [2 * DAY_MS, -2 * DAY_MS])
def test_a_clock_wrong_by_days_leaves_no_shard_without_a_fetcher(wrong: int) -> None:
    """The others do not wait for a node whose claims they refuse, or which refuses theirs."""
    bus = Bus()
    bus.join("a")
    bus.join("b")
    bus.join("c", clock=NOW + wrong)
    bus.beat(10)
    bus.kill(bus.nodes[0])
    bus.beat(10)
    b = bus.nodes[0]
    assert b.me.name == "b"
    assert set(b.holding().epochs) == set(SHARDS)


@pytest.mark.proves("N4")
def test_two_that_do_not_see_the_same_members_do_not_race() -> None:
    """Each claims a shard once per heartbeat at most, however fast the other outbids it."""
    bus = Bus()
    a, b, c = three(bus)
    shard = one_of(bus, a)
    claims = 0
    for _ in range(100):
        epoch = a.claims[shard].epoch + 1
        rival = ClaimMessage(name="b", boot=1, claims={shard: Claim(epoch, "b", 1)})
        for message in a.heard(rival, NOW):
            assert isinstance(message, ClaimMessage)
            claims += 1
            a.heard(message, NOW)
    assert claims == 1
    assert {b.me, c.me} <= a.members.keys()


# Going


@pytest.mark.proves("N13")
def test_who_says_goodbye_is_replaced_at_once() -> None:
    """No heartbeat interval passes."""
    bus = Bus()
    a, *_ = three(bus)
    bus.send(a, a.leave())
    bus.kill(a)
    assert bus.busy() == {"b", "c"}
    assert a.tick(NOW) == []


@pytest.mark.proves("N2", "N7")
def test_the_dead_are_replaced_after_six_echoes() -> None:
    """Its shards are fetched by the others."""
    bus = Bus()
    a, b, _ = three(bus)
    bus.kill(a)
    bus.beat(4)  # one more echo came since, in the round of its last heartbeat
    assert a.me in b.members
    bus.beat()
    assert a.me not in b.members
    assert bus.busy() == {"b", "c"}


@pytest.mark.proves("N2", "N7")
def test_a_silent_node_is_dead_at_once_where_nobody_listens_for_it() -> None:
    """It is asked for after two echoes; one that was heard meanwhile stays."""
    bus = Bus()
    a, b, c = three(bus)
    bus.kill(a)
    assert b.suspects() == []
    bus.beat(3)
    assert b.suspects() == [a.me]
    for node in (b, c):
        bus.send(node, node.nobody_there(a.me, NOW))
        bus.send(node, node.nobody_there(NodeId("b", 1), NOW))
    assert bus.busy() == {"b", "c"}
    assert c.members.keys() == {b.me}


@pytest.mark.proves("N2")
def test_who_does_not_hear_itself_buries_nobody() -> None:
    """Frozen, cut off or slow: no echo, no time passes."""
    bus = Bus()
    a, b, c = three(bus)
    bus.away.add(a)
    for _ in range(50):
        a.tick(NOW)
    assert a.members.keys() == {b.me, c.me}


@pytest.mark.proves("N2")
def test_many_who_join_do_not_make_time_fly() -> None:
    """A heartbeat that answers a hello is no measure of time when it comes back."""
    bus = Bus()
    a, _, c = three(bus)
    bus.away.add(c)
    for index in range(20):
        bus.join(f"d{index}")
    assert c.me in a.members
    assert a.suspects() == []


# Alone


@pytest.mark.proves("N8")
def test_without_a_connection_a_node_is_alone_after_a_second() -> None:
    """It fetches all that its clients want, and records what it fetched for all."""
    bus = Bus()
    a, *_ = three(bus)
    before = a.holding()
    a.disconnected()
    a.tick(NOW)
    a.tick(NOW)
    assert a.holding() == before
    a.tick(NOW)
    holding = a.holding()
    assert (a.state, holding.alone, set(holding.epochs)) == (NodeState.ALONE, True, set(SHARDS))
    assert holding.recording == before.epochs.keys()


@pytest.mark.proves("N8")
def test_a_connection_without_echoes_is_none_after_three_seconds() -> None:
    """The server stands still, or nothing comes through."""
    bus = Bus()
    a, *_ = three(bus)
    bus.away.add(a)
    for _ in range(5):
        a.tick(NOW)
    assert not a.alone
    a.tick(NOW)
    assert a.alone


@pytest.mark.proves("N8")
def test_back_again_its_local_epochs_are_claimed_over() -> None:
    """Its clients have seen them; the others' clients get no lower version from it either."""
    bus = Bus()
    a, *_ = three(bus)
    before = bus.fetchers()
    a.disconnected()
    bus.away.add(a)
    bus.beat(9)
    assert all("a" not in names for names in bus.fetchers().values())
    for shard in SHARDS:
        a.local_epoch(shard, NOW + 1000)
    kept = a.holding().recording
    bus.away.clear()
    bus.send(a, a.connected())
    bus.send(a, a.tick(NOW))
    assert not a.alone
    assert a.holding().recording <= kept
    bus.beat(2)
    assert bus.fetchers() == before
    # Prices that did not change meanwhile are below what its clients have seen: told once more.
    for node in bus.nodes:
        held = node.holding().epochs.keys()
        assert node.holding().contested == held
        assert node is a or node.holding().taken_back == held
    for node in bus.nodes:
        assert all(claim.epoch > NOW + 1000 for claim in node.claims.values())
        assert node.claims == a.claims
        assert node.holding().recording == node.holding().epochs.keys()


@pytest.mark.proves("N8")
def test_a_node_that_never_found_the_bus_fetches_and_records_nothing() -> None:
    """What it shows is not the cluster's."""
    node = Ownership(NodeId("a", 1), SHARDS, RIGHT)
    node.disconnected()
    for _ in range(3):
        assert node.tick(NOW) == []
    holding = node.holding()
    assert (holding.alone, set(holding.epochs), holding.recording) == (True, {*SHARDS}, frozenset())


@pytest.mark.proves("N4", "N8")
def test_a_node_is_not_alone_while_its_first_attempt_to_connect_lasts() -> None:
    """On a busy machine that takes seconds. Then it is alone at once, or has all the time of a
    connection; so it is for the next life of its owner.
    """
    node = Ownership(NodeId("a", 1), SHARDS, RIGHT)
    for _ in range(20):
        node.tick(NOW)
    assert (node.state, node.holding().epochs) == (NodeState.JOINING, {})
    failed, came = (Ownership(node.me, SHARDS, RIGHT, node.remembered()) for _ in range(2))
    assert failed.state is NodeState.JOINING
    failed.disconnected()
    assert failed.state is NodeState.ALONE
    came.connected()
    for _ in range(5):
        came.tick(NOW)
    assert not came.alone
    came.tick(NOW)
    assert came.alone


@pytest.mark.proves("N8")
def test_who_took_a_shard_behind_a_partition_may_be_heard_of_by_others_first() -> None:
    """Everybody tells all claims, so the claim comes before the first heartbeat of whose it is.

    It is taken back from a living node all the same: what did not change is told once more.
    """
    bus = Bus()
    a, b, c = three(bus)
    shard = next(
        s
        for s in SHARDS
        if preferred(part_of(s), frozenset("bc")) == "b" and a.claims[s].name == "a"
    )
    bus.away.add(a)
    for _ in range(8):
        bus.beat()
        for beat in a.tick(NOW):
            a.heard(beat, NOW)  # its own side has the bus, too, and nobody else
    assert b.me not in a.members
    assert (a.holding().epochs[shard], b.claims[shard].name) == (a.claims[shard].epoch, "b")
    told_by_c = Heartbeat(
        name="c", boot=1, number=99, ready=True, claims=c.claims, fingerprints=RIGHT
    )
    bus.away.clear()
    bus.send(a, a.heard(told_by_c, NOW))
    assert a.claims[shard] > b.claims[shard] or a.claims[shard].name == "a"
    assert shard in a.holding().contested
    assert shard in a.holding().taken_back


@pytest.mark.proves("N8", "N9")
def test_what_was_claimed_before_is_taken_back_by_the_next_life_of_the_owner() -> None:
    """Another node was alone, and its higher epoch hides what this one told."""
    bus = Bus()
    a, b, _ = three(bus)
    shard = one_of(bus, a)
    again = Ownership(a.me, SHARDS, RIGHT, a.remembered())
    bus.nodes[bus.nodes.index(a)], bus.clocks[again] = again, NOW
    bus.send(again, again.connected())
    b.local_epoch(shard, NOW + 1000)
    bus.beat(3)
    assert shard in again.holding().epochs
    assert shard in again.holding().contested
    assert shard in again.holding().taken_back


@pytest.mark.proves("N8", "N9")
def test_what_was_given_alone_is_told_once_more_by_who_never_claimed_it() -> None:
    """Nobody else heard of it, whoever has given a higher epoch meanwhile."""
    bus = Bus()
    _, b, _ = three(bus)
    newcomer = Ownership(NodeId("d", 1), SHARDS, RIGHT)
    newcomer.table_filled(NOW)
    for shard in SHARDS:
        newcomer.local_epoch(shard, NOW + 1000)
        b.local_epoch(shard, NOW + 2000)
    bus.nodes.append(newcomer)
    bus.clocks[newcomer] = NOW
    bus.send(newcomer, newcomer.connected())
    bus.beat(3)
    holding = newcomer.holding()
    assert holding.epochs
    assert holding.contested == holding.epochs.keys()


@pytest.mark.proves("N8")
def test_a_shard_of_a_node_that_was_heard_and_died_is_not_told_once_more() -> None:
    """What it told was heard here: there is nothing to hide what is told from now on."""
    bus = Bus()
    a, *_ = three(bus)
    newcomer = bus.join("d")
    bus.beat(3)
    moved = next(s for s in SHARDS if a.claims[s].name == "d")
    bus.away.add(newcomer)
    bus.beat(9)
    heir = next(
        node for node in bus.nodes if moved in node.holding().epochs and node is not newcomer
    )
    assert moved not in heir.holding().contested


# Versions from outside


@pytest.mark.proves("N17")
def test_a_higher_version_of_a_client_is_claimed_over() -> None:
    """Also where another node fetches, which hears of it by the next heartbeat."""
    bus = Bus()
    a, b, _ = three(bus)
    shard = one_of(bus, a)
    b.seen(shard, NOW + 5000)
    bus.beat(2)
    above = next_epoch("a", NOW, NOW + 5000)
    assert a.holding().epochs[shard] == above
    assert a.holding().contested == {shard}
    assert a.holding().taken_back == set(), "somebody may have made it up"
    assert b.claims[shard] == Claim(above, "a", 1)


@pytest.mark.proves("N17")
def test_what_clients_bring_counts_once_a_second() -> None:
    """The highest of them."""
    bus = Bus()
    a, *_ = three(bus)
    shard = one_of(bus, a)
    before = a.claims[shard].epoch
    for ahead in (3, 100, 7):
        a.seen(shard, before + ahead)
    assert a.claims[shard].epoch == before
    bus.beat(2)
    assert a.claims[shard] == Claim(next_epoch("a", NOW, before + 100), "a", 1)


@pytest.mark.proves("N17")
@pytest.mark.parametrize("ahead", [DAY_MS // 2 + 1, 2 * DAY_MS, 10**18])
def test_a_version_that_a_client_made_up_counts_for_nothing(ahead: int) -> None:
    """Half a day at most: nodes whose clocks differ must all believe the claim above it."""
    bus = Bus()
    a, *_ = three(bus)
    before = a.claims
    a.seen(FIRST, NOW + ahead)
    a.seen(Shard("unknown/0"), NOW + 1)
    bus.beat(2)
    assert a.claims == before


# Fitness


@pytest.mark.proves("N11")
def test_another_fetches_from_the_upstream_that_a_node_cannot_reach() -> None:
    """It keeps its shards of the others, and gets these back."""
    bus = Bus()
    both = Sharding({"api": 8, "push": 8}).shards
    a, *_ = [bus.join(name, shards=both) for name in "abc"]
    bus.beat(3)
    before = a.holding().epochs
    bus.send(a, a.set_unfit(["api"], NOW))
    assert {s for s in before if s.startswith("push")} == a.holding().epochs.keys()
    assert bus.busy() == {"b", "c"}
    bus.beat()
    bus.send(a, a.set_unfit([], NOW))
    assert a.holding().epochs.keys() == before.keys()


@pytest.mark.proves("N11")
def test_are_all_unfit_all_are_fit() -> None:
    """It is the upstream then, and not the way to it."""
    bus = Bus()
    nodes = three(bus)
    before = bus.fetchers()
    for node in nodes:
        bus.send(node, node.set_unfit(["api"], NOW))
        bus.beat()
    assert bus.fetchers() == before


# Names and settings


@pytest.mark.proves("N2")
def test_of_two_nodes_of_one_name_the_older_stops() -> None:
    """T13: it says so, fetches nothing even when cut off, and is back when the newer is gone."""
    bus = Bus()
    old, *_ = three(bus)
    new = bus.join("a", boot=2)
    assert old.superseded_by == new.me
    assert (old.state, old.holding().epochs) == (NodeState.STANDING_BY, {})
    bus.beat(3)
    assert new.state is NodeState.READY
    assert old.me not in bus.nodes[1].members
    assert bus.busy() == {"a", "b", "c"}
    for _ in range(8):
        old.tick(NOW)
    assert old.holding().epochs == {}
    bus.send(new, new.leave())
    bus.kill(new)
    bus.beat(2)
    assert old.state is NodeState.READY
    assert bus.busy() == {"a", "b", "c"}


@pytest.mark.proves("N1")
@pytest.mark.parametrize("setting", ["STOCK_API_URL", PROVIDERS, "FETCH_SHARDS", "SECRET_KEY_BASE"])
def test_a_node_with_another_source_never_fetches(setting: str) -> None:
    """Nor do the others wait for it; once it is right it is one of them."""
    bus = Bus()
    right = {"STOCK_API_URL": "1", PROVIDERS: "1", "FETCH_SHARDS": "1", "SECRET_KEY_BASE": "1"}
    a = bus.join("a", boot=9, fingerprints=right)
    bus.beat(3)
    stranger = bus.join("b", boot=1, fingerprints={**right, setting: "2"})
    bus.beat(9)
    assert (stranger.state, stranger.ready) == (NodeState.STANDING_BY, False)
    assert stranger.yields_to == a.me
    assert stranger.differing(a.me) == a.differing(stranger.me) == (setting,)
    assert bus.busy() == {"a"}
    bus.kill(a)
    bus.beat(9)
    assert bus.busy() == {"b"}


@pytest.mark.proves("N1")
def test_of_two_ready_nodes_with_other_sources_the_first_started_stays() -> None:
    """As after a partition in which both began."""
    bus = Bus()
    a = bus.join("a", boot=2)
    bus.beat(3)
    bus.away.add(a)
    b = bus.join("b", boot=1, fingerprints={"STOCK_API_URL": "other"})
    bus.beat(9)
    assert (a.ready, b.ready) == (True, True)
    bus.away.clear()
    bus.beat(3)
    assert (a.state, b.state) == (NodeState.STANDING_BY, NodeState.READY)
    assert bus.busy() == {"b"}


@pytest.mark.proves("N1")
def test_another_database_is_said_and_no_more() -> None:
    """Prices are the same; the log and the admin page name the setting."""
    bus = Bus()
    a = bus.join("a", fingerprints={**RIGHT, "DATABASE_URL": "1"})
    b = bus.join("b", fingerprints={**RIGHT, "DATABASE_URL": "2"})
    bus.beat(3)
    assert a.differing(b.me) == ("DATABASE_URL",)
    assert bus.busy() == {"a", "b"}


# The owner is killed


@pytest.mark.proves("N19")
def test_the_next_life_of_the_owner_fetches_on() -> None:
    """Nothing moves, and no claim is made."""
    bus = Bus()
    a, *_ = three(bus)
    before = bus.fetchers()
    again = Ownership(a.me, SHARDS, RIGHT, a.remembered())
    assert again.holding() == a.holding()
    bus.nodes[0] = again
    bus.clocks[again] = NOW
    bus.said.clear()
    bus.send(again, again.connected())
    bus.beat(9)
    assert bus.fetchers() == before
    assert not [message for message in bus.said if isinstance(message, ClaimMessage)]


@pytest.mark.proves("N19")
def test_the_next_life_of_the_owner_is_alone_as_the_last_was() -> None:
    """It records the same, and forgets nothing that clients have brought."""
    bus = Bus()
    a, *_ = three(bus)
    a.disconnected()
    for _ in range(3):
        a.tick(NOW)
    for shard in SHARDS:
        a.local_epoch(shard, NOW + 9)
    a.seen(FIRST, NOW + 500)
    again = Ownership(a.me, SHARDS, RIGHT, a.remembered())
    assert again.holding() == a.holding()
    again.tick(NOW)
    again.tick(NOW)
    assert again.claims[FIRST] == Claim(NOW + 500, "", 0)
