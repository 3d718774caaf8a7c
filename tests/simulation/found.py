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
            seed=50,
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
    "a part that is taken over": Found(
        "A feed that fetched some parts asked for one that it took over with its next round: its"
        " prices came almost two intervals after the last ones.",
        Schedule(
            seed=84,
            nodes=3,
            clients=4,
            rounds=1,
            shards=3,
            troubles=(
                Trouble(9.429, "nats_frozen", 0, 9.421),
                Trouble(14.075, "partition", 0, 9.925, amount=2),
                Trouble(15.828, "hop", 1, amount=1),
            ),
        ),
        "what_is_taken_over_waits_for_its_turn",
    ),
    "a node that does not know all yet": Found(
        "A node that had just started was told that the list is complete, and the symbols of one"
        " batch: its clients were told that the others do not exist.",
        Schedule(
            seed=78,
            nodes=3,
            clients=4,
            rounds=1,
            shards=1,
            troubles=(Trouble(12.13, "node", 0, 0.649), Trouble(12.999, "reset", 2)),
        ),
        "who_has_not_been_told_all_knows_all",
    ),
    "two sides that meet again": Found(
        "A node of the smaller side of a partition had an older price in a higher version, until"
        " the other side's node had asked twice: who came to it in between was shown that.",
        Schedule(
            seed=1,
            nodes=3,
            clients=4,
            rounds=3,
            shards=3,
            troubles=(
                Trouble(71.843, "leave", 0),
                Trouble(72.709, "partition", 0, 10.35, amount=5),
                Trouble(75.6, "node", 1, 2.186),
                Trouble(84.4, "node", 2),
            ),
        ),
        "what_is_taken_back_is_told_again_late",
    ),
    "a node that was alone and goes on": Found(
        "A node that was alone fetched on for all in the last epoch that it had given by itself:"
        " what had that version, and did not change, was told to nobody.",
        Schedule(
            seed=366,
            nodes=3,
            clients=4,
            rounds=2,
            shards=3,
            troubles=(
                Trouble(10.586, "kill", 1, what="market/feeds/api/circuit_breaker"),
                Trouble(11.084, "upstream_down", 1, 4.533),
                Trouble(16.171, "kill", 2, what="market/streamer"),
                Trouble(43.706, "kill", 2, what="market"),
                Trouble(43.975, "cut", 1, 6.812),
                Trouble(51.069, "hop", 0, amount=2),
            ),
        ),
        "what_was_given_alone_is_not_told",
    ),
    "who is asked first": Found(
        "A node that started asked one that had lost its connection for a moment, and had missed"
        " something by it that it did not know of yet.",
        Schedule(
            seed=473,
            nodes=3,
            clients=4,
            rounds=1,
            shards=1,
            troubles=(
                Trouble(10.83, "kill", 0, what="cluster"),
                Trouble(15.555, "node", 0, 0.299),
                Trouble(15.796, "drop", 2),
            ),
        ),
        "who_joins_asks_anybody",
    ),
    "who claims what it had held": Found(
        "A node came back that had been alone, and told a price before the others were connected."
        " One of them gave a higher epoch, and lacked that price when a third one asked it for all."
        " The first one claimed above it and told nothing again: its membership had been killed,"
        " and did not know any more that it had claimed that shard before.",
        Schedule(
            seed=235,
            nodes=3,
            clients=4,
            rounds=1,
            shards=3,
            troubles=(
                Trouble(8.276, "kill", 1, what="cluster/membership", amount=1),
                Trouble(9.612, "node", 2, 4.0),
                Trouble(10.942, "nats_down", 0, 7.662),
                Trouble(16.191, "node", 2, 2.0),
                Trouble(18.555, "delay", 3, amount=0.234),
            ),
        ),
        "what_was_told_to_nobody_is_not_contested",
    ),
}
