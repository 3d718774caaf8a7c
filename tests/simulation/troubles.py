"""What goes wrong in a run, as data: drawn from the seed, shown, and made shorter."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

START_SECONDS = 8.0
"""Before the first round all nodes are up and all clients have prices."""
ROUND_SECONDS = 30.0
TROUBLED_SECONDS = 16.0
"""All trouble of a round is over after this time; the rest of it is calm, and things must heal."""

KILLED = (
    "pubsub",
    "market",
    "market/streamer",
    "market/feeds",
    "market/feeds/api",
    "market/feeds/api/feed",
    "market/feeds/api/circuit_breaker",
    "delivery",
    "delivery/subscription_manager",
    "delivery/broadcaster",
    "delivery/sessions",
    "session",
)
"""Actors that may be killed without a client losing its connection. `session` is any of them."""
HUNG = (
    "pubsub",
    "market/streamer",
    "market/feeds/api/circuit_breaker",
    "delivery/subscription_manager",
    "delivery/broadcaster",
    "session",
)
LONGEST_HANG = 0.8
"""Longer than a call waits, and what it holds up is not its own fault any more."""
LONGEST_HANG_OF_PUBSUB = 2.5
"""Nobody waits for its answer. So it lasts for several batches, and a look at the tables."""
PARTNERS = ("delivery/subscription_manager", "delivery/broadcaster")
"""Sessions wait for their answers."""
OPENS_SECONDS = 6.0
"""By then a breaker that is new has opened over an upstream that is down."""

SETTLES = 3.5
"""By then a node that hears nothing is alone."""
SILENCING = frozenset({"cut", "nats_down", "nats_frozen", "partition"})

ALONE: Mapping[str, float] = {
    "kill": 10,
    "hang": 1,
    "web": 0.5,
    "node": 1,
    "leave": 0.5,
    "clock": 1.5,
    "reset": 1,
    "vanish": 1,
    "stall": 1.5,
    "delay": 1,
    "change": 1.5,
    "upstream_down": 1,
    "upstream_hang": 0.7,
    "upstream_slow": 1,
    "upstream_old": 1,
}
"""Kinds of trouble that a single node knows, by how often they come."""
CLUSTERED: Mapping[str, float] = {
    **ALONE,
    "node": 3,
    "freeze": 3,
    "cut": 2.5,
    "drop": 1,
    "nats_down": 1.5,
    "nats_frozen": 1,
    "partition": 2,
    "unreachable": 1.5,
    "hop": 2,
}
"""Those of several nodes. `unreachable` is the upstream for one of them; a client may `hop`."""
KILLED_OF_CLUSTER = ("cluster", "cluster/bus", "cluster/bus", "cluster/membership")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that goes wrong `at` so many seconds after the start, for so many `seconds`.

    `target` is the number of a node or a client. `what` and `amount` are the kind's own.
    """

    at: float
    kind: str
    target: int
    seconds: float = 0.0
    what: str = ""
    amount: float = 0.0

    def __str__(self) -> str:
        parts = [f"{self.at:8.3f}  {self.kind}", self.what, f"of {self.target}"]
        if self.seconds:
            parts.append(f"for {self.seconds:g} s")
        if self.amount:
            parts.append(f"by {self.amount:g}")
        return " ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class Schedule:
    """A run, whole: with the same code it is the same run, each time."""

    seed: int
    nodes: int
    clients: int
    rounds: int
    shards: int
    troubles: tuple[Trouble, ...]

    @property
    def seconds(self) -> float:
        """How long the run is, in virtual time."""
        return START_SECONDS + self.rounds * ROUND_SECONDS

    def without(self, some: frozenset[int]) -> Schedule:
        """The same without the troubles of these numbers."""
        kept = tuple(one for number, one in enumerate(self.troubles) if number not in some)
        return replace(self, troubles=kept)

    def __str__(self) -> str:
        head = (
            f"seed {self.seed}, {self.nodes} nodes, {self.clients} clients, "
            f"{self.seconds:g} virtual seconds"
        )
        return "\n".join([head, *map(str, self.troubles)])


