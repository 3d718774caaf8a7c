"""Running an experiment file: steady state, method, rollback, verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from stockstream.chaos.catalogue import Scope, action_named
from stockstream.chaos.drill import Drill, Stopped, is_client_action, stopped_by, watched
from stockstream.chaos.experiment import Experiment, Guard, Step, allowed, parameters_of
from stockstream.chaos.node import Refused, Unreachable
from stockstream.chaos.probes import probe_node
from stockstream.chaos.quantities import parse_duration
from stockstream.chaos.report import ExitCode, Verdict
from stockstream.chaos.targets import NoTarget, Target, resolve

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from stockstream.chaos.experiment import Probe

ROLLBACK_SECONDS = 20.0
ABORT_LOOK_SECONDS = 0.5


async def run_experiment(drill: Drill, experiment: Experiment, rng: random.Random) -> None:
    """Run it all. Rollbacks run on every way out, an interrupt included.

    Raises:
        Stopped: it ended early, or a rollback failed.
    """
    limit = parse_duration(experiment.guard.max_duration)
    try:
        lease = await drill.node.begin(experiment.title, limit + ROLLBACK_SECONDS)
    except Refused as refused:
        raise stopped_by(refused) from refused
    drill.experiment = lease.id
    drill.say(f"experiment {lease.id}: {experiment.title}")
    try:
        async with watched(drill):
            await drill.settle()
            await _steady(drill, experiment.steady_state, ExitCode.NO_STEADY_STATE)
            with trio.move_on_after(limit) as scope:
                await _method(drill, experiment, rng)
            if scope.cancelled_caught:
                raise Stopped(ExitCode.DEVIATED, f"it took longer than its {limit:g} s")
            await _steady(drill, experiment.steady_state, ExitCode.DEVIATED)
    finally:
        with trio.move_on_after(ROLLBACK_SECONDS, shield=True):
            await _roll_back(drill, experiment)


async def _steady(drill: Drill, probes: Sequence[Probe], code: ExitCode) -> None:
    for probe in probes:
        verdict = await probe_node(probe, drill.node, drill.ask_number)
        drill.say(f"{drill.elapsed:7.2f} s  {verdict.name}: {verdict.detail}")
        if code is ExitCode.NO_STEADY_STATE and not verdict.held:
            raise Stopped(code, f"{verdict.name}: {verdict.detail}; nothing was injected")
        drill.verdicts.append(
            Verdict(
                f"{verdict.name} {'before' if code is ExitCode.NO_STEADY_STATE else 'after'}",
                verdict.held,
                verdict.detail,
            )
        )


async def _method(drill: Drill, experiment: Experiment, rng: random.Random) -> None:
    abort: list[Verdict] = []
    async with trio.open_nursery() as nursery:

        async def watch_for_abort() -> None:
            while True:
                for probe in experiment.abort_if:
                    verdict = await probe_node(probe, drill.node, drill.ask_number)
                    if verdict.held:
                        abort.append(verdict)
                        nursery.cancel_scope.cancel()
                        return
                await trio.sleep(ABORT_LOOK_SECONDS)

        if experiment.abort_if:
            nursery.start_soon(watch_for_abort)
        for step in experiment.method:
            await _step(drill, step, experiment.guard, rng)
        await drill.followed()
        nursery.cancel_scope.cancel()
    if abort:
        raise Stopped(ExitCode.DEVIATED, f"aborted: {abort[0].name}: {abort[0].detail}")


async def _step(drill: Drill, step: Step, guard: Guard, rng: random.Random) -> None:
    await trio.sleep(parse_duration(step.pause))
    parameters = parameters_of(step)
    for number in range(step.count):
        if number:
            await trio.sleep(parse_duration(step.every))
        if is_client_action(step.action):
            await drill.client_fault(step.action, parameters)
            continue
        for target in await targets_of(drill, step, guard, rng):
            try:
                upstream = step.target if target is None else ""
                await drill.strike(step.action, target, parameters, upstream=upstream)
            except Refused as refused:
                raise stopped_by(refused) from refused


async def targets_of(
    drill: Drill, step: Step, guard: Guard, rng: random.Random
) -> list[Target | None]:
    """The targets of a step now; a single None for an action without an actor as target.

    Raises:
        Stopped: there are none, too many, or one that the guard protects.
    """
    if action_named(step.action).scope is not Scope.ACTOR:
        return [None]
    try:
        chosen = resolve(
            await drill.node.targets(),
            step.target,
            rng=rng,
            count=None if step.percent is not None else 1,
            percent=step.percent,
        )
    except NoTarget as error:
        raise Stopped(ExitCode.NOT_INJECTED, str(error)) from error
    for target in chosen:
        if not allowed(guard, target.path):
            raise Stopped(ExitCode.REFUSED, f"the guard does not allow {target.path!r}")
    if len(chosen) > guard.max_targets:
        raise Stopped(
            ExitCode.REFUSED, f"{len(chosen)} targets, and the guard allows {guard.max_targets}"
        )
    return list(chosen)


async def _roll_back(drill: Drill, experiment: Experiment) -> None:
    failed: list[str] = []
    for step in experiment.rollback:
        try:
            await drill.node.inject(
                step.action, step.target, parameters_of(step), experiment=drill.experiment
            )
        except (Refused, Unreachable) as error:
            failed.append(f"{step.action}: {error}")
    try:
        ended = await drill.node.end(drill.experiment or "")
        drill.say(f"{drill.elapsed:7.2f} s  rolled back, {ended} faults were on")
    except (Refused, Unreachable) as error:
        failed.append(str(error))
    if failed:
        raise Stopped(ExitCode.ROLLBACK_FAILED, "; ".join(failed))
