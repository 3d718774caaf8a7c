"""The verbs that break things, with clients that watch."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated

import trio
from cyclopts import Parameter, validators

from stockstream.chaos.aftermath import look
from stockstream.chaos.catalogue import BadParameters, Scope, action_named
from stockstream.chaos.drill import STEADY_SECONDS, Drill, Stopped, holding, watched
from stockstream.chaos.experiment import BadExperiment
from stockstream.chaos.monkey import kill_matching, unleash
from stockstream.chaos.report import ExitCode, Verdict
from stockstream.chaos.runner import run_experiment, targets_of
from stockstream.chaos.several import all_show_the_same, join
from stockstream.chaos.targets import Target, resolve
from stockstream.chaos.watchers import Watchers
from stockstream.cli.chaos.agreeing import disagreement
from stockstream.cli.chaos.output import (
    print_dry_run,
    print_json,
    say,
)
from stockstream.cli.chaos.session import (
    Watching,
    Where,
    WhereAll,
    ask_database,
    fail,
    run_drill,
    run_drills,
    with_node,
)
from stockstream.cli.chaos.values import (
    assignment,
    experiment_in,
    seed_of,
)
from stockstream.cli.quantities import duration, positive_duration, rate_of
from stockstream.environment import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.chaos.node import Node

HEAL_SECONDS = 30.0
LOOK_SECONDS = 0.2


async def kill(
    pattern: str,
    /,
    *,
    count: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 1,
    every: str = "2s",
    percent: Annotated[float | None, Parameter(validator=validators.Number(gt=0, lte=100))] = None,
    expect_recovery: str | None = None,
    allow_escalation: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    watching: Watching | None = None,
    where: Where | None = None,
) -> int:
    """Kill an actor, or some of those that a pattern means.

    For example:

    - `stockstream chaos kill market/streamer --count 5 --every 2s`: five times, two seconds apart
    - `stockstream chaos kill 'delivery/sessions/*' --percent 20 --seed 7`: a fifth of them
    - `stockstream chaos kill market --dry-run`: only says what would go with it

    `stockstream chaos targets` lists who is there.

    Parameters
    ----------
    pattern
        A path, or a pattern: `delivery/sessions/*`.
    count
        How often.
    every
        How far apart: `250ms`, `2s`, `1m`.
    percent
        So many per cent of the matching ones at once, instead of one.
    expect_recovery
        Longest time until it is back and clients have fresh prices; else the fetch interval and
        250 ms for the clients.
    allow_escalation
        Kill also where it makes a supervisor give up.
    dry_run
        Show whom it would hit and what would go with them, and change nothing.
    """
    seconds = None if expect_recovery is None else positive_duration(expect_recovery)
    apart = duration(every)
    watching, where = watching or Watching(), where or Where()
    seed = seed_of(watching.seed)

    async def show(node: Node) -> ExitCode:
        rng = random.Random(seed)
        chosen = resolve(
            await node.targets(),
            pattern,
            rng=rng,
            count=None if percent is not None else 1,
            percent=percent,
        )
        _show_dry_run(where, chosen)
        return ExitCode.HELD

    async def strike(drill: Drill) -> None:
        drill.expect_recovery = seconds
        drill.allow_escalation = allow_escalation
        async with holding(drill, count * apart), watched(drill):
            await drill.settle()
            await kill_matching(
                drill, pattern, random.Random(seed), count=count, every=apart, percent=percent
            )

    if dry_run:
        return await with_node(where, show)
    return await run_drill(where, watching, seed, f"kill {pattern}", strike)


async def do(
    action: str,
    target: str = "",
    /,
    *assignments: str,
    watching: Watching | None = None,
    where: Where | None = None,
) -> int:
    """Do one thing, whatever it is, as `do hang market/streamer seconds=5`.

    For example:

    - `stockstream chaos do upstream-errors percent=50 seconds=30`: half of the fetches fail
    - `stockstream chaos do breaker-force state=open seconds=20`: nothing is fetched for a while
    - `stockstream chaos do upstream-down stub`: of several price APIs, this one is gone
    - `stockstream chaos do slow delivery/broadcaster delay=0.05 seconds=10`
    - `stockstream chaos do client-stop-reading percent=40 --clients 10`: some watching clients lag

    What lasts ends by itself after its `seconds`, or with `stockstream chaos halt --all`. The
    command waits for that and for what the clients see of it; with `--clients 0` it leaves it on.

    Parameters
    ----------
    action
        One of those that `chaos actions` lists.
    target
        The path of an actor. For a price API or its circuit breaker the upstream's name, which can
        be left out where there is but one; for all else nothing.
    assignments
        Parameters as name=value.
    """
    watching, where = watching or Watching(), where or Where()
    if "=" in target:
        target, assignments = "", (target, *assignments)
    try:
        wanted = action_named(action)
        wanted.check_target(target)
        parameters = wanted.read(dict(map(assignment, assignments)))
    except BadParameters as error:
        return fail(where, Stopped(ExitCode.USAGE, str(error)))

    async def strike(drill: Drill) -> None:
        await drill.settle()
        if wanted.scope is Scope.CLIENT:
            await drill.client_fault(action, parameters)
            return
        if wanted.scope is not Scope.ACTOR:
            await drill.strike(action, None, parameters, upstream=target)
            return
        there = await drill.node.targets()
        (chosen,) = resolve(there, target, rng=random.Random(0), count=1)
        await drill.strike(action, chosen, parameters)

    async def strike_and_watch(drill: Drill) -> None:
        seconds = float(parameters.get("seconds", 0.0))
        async with holding(drill, seconds), watched(drill):
            await strike(drill)

    # With nobody to judge by there is nothing to wait for: what lasts is left on.
    done = strike_and_watch if watching.clients else strike

    return await run_drill(where, watching, None, f"{action} {target}".strip(), done)


async def monkey(
    *,
    for_: Annotated[str, Parameter(name="--for")] = "60s",
    rate: str = "2/s",
    deny: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    watching: Watching | None = None,
    where: WhereAll | None = None,
) -> int:
    """Kill at random for a while, and watch the invariants.

    On several nodes of a cluster the kills go to any of them, each node has its watching clients,
    and every fault is seen by all of these. The verdict is one: what must hold on one node holds on
    each, and in the end each shard is fetched by one node and all show the same prices.

    Supervisors and `web` are left alone. Nobody is killed whose supervisor has no restart left to
    give: a session dies in its place, and the report says whom it spared.

    For example:

    - `stockstream chaos monkey --for 60s --rate 5/s --seed 7 --clients 200`: a minute of it
    - `stockstream chaos monkey --deny 'delivery/*' --html report.html`: with some left alone
    - `stockstream chaos monkey --all-nodes --for 30m`: all nodes of `stockstream cluster up`

    Parameters
    ----------
    for_
        How long: `30s`, `5m`.
    rate
        How many kills: `2/s`, `30/m`.
    deny
        Patterns of actors to leave alone.
    """
    seconds = positive_duration(for_)
    per_second = rate_of(rate)
    watching, where = watching or Watching(), where or WhereAll()
    seed = seed_of(watching.seed)

    async def strike(drills: Sequence[Drill]) -> list[Verdict]:
        several = len(drills) > 1
        async with AsyncExitStack() as stack:
            if several:
                join(drills)
                await _agree(drills)
            for drill in drills:
                await stack.enter_async_context(holding(drill, seconds))
            for drill in drills:
                await stack.enter_async_context(watched(drill))
            before = []
            for drill in drills:
                await drill.settle()
                before.append(await look(drill.node))
            await unleash(drills, random.Random(seed), seconds=seconds, rate=per_second, deny=deny)
            judged = [await all_show_the_same(drills), await _healed(drills)] if several else []
            for drill, there in zip(drills, before, strict=True):
                await drill.look_back(there)
        return judged

    try:
        nodes = where.each()
    except Stopped as error:
        return fail(Where(as_json=where.as_json), error)
    return await run_drills(nodes, watching, seed, f"monkey for {for_} at {rate}", strike)


async def _agree(drills: Sequence[Drill]) -> None:
    """Check that the nodes are one cluster, and well.

    Raises:
        Stopped: they are not.
    """
    why = await _disagreement(drills, STEADY_SECONDS)
    if why is not None:
        reason = f"the nodes are not one cluster that is well: {why}; nothing was injected"
        raise Stopped(ExitCode.NO_STEADY_STATE, reason)


async def _healed(drills: Sequence[Drill]) -> Verdict:
    """Whether each shard is fetched by one node, as all say, soon after the last fault."""
    began = trio.current_time()
    why = await _disagreement(drills, HEAL_SECONDS)
    detail = why or f"so {trio.current_time() - began:.1f} s after the last effect"
    return Verdict("each shard is fetched by one node, as all say", why is None, detail)


async def run(
    file: Path,
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    watching: Watching | None = None,
    where: Where | None = None,
) -> int:
    """Run an experiment file: steady state, method, rollback, verdict.

    For example:

    - `stockstream chaos run examples/chaos/streamer.toml --dry-run`: says whom it would hit
    - `stockstream chaos run examples/chaos/streamer.toml --html report.html`: does it

    Parameters
    ----------
    file
        A TOML file; examples are under examples/chaos/.
    dry_run
        Show whom it would hit and what would go with them, and change nothing.
    """
    watching, where = watching or Watching(), where or Where()
    try:
        experiment = experiment_in(file)
    except BadExperiment as error:
        return fail(where, Stopped(ExitCode.USAGE, str(error)))
    environment = load().settings.stockstream_env
    if environment not in experiment.guard.environments:
        reason = f"{file}: the guard allows {', '.join(experiment.guard.environments)} only"
        return fail(where, Stopped(ExitCode.REFUSED, reason))
    seed = seed_of(watching.seed)

    async def show(node: Node) -> ExitCode:
        drill = Drill(node, Watchers(0), experiment.title, say)
        chosen: list[Target] = []
        for step in experiment.method:
            found = await targets_of(drill, step, experiment.guard, random.Random(seed))
            chosen += [target for target in found if target is not None]
        _show_dry_run(where, chosen)
        return ExitCode.HELD

    async def strike(drill: Drill) -> None:
        drill.ask_number = ask_database
        await run_experiment(drill, experiment, random.Random(seed))

    if dry_run:
        return await with_node(where, show)
    return await run_drill(where, watching, seed, experiment.title, strike)


async def _disagreement(drills: Sequence[Drill], seconds: float) -> str | None:
    """Why the nodes do not agree within that time; None once they do."""
    give_up = trio.current_time() + seconds
    while True:
        why = await disagreement([drill.node for drill in drills])
        if why is None or trio.current_time() > give_up:
            return why
        await trio.sleep(LOOK_SECONDS)


def _show_dry_run(where: Where, chosen: Sequence[Target]) -> None:
    if where.as_json:
        print_json({"dry_run": True, "targets": chosen})
    else:
        print_dry_run(chosen)
