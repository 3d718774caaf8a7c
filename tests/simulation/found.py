"""Schedules that once found a fault of the product, made short: they are run each time.

A seed is another run after each change of what is drawn. These stay what they were: troubles, told
one by one. `without` is the mutant that has the old fault, by which a schedule shows that it still
finds it.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.simulation.troubles import Schedule, Trouble


class Found(NamedTuple):
    """A schedule, `what` it had found, and the mutant that has that fault again."""

    what: str
    schedule: Schedule
    without: str


FOUND = {
    "a step of the clock": Found(
        "The third answer after a step of the server's clock was believed, published, and counted"
        " as a failure: two answers later the breaker opened over an upstream that was well.",
        Schedule(
            seed=1,
            nodes=1,
            clients=2,
            rounds=1,
            shards=1,
            troubles=(
                Trouble(9.0, "clock", 0, amount=-420.0),
                Trouble(9.5, "node", 0, 1.0),
            ),
        ),
        "the_answer_that_shows_a_step_is_a_failure",
    ),
    "a price that does not change": Found(
        "Nobody told the streamer that it had claimed a shard above what a client brought: a price"
        " that did not change got no higher version, and the client did not see it.",
        Schedule(
            seed=1,
            nodes=3,
            clients=4,
            rounds=1,
            shards=1,
            troubles=(Trouble(9.0, "cut", 0, 14.0), Trouble(16.0, "node", 0, 2.0)),
        ),
        "what_is_contested_stays_as_it_is",
    ),
    "a node that was alone and is back": Found(
        "A node that was alone gave an epoch above the holder's, which the holder claimed over: as"
        " the epoch was a living node's, nothing was told again, and that node had a price that"
        " seldom trades from before it.",
        Schedule(
            seed=37,
            nodes=3,
            clients=4,
            rounds=2,
            shards=3,
            troubles=(
                Trouble(9.421, "freeze", 2, 6.829),
                Trouble(40.868, "leave", 2, 4.0),
                Trouble(45.154, "cut", 0, 8.632),
                Trouble(48.098, "freeze", 0, 5.251),
                Trouble(50.966, "node", 0, 2.0),
            ),
        ),
        "the_living_are_not_contested",
    ),
    "a streamer that dies with batches": Found(
        "Batches of other nodes waited for a streamer that was killed: what trades seldom was"
        " missed until it traded again.",
        Schedule(
            seed=13,
            nodes=3,
            clients=4,
            rounds=1,
            shards=1,
            troubles=(
                Trouble(13.129, "hang", 0, 0.8, "market/streamer"),
                Trouble(13.882, "kill", 0, what="market/streamer"),
            ),
        ),
        "batches_die_with_the_streamer",
    ),
}
