"""What finds each mutant: a seed, or a schedule where none of the seeds 0 to 499 does.

It must fail without the rule, and hold with it. `--mutants` of the runner looks at all of them; a
mutant without an entry here is hunted by `--mutant NAME --seeds 0-499 --no-shrink`.
"""

from __future__ import annotations

from tests.simulation.found import FOUND
from tests.simulation.troubles import Schedule, Trouble, draw

SEEDS = {
    "the_last_claim_wins": 0,
    "heartbeats_tell_own_claims_only": 52,
    "what_clients_bring_is_not_believed": 13,
    "time_is_counted_in_ticks": 1,
    "alone_in_the_epoch_of_before": 1,
    "nodes_share_epochs": 8,
    "older_prices_go_in_by_their_version": 49,
    "whatever_comes_goes_in": 0,
    "what_others_publish_is_own": 0,
    "the_membership_forgets": 1,
    "gaps_are_not_seen": 0,
    "who_joins_is_told_nothing": 0,
    "who_stands_by_asks_too": 0,
    "each_asks_for_all": 0,
    "the_dead_keep_their_permits": 130,
    "an_older_price_is_news": 2,
    "a_lower_version_is_flushed": 96,
    "a_lost_hint_is_lost": 55,
    "the_vanished_are_kept": 64,
    "a_session_does_not_wait_for_its_partners": 7,
    "a_new_broadcaster_knows_nobody": 3,
    "a_new_manager_counts_nobody": 0,
    "a_lost_session_is_not_replaced": 3,
}
"""Of three nodes and four clients, four rounds long."""

_BREAKER = "market/feeds/api/circuit_breaker"

SCHEDULES = {
    # Few seeds kill a breaker while its feed waits for it, and of those most when another round
    # comes in time.
    "a_missing_breaker_is_not_asked_again": Schedule(
        seed=5,
        nodes=3,
        clients=4,
        rounds=1,
        shards=1,
        troubles=(Trouble(9.6, "hang", 1, 0.8, _BREAKER), Trouble(10.2, "kill", 1, what=_BREAKER)),
    ),
    **{found.without: found.schedule for found in FOUND.values()},
}


def finder(mutant: str) -> Schedule:
    """The run that finds it. Raises KeyError where nothing is known to."""
    if mutant in SCHEDULES:
        return SCHEDULES[mutant]
    return draw(SEEDS[mutant], nodes=3, clients=4, rounds=4)
