"""The actors that match a pattern, what would die with each, and whether it may. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from stockstream import paths
from supervision import ROOT, Kind, Restart

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from supervision import ActorSnapshot


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """What goes with an actor: actors of its subtree, itself included; clients that notice.

    `disconnects` says whether they lose their connection; otherwise it is a pause at most.
    """

    actors: int
    clients: int
    disconnects: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A live actor. `budget_left` is how many more restarts its supervisor allows now.

    It is None where a death costs no restart: for a temporary child, and for the root, whose death
    ends all.
    """

    path: str
    kind: str
    actor: str
    state: str
    generation: int
    restarts: int
    restartable: bool
    mailbox: int
    blast_radius: BlastRadius
    budget_left: int | None


class NoTarget(ValueError):
    """The pattern matches no actor."""


def list_targets(root: ActorSnapshot) -> list[Target]:
    """All live actors that the snapshot lists, parents before children."""
    clients = sum(
        len(actor.children) + sum(actor.left_out.values())
        for actor in root.walk()
        if actor.path == paths.SESSIONS
    )
    return list(_targets(root, None, clients))


def _targets(actor: ActorSnapshot, parent: ActorSnapshot | None, clients: int) -> Iterable[Target]:
    if actor.uptime is not None:
        yield Target(
            path=actor.path,
            kind=actor.kind,
            actor=actor.actor,
            state=actor.state,
            generation=actor.generation,
            restarts=actor.restarts,
            restartable=parent is not None and actor.restart is not Restart.TEMPORARY,
            mailbox=0 if actor.mailbox is None else actor.mailbox.queued,
            blast_radius=_blast_radius(actor, clients),
            budget_left=_budget(actor, parent),
        )
    for child in actor.children:
        yield from _targets(child, actor, clients)


def _blast_radius(actor: ActorSnapshot, clients: int) -> BlastRadius:
    actors, disconnects = 0, False
    for below in actor.walk():
        actors += 1 + sum(below.left_out.values())
        disconnects |= below.path == paths.WEB
    if actor.path.startswith(f"{paths.SESSIONS}/"):
        clients = 1
    return BlastRadius(actors, clients, disconnects)


def _budget(actor: ActorSnapshot, parent: ActorSnapshot | None) -> int | None:
    if parent is None or parent.supervisor is None or actor.restart is Restart.TEMPORARY:
        return None
    return parent.supervisor.intensity - parent.supervisor.restarts_in_window


def resolve(
    targets: Sequence[Target],
    pattern: str,
    *,
    rng: random.Random,
    count: int | None = None,
    percent: float | None = None,
) -> list[Target]:
    """The targets that `pattern` means, or so many of them drawn at random.

    A pattern is a path in which `*` stands for anything within one part: `market/*`,
    `delivery/sessions/*`.

    Raises:
        NoTarget: nobody matches.
    """
    matching = [target for target in targets if matches(pattern, target.path)]
    if not matching:
        close = _close_to(pattern, [target.path for target in targets])
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise NoTarget(
            f"no live actor matches {pattern!r}; {hint}`stockstream chaos targets` lists them"
        )
    if percent is not None:
        count = max(1, round(len(matching) * percent / 100))
    if count is None or count >= len(matching):
        return matching
    return rng.sample(matching, count)


def _close_to(pattern: str, there: list[str]) -> list[str]:
    """What may be meant: an actor that has moved keeps its own name."""
    name = pattern.rpartition("/")[2]
    namesakes = [path for path in there if path.rpartition("/")[2] == name]
    return get_close_matches(pattern, namesakes, n=1, cutoff=0) or get_close_matches(
        pattern, there, n=1
    )


def matches(pattern: str, path: str) -> bool:
    """Whether a path matches a pattern, part by part."""
    wanted, parts = pattern.split("/"), path.split("/")
    return len(wanted) == len(parts) and all(
        fnmatchcase(part, want) for part, want in zip(parts, wanted, strict=True)
    )


def would_escalate(target: Target) -> bool:
    """Whether one more death of `target` makes its supervisor give up; the root has none."""
    return target.path == ROOT or (target.budget_left is not None and target.budget_left < 1)


def fair_game(targets: Iterable[Target], deny: Sequence[str]) -> list[Target]:
    """The targets of random kills: workers that hold no client's connection, without `deny`'s.

    The stub is excluded, too: it plays the outside world, whose outages are another kind of fault.
    """
    return [
        target
        for target in targets
        if target.kind == Kind.WORKER
        and not target.blast_radius.disconnects
        and target.path not in {paths.CHAOS, paths.STUB}
        and not any(matches(pattern, target.path) for pattern in deny)
    ]
