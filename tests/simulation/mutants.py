"""Faults of the product that the simulation must find: each takes one of its rules out.

The first ones are rules of the ownership, without which prices go wrong at the clients too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stockstream import shards
from stockstream.cluster import filling, ownership
from stockstream.cluster.gaps import Gaps
from stockstream.cluster.membership import Membership
from stockstream.delivery import fan_out, flush_book, lanes, session
from stockstream.delivery.broadcaster import Broadcaster
from stockstream.delivery.fan_out import FanOut
from stockstream.delivery.lanes import Health
from stockstream.delivery.subscription_manager import SubscriptionManager
from stockstream.market import acceptance, streamer, versioning
from stockstream.market.circuit_breaker_actor import CircuitBreakerActor
from stockstream.market.feeds import partners
from stockstream.market.feeds.asking import Asking
from stockstream.market.feeds.standby import Standby
from stockstream.market.time_base import TimeBase
from tests.support import cluster_mutants
from web.live.clients import Clients

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from supervision import Down

    Mutant = Callable[[pytest.MonkeyPatch], None]


# The cluster


def nodes_share_epochs(patch: pytest.MonkeyPatch) -> None:
    """Two sides of a partition give two prices one version."""

    def lowest(node: str, now_ms: int, highest: int) -> int:
        return max(now_ms, highest + 1)

    for module in (shards, ownership, versioning):
        patch.setattr(module, "next_epoch", lowest)


def older_prices_go_in_by_their_version(patch: pytest.MonkeyPatch) -> None:
    """As nodes that were alone meet again."""
    patch.setattr(acceptance, "_is_past", lambda row, here: False)


def whatever_comes_goes_in(patch: pytest.MonkeyPatch) -> None:
    """Also rows of a lower version than those there are."""

    def take_in(received: Any, rows: Any) -> Any:
        return acceptance.TakenIn(tuple(received), (), 0)

    patch.setattr(streamer, "take_in", take_in)


def what_others_publish_is_own(patch: pytest.MonkeyPatch) -> None:
    """Each node records what one has fetched (N21)."""
    publish = streamer.Streamer._publish

    def all_own(self: Any, rows: Any, *, own: bool) -> None:
        publish(self, rows, own=True)

    patch.setattr(streamer.Streamer, "_publish", all_own)


def the_membership_forgets(patch: pytest.MonkeyPatch) -> None:
    """Its next life begins with nothing, and what the node held is fetched by nobody."""
    init = Membership.__init__

    def fresh(self: Any, settings: Any, tables: Any, memory: Any, **more: Any) -> None:
        init(self, settings, tables, type(memory)(), **more)

    patch.setattr(Membership, "__init__", fresh)


def alone_in_the_epoch_of_before(patch: pytest.MonkeyPatch) -> None:
    """A node that is alone goes on in the epoch that it knows, as those do that it cannot hear."""
    patch.setattr(versioning, "next_epoch", lambda node, now_ms, highest: highest)


def what_is_contested_stays_as_it_is(patch: pytest.MonkeyPatch) -> None:
    """A price that does not change is below what a client brought, for as long as it does not."""
    patch.setattr(versioning.Versioning, "changed", lambda self, holding, steady: None)


def the_living_are_not_contested(patch: pytest.MonkeyPatch) -> None:
    """A price that does not change is below what a node told that was alone and has come back."""
    patch.setattr(ownership.Ownership, "_takes_back", lambda self, shard: False)


def what_was_given_alone_is_not_told(patch: pytest.MonkeyPatch) -> None:
    """A node that was alone goes on in the last epoch that it gave."""
    patch.setattr(
        ownership.Ownership, "_has", lambda self, shard: self._book[shard].node == self.me
    )


def what_was_told_to_nobody_is_not_contested(patch: pytest.MonkeyPatch) -> None:
    """What a node gave while alone is below what another gave, and a membership that was killed has
    claimed nothing.
    """
    note = ownership.Ownership._note_contested

    def forgetful(self: Any, shard: Any) -> None:
        claimed, alone = self._claimed, self._given_alone
        self._claimed, self._given_alone = set(self._sent), set()
        note(self, shard)
        self._claimed, self._given_alone = claimed, alone

    patch.setattr(ownership.Ownership, "_note_contested", forgetful)


def batches_die_with_the_streamer(patch: pytest.MonkeyPatch) -> None:
    """What waited for it is asked for by nobody."""
    patch.setattr(filling.Filling, "lost", lambda self: None)


def gaps_are_not_seen(patch: pytest.MonkeyPatch) -> None:
    """What was told while a node did not hear is told again by nobody (N9)."""
    patch.setattr(Gaps, "_note", lambda self, node, number, before: None)


def who_joins_is_told_nothing(patch: pytest.MonkeyPatch) -> None:
    """A node that starts asks nobody for the prices there are (N9)."""
    patch.setattr(filling, "MOST_ASKED_TO_BEGIN", 0)
    who_joins_asks_anybody(patch)


def who_joins_asks_anybody(patch: pytest.MonkeyPatch) -> None:
    """Also who has just missed something itself."""
    patch.setattr(filling.Filling, "_who_fetch", lambda self: frozenset())


def who_stands_by_asks_too(patch: pytest.MonkeyPatch) -> None:
    """Each node asks the upstream; what it does not hold it throws away (N4)."""
    patch.setattr(Standby, "held", property(lambda self: frozenset(range(self._parts))))


def what_is_taken_over_waits_for_its_turn(patch: pytest.MonkeyPatch) -> None:
    """A feed that fetches some parts asks for another with its next round (N6, N7)."""
    patch.setattr(Standby, "has_taken_over", lambda self, asked: False)


def what_is_taken_back_is_told_again_late(patch: pytest.MonkeyPatch) -> None:
    """With the next answers but one, and versions of another node hide newer prices until then."""
    settled = versioning.Versioning.settled
    patch.setattr(Standby, "has_taken_over", lambda self, asked: False)
    patch.setattr(
        versioning.Versioning,
        "settled",
        lambda self, upstream, asked_at, *, whole: settled(self, upstream, None),
    )


def who_has_not_been_told_all_knows_all(patch: pytest.MonkeyPatch) -> None:
    """A node that has just started tells its clients that nobody lists what it lacks (W4)."""
    patch.setattr(ownership.Ownership, "filled", True)


def each_asks_for_all(patch: pytest.MonkeyPatch) -> None:
    """Nodes that fetch a part each ask for the parts of the others too (N4)."""
    patch.setattr(Asking, "often", property(lambda self: None))


# The market


def a_missing_breaker_is_not_asked_again(patch: pytest.MonkeyPatch) -> None:
    """Nor is a streamer: the round is lost."""

    async def ask(self: Any, who: Any, request: Any) -> Any:
        return await who.call(request, timeout=partners.CALL_SECONDS)

    patch.setattr(partners.Partners, "_insist", ask)


def the_answer_that_shows_a_step_is_a_failure(patch: pytest.MonkeyPatch) -> None:
    """Its prices are published, and the breaker counts it as one that nobody believes."""
    judge, believes = TimeBase.judge, TimeBase.believes_none

    def judged(self: Any, observations: Any, rows: Any, reading: Any) -> Any:
        self.believed = believes(self, observations, reading)
        return judge(self, observations, rows, reading)

    patch.setattr(TimeBase, "judge", judged)
    patch.setattr(TimeBase, "believes_none", lambda self, observations, reading: self.believed)


def the_dead_keep_their_permits(patch: pytest.MonkeyPatch) -> None:
    """A probe whose feed was killed is waited for (B7)."""
    patch.setattr(CircuitBreakerActor, "_take_back", lambda self, holder: None)


def an_older_price_is_news(patch: pytest.MonkeyPatch) -> None:
    """What an old replica tells goes on."""
    judge = TimeBase.judge

    def believing(self: Any, observations: Any, rows: Any, reading: Any) -> Any:
        poll = judge(self, observations, rows, reading)
        poll.newer += poll.outdated
        return poll

    def accept(observed: Any, rows: Any, *, epoch: int) -> Any:
        return whole(observed, {
            symbol: msgspec.structs.replace(
                row, quote=msgspec.structs.replace(row.quote, timestamp=0)
            )
            for symbol, row in rows.items()
        }, epoch=epoch)  # fmt: skip

    whole = acceptance.accept
    patch.setattr(TimeBase, "judge", believing)
    patch.setattr(streamer, "accept", accept)


# The delivery


def a_lower_version_is_flushed(patch: pytest.MonkeyPatch) -> None:
    """A batch that was overtaken by a look at the table goes on."""
    patch.setattr(flush_book, "_is_news", lambda row, known: row is not known)


def a_lost_hint_is_lost(patch: pytest.MonkeyPatch) -> None:
    """A batch that died with the topic is in the table, where nobody looks."""
    patch.setattr(Broadcaster, "_read_tables", lambda self: None)


def the_vanished_are_kept(patch: pytest.MonkeyPatch) -> None:
    """Also those behind a proxy, of whom the kernel learns nothing (W17)."""

    def health(lane: Any, now: float, patience: Any) -> Any:
        found = lanes.health(lane, now, patience)
        return Health.SLOW if found in {Health.GONE, Health.TOO_SLOW} else found

    patch.setattr(fan_out, "health", health)


def a_session_does_not_wait_for_its_partners(patch: pytest.MonkeyPatch) -> None:
    """Its client is sent away when one of them dies (W20)."""
    patch.setattr(session, "PARTNER_SECONDS", 0.0)


def a_new_broadcaster_knows_nobody(patch: pytest.MonkeyPatch) -> None:
    """Those of the one before get nothing more (W20)."""
    init = FanOut.__init__

    def alone(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        self._late = {}

    patch.setattr(FanOut, "__init__", alone)


def a_new_manager_counts_nobody(patch: pytest.MonkeyPatch) -> None:
    """The feeds go slow, as if nobody were subscribed."""
    count = SubscriptionManager._count
    patch.setattr(
        SubscriptionManager,
        "_count",
        lambda self, subscription, by: count(self, subscription, by) if self._telling else None,
    )


def a_lost_session_is_not_replaced(patch: pytest.MonkeyPatch) -> None:
    """Nobody hears what its client says (W19)."""

    def lost(self: Any, down: Down) -> None:
        client = self._watched.pop(down.monitor, None)
        if client is not None:
            client.session = None

    patch.setattr(Clients, "session_down", lost)


MUTANTS: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        cluster_mutants.the_last_claim_wins,
        cluster_mutants.what_clients_bring_is_not_believed,
        cluster_mutants.heartbeats_tell_own_claims_only,
        cluster_mutants.time_is_counted_in_ticks,
        alone_in_the_epoch_of_before,
        nodes_share_epochs,
        older_prices_go_in_by_their_version,
        whatever_comes_goes_in,
        what_others_publish_is_own,
        the_membership_forgets,
        gaps_are_not_seen,
        what_is_contested_stays_as_it_is,
        the_living_are_not_contested,
        what_was_given_alone_is_not_told,
        what_was_told_to_nobody_is_not_contested,
        batches_die_with_the_streamer,
        who_joins_is_told_nothing,
        who_joins_asks_anybody,
        who_stands_by_asks_too,
        each_asks_for_all,
        what_is_taken_over_waits_for_its_turn,
        what_is_taken_back_is_told_again_late,
        who_has_not_been_told_all_knows_all,
        a_missing_breaker_is_not_asked_again,
        the_dead_keep_their_permits,
        the_answer_that_shows_a_step_is_a_failure,
        an_older_price_is_news,
        a_lower_version_is_flushed,
        a_lost_hint_is_lost,
        the_vanished_are_kept,
        a_session_does_not_wait_for_its_partners,
        a_new_broadcaster_knows_nobody,
        a_new_manager_counts_nobody,
        a_lost_session_is_not_replaced,
    )
}
