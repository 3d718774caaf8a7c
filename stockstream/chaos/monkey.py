"""Random kills under a budget: `chaos kill` with a pattern, and `chaos monkey`."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import trio

from stockstream.chaos.node import Refused
from stockstream.chaos.targets import Target, fair_game, resolve, would_escalate

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from stockstream.chaos.drill import Drill

SESSIONS = "delivery/sessions/*"
MOST_SESSIONS = 500
"""A session is drawn from so many: listing ten thousand several times a second would be a fault of
its own."""


def draws(rng: random.Random, static: Sequence[str], deny_sessions: bool) -> Iterator[str]:
    """The endless sequence of targets to kill: a path, or `delivery/sessions/*` for any session.

    It depends on the seed and on the paths alone, so the same seed gives the same kills with any
    timing.
    """
    kinds = sorted(static) + ([] if deny_sessions else [SESSIONS])
    while True:
        yield rng.choice(kinds)


async def unleash(
    drills: Sequence[Drill],
    rng: random.Random,
    *,
    seconds: float,
    rate: float,
    deny: Sequence[str],
) -> None:
    """Kill at random for some seconds, `rate` times a second, on the nodes of these drills.

    No target dies beyond its budget: it is spared, and a session is killed in its place.
    """
    drawing = []
    for drill in drills:
        first = fair_game(await drill.node.targets(0), deny)
        static = [target.path for target in first if not _is_session(target)]
        drawing.append((drill, draws(rng, static, _sessions_denied(deny))))
    pick = rng.random
    began = trio.current_time()
    for number in count():
        due = began + number / rate
        if due >= began + seconds:
            break
        drill, drawn = rng.choice(drawing)
        path, chance = next(drawn), pick()
        await trio.sleep_until(due)
        await _kill_one(drill, path, chance, deny)
    for drill in drills:
        await drill.followed()


async def _kill_one(drill: Drill, drawn: str, chance: float, deny: Sequence[str]) -> None:
    fair = fair_game(await drill.node.targets(MOST_SESSIONS), deny)
    sessions = [target for target in fair if _is_session(target)]
    stand_in = sessions[int(chance * len(sessions))] if sessions else None
    by_path = {target.path: target for target in fair}
    target = stand_in if drawn == SESSIONS else by_path.get(drawn)
    if target is not None and would_escalate(target):
        drill.skipped.append(f"{drawn}: its supervisor has no restart left to give")
        target = stand_in
    if target is None:
        drill.skipped.append(f"{drawn}: not there")
        return
    try:
        await drill.strike("kill", target, aside=True)
    except Refused as refused:
        # It may have moved or lost its budget since we looked; a drill has to expect that.
        if refused.code not in {"generation_moved", "would_escalate", "no_such_target"}:
            raise
        drill.skipped.append(f"{target.path}: {refused.reason}")


async def kill_matching(
    drill: Drill,
    pattern: str,
    rng: random.Random,
    *,
    count: int,
    every: float,
    percent: float | None,
) -> None:
    """Kill the targets of a pattern, `count` times: one each time, or `percent` of them at once."""
    for number in range(count):
        if number:
            await trio.sleep(every)
        targets = resolve(
            await drill.node.targets(),
            pattern,
            rng=rng,
            count=None if percent is not None else 1,
            percent=percent,
        )
        for target in targets:
            await drill.strike("kill", target)


def _is_session(target: Target) -> bool:
    return target.actor == "Session"


def _sessions_denied(deny: Sequence[str]) -> bool:
    return SESSIONS in deny
