"""Faults of the ownership core that the simulation must find: each takes out one of its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stockstream.cluster import claim_book, ownership, roster
from stockstream.cluster.claim_book import ClaimBook
from stockstream.cluster.ownership import Ownership
from stockstream.cluster.roster import Peer, Roster

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from stockstream.shards import Claim

    Mutant = Callable[[pytest.MonkeyPatch], None]

NEVER = 10**9


def the_last_claim_wins(patch: pytest.MonkeyPatch) -> None:
    """In place of the highest."""

    def add(self: Any, shard: Any, claim: Claim) -> None:
        self.highest = max(self.highest, claim.epoch)
        if shard in self._claims:
            self._claims[shard] = claim

    patch.setattr(ClaimBook, "add", add)


def claims_are_compared_by_epoch_only(patch: pytest.MonkeyPatch) -> None:
    """Of two of one epoch the first heard holds, which is not the same one everywhere."""

    def add(self: Any, shard: Any, claim: Claim) -> None:
        self.highest = max(self.highest, claim.epoch)
        if shard in self._claims and claim.epoch > self._claims[shard].epoch:
            self._claims[shard] = claim

    patch.setattr(ClaimBook, "add", add)


def what_clients_bring_is_not_believed(patch: pytest.MonkeyPatch) -> None:
    """Without N17."""
    patch.setattr(Ownership, "seen", lambda *_: None)


def what_clients_bring_is_believed_as_far_as_claims(patch: pytest.MonkeyPatch) -> None:
    """Nodes with slower clocks refuse the claim above it."""
    patch.setattr(claim_book, "MOST_BROUGHT_AHEAD_MS", claim_book.MOST_AHEAD_MS)


def heartbeats_tell_own_claims_only(patch: pytest.MonkeyPatch) -> None:
    """What the dead have claimed, nobody tells."""
    whole = Ownership._beat

    def beat(self: Any, kind: Any = "beat") -> Any:
        said = whole(self, kind)
        own = {shard: c for shard, c in said.claims.items() if c.node == self.me}
        return msgspec.structs.replace(said, claims=own)

    patch.setattr(Ownership, "_beat", beat)
    # Else everybody seems to disagree.
    patch.setattr(ClaimBook, "agrees", lambda *_: True)


def nobody_is_ever_dead(patch: pytest.MonkeyPatch) -> None:
    """But who is asked for, or has said goodbye."""
    patch.setattr(roster, "DEAD_AFTER", NEVER)
    patch.setattr(roster, "SUSPECT_AFTER", NEVER)


def time_is_counted_in_ticks(patch: pytest.MonkeyPatch) -> None:
    """A node that is cut off buries all others."""
    tick = Ownership.tick

    def count(self: Any, now_ms: int) -> Any:
        self._roster.echo()
        return tick(self, now_ms)

    patch.setattr(Ownership, "tick", count)


def a_lost_claim_is_not_made_again(patch: pytest.MonkeyPatch) -> None:
    """It waits for its echo as long as the connection stands."""
    patch.setattr(ownership, "CLAIM_AGAIN_AFTER", NEVER)


def a_shard_is_claimed_as_often_as_it_is_outbid(patch: pytest.MonkeyPatch) -> None:
    """Two that do not see the same members outbid each other as fast as the bus goes."""
    patch.setattr(Ownership, "_may_claim", lambda self, shard: shard not in self._pending)


def epochs_are_the_clock(patch: pytest.MonkeyPatch) -> None:
    """After a clock was set back a claim is lower than the one before it."""

    def add(self: Any, shard: Any, claim: Claim) -> None:
        if shard in self._claims:
            self._claims[shard] = max(self._claims[shard], claim)

    patch.setattr(ClaimBook, "add", add)


def local_epochs_are_kept_to_oneself(patch: pytest.MonkeyPatch) -> None:
    """What clients were shown while their node was alone is above all that comes after."""
    patch.setattr(Ownership, "local_epoch", lambda *_: None)


def unfit_nodes_are_preferred_too(patch: pytest.MonkeyPatch) -> None:
    """The shards of an upstream stay with the node that cannot reach it."""

    def candidates(self: Any, _: str) -> frozenset[str]:
        return frozenset({*self._roster.candidates(), self.me.name})

    patch.setattr(Ownership, "_candidates", candidates)


def where_all_are_unfit_nobody_fetches(patch: pytest.MonkeyPatch) -> None:
    """In place of all."""

    def candidates(self: Any, upstream: str) -> frozenset[str]:
        all_of_them = {**self._roster.candidates(), self.me.name: tuple(self._unfit)}
        return frozenset(name for name, unfit in all_of_them.items() if upstream not in unfit)

    patch.setattr(Ownership, "_candidates", candidates)


def an_older_namesake_is_a_member_too(patch: pytest.MonkeyPatch) -> None:
    """Two nodes of one name both fetch."""

    def hear(self: Any, beat: Any, *, agrees: bool) -> bool:
        new = beat.sender not in self._peers
        self._peers[beat.sender] = Peer(beat, self._echo, (), 0 if agrees else 1)
        return new

    patch.setattr(Roster, "hear", hear)
    patch.setattr(Roster, "newer_namesake", lambda _: None)


def other_settings_are_ignored(patch: pytest.MonkeyPatch) -> None:
    """A node with another source fetches."""
    patch.setattr(roster, "differing", lambda *_: ())


def a_stranger_stops_the_others(patch: pytest.MonkeyPatch) -> None:
    """All yield to it, ready or not, as it does to them: nobody fetches."""
    ahead = Roster.ahead_with_other_settings
    patch.setattr(Roster, "ahead_with_other_settings", lambda self, ready: ahead(self, ready=False))
    patch.setattr(Peer, "is_stranger", property(lambda peer: bool(peer.differing)))


def the_next_life_begins_with_nothing(patch: pytest.MonkeyPatch) -> None:
    """A membership actor that was killed is never ready again: the table is filled once."""
    patch.setattr(Ownership, "remembered", lambda _: ownership.Remembered())


def alone_for_ever(patch: pytest.MonkeyPatch) -> None:
    """What is back does not record again."""
    whole = Ownership._heard_myself

    def heard(self: Any, message: Any, now_ms: int) -> Any:
        kept = self._kept
        said = whole(self, message, now_ms)
        self._kept = kept
        return said

    patch.setattr(Ownership, "_heard_myself", heard)


MUTANTS: dict[Mutant, int] = {
    the_last_claim_wins: 0,
    claims_are_compared_by_epoch_only: 32,
    what_clients_bring_is_not_believed: 24,
    what_clients_bring_is_believed_as_far_as_claims: 45,
    heartbeats_tell_own_claims_only: 6,
    nobody_is_ever_dead: 2,
    time_is_counted_in_ticks: 1,
    a_lost_claim_is_not_made_again: 11,
    a_shard_is_claimed_as_often_as_it_is_outbid: 2,
    epochs_are_the_clock: 0,
    local_epochs_are_kept_to_oneself: 3,
    unfit_nodes_are_preferred_too: 1,
    where_all_are_unfit_nobody_fetches: 17,
    an_older_namesake_is_a_member_too: 0,
    other_settings_are_ignored: 0,
    a_stranger_stops_the_others: 0,
    the_next_life_begins_with_nothing: 1,
    alone_for_ever: 3,
}
"""Each with the first seed of `cluster_simulation` that finds it."""
