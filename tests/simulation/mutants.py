"""Faults of the product that the simulation must find: each takes one of its rules out.

The first ones are rules of the ownership, without which prices go wrong at the clients too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stockstream import shards
from stockstream.cluster import ownership
from stockstream.cluster.membership import Membership
from stockstream.delivery.fan_out import FanOut
from stockstream.delivery.subscription_manager import SubscriptionManager
from stockstream.market import acceptance, streamer, versioning
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


# The market


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
        nodes_share_epochs,
        older_prices_go_in_by_their_version,
        whatever_comes_goes_in,
        what_others_publish_is_own,
        the_membership_forgets,
        an_older_price_is_news,
        a_new_broadcaster_knows_nobody,
        a_new_manager_counts_nobody,
        a_lost_session_is_not_replaced,
    )
}