def draw(seed: int, *, nodes: int = 1, clients: int = 3, rounds: int = 4) -> Schedule:
    """The run of this seed.

    Each seed leaves some kinds of trouble out: what shows only where nothing else is in its way, or
    where one kind comes often, is not drawn when all kinds come in each run.
    """
    drawn = random.Random(f"troubles {seed}")
    kinds_of = ALONE if nodes == 1 else CLUSTERED
    kinds = [kind for kind in kinds_of if drawn.random() < 0.5] or list(kinds_of)
    weights = [kinds_of[kind] for kind in kinds]
    troubles: list[Trouble] = []
    for number in range(rounds):
        begins = START_SECONDS + number * ROUND_SECONDS
        for _ in range(drawn.randint(1, 6)):
            kind = drawn.choices(kinds, weights)[0]
            at = begins + drawn.uniform(0, TROUBLED_SECONDS * 0.75)
            longest = begins + TROUBLED_SECONDS - at
            one = _one(drawn, kind, at, longest, nodes, clients)
            troubles += [one, *_more(drawn, one, longest, nodes, clients)]
    troubles.sort(key=lambda one: one.at)
    shards = drawn.choice((1, 1, 3))
    return Schedule(seed, nodes, clients, rounds, shards, tuple(troubles))


def _more(
    drawn: random.Random, one: Trouble, longest: float, nodes: int, clients: int
) -> list[Trouble]:
    """What comes with a trouble, as what it breaks shows only then."""
    more: list[Trouble] = []
    if one.kind in {"kill", "hang"} and drawn.random() < 0.3:
        # What is lost between two deaths is what a single one does not show.
        again = one.at + drawn.choice((0.0, 0.002, 0.02, 0.06, 0.3))
        more.append(_one(drawn, one.kind, again, longest, nodes, clients))
    if one.kind == "hang" and drawn.random() < 0.5:
        # Who waits for it hears of its death.
        at = round(one.at + drawn.uniform(0.05, one.seconds), 3)
        more.append(replace(one, at=at, kind="kill", seconds=0.0))
    if one.what == "session" or (one.kind == "hang" and one.what in PARTNERS):
        # Its successor is noticed by who says something, its absence by who has said it.
        later = 0.3 if one.what == "session" else 0.02
        for client in range(clients):
            bits = drawn.randrange(1 << 16)
            more.append(Trouble(round(one.at + later, 3), "change", client, amount=bits))
    if one.kind == "upstream_down" and one.seconds > OPENS_SECONDS and drawn.random() < 0.7:
        kill = replace(one, kind="kill", seconds=0.0, what="market/feeds/api/circuit_breaker")
        more += [replace(kill, target=each) for each in range(nodes)]
        more.append(replace(one, kind="kill_probing", seconds=0.0))
    if one.kind in SILENCING and longest > SETTLES:
        # What a node gave while it was alone goes with it, or with a client to another.
        node, client = drawn.randrange(nodes), drawn.randrange(clients)
        when = round(one.at + drawn.uniform(SETTLES, longest), 3)
        chance = drawn.random()
        if chance < 0.4:
            more.append(Trouble(when, "node", one.target if one.kind == "cut" else node, 2.0))
        elif chance < 0.8:
            more.append(Trouble(when, "hop", client, amount=node))
    return more


def _one(
    drawn: random.Random, kind: str, at: float, longest: float, nodes: int, clients: int
) -> Trouble:
    at = round(at, 3)
    seconds = round(min(drawn.uniform(0.2, 12), longest), 3)
    node, client = drawn.randrange(nodes), drawn.randrange(clients)
    match kind:
        case "kill":
            killed = KILLED if nodes == 1 else KILLED + 2 * KILLED_OF_CLUSTER
            return Trouble(at, kind, node, what=drawn.choice(killed), amount=drawn.randrange(8))
        case "hang":
            what = drawn.choice(HUNG)
            most = LONGEST_HANG_OF_PUBSUB if what == "pubsub" else LONGEST_HANG
            return Trouble(at, kind, node, round(min(seconds, most), 3), what, drawn.randrange(8))
        case "web" | "leave" | "node":
            return Trouble(at, kind, node, min(seconds, 4.0))
        case "clock":
            return Trouble(at, kind, node, amount=round(drawn.uniform(-600, 600), 1))
        case "reset":
            return Trouble(at, kind, client)
        case "vanish":
            return Trouble(at, kind, client, amount=drawn.randrange(2))
        case "stall":
            return Trouble(at, kind, client, seconds)
        case "delay":
            return Trouble(at, kind, client, seconds, amount=round(drawn.uniform(0.05, 0.8), 3))
        case "hop":
            return Trouble(at, kind, client, amount=node)
        case "drop":
            return Trouble(at, kind, node)
        case "nats_down":
            # In a blink as often as for long.
            return Trouble(at, kind, 0, drawn.choice((0.1, seconds)))
        case "nats_frozen":
            return Trouble(at, kind, 0, seconds)
        case "partition":
            return Trouble(at, kind, 0, seconds, amount=drawn.randrange(1, (1 << nodes) - 1))
        case "change":
            return Trouble(at, kind, client, amount=drawn.randrange(1 << 16))
        case _:
            return Trouble(at, kind, node, seconds)
