"""R42 to R45: supervisors that end when their significant children have."""

from __future__ import annotations

import pytest

from supervision import (
    NORMAL,
    SHUTDOWN,
    AutoShutdown,
    Backoff,
    Restart,
    Shutdown,
    Strategy,
    supervisor,
    terminate_child,
)
from supervision.events import AutoShutdownTriggered, Exited
from tests.conformance.support import Boom, Plan, Who, child

ANY, ALL = AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT
TRANSIENT, TEMPORARY = Restart.TRANSIENT, Restart.TEMPORARY


def significant(name, probe, restart, plan=None):
    return child(name, probe, plan, significant=True, restart=restart)


async def ended_by(start, probe, restart, reason, auto):
    tree = await start(
        [child("a", probe), significant("s", probe, restart), child("z", probe)],
        auto_shutdown=auto,
    )
    if reason == "crash":
        await tree.crash("s")
    elif reason == "kill":
        await tree.kill("s")
    else:
        await tree.end("s", reason)
    return tree


@pytest.mark.proves("R42", "R43")
@pytest.mark.parametrize("auto", [ANY, ALL])
@pytest.mark.parametrize(
    ("restart", "reason"),
    [
        (TRANSIENT, NORMAL), (TRANSIENT, SHUTDOWN), (TRANSIENT, Shutdown("done")),
        (TEMPORARY, NORMAL), (TEMPORARY, SHUTDOWN), (TEMPORARY, "crash"), (TEMPORARY, "kill"),
    ],
)  # fmt: skip
async def test_r42_the_end_of_a_significant_child_ends_the_supervisor(
    start, probe, auto, restart, reason
):
    """A transient one by a clean end, a temporary one by any; the rest stops in reverse."""
    tree = await ended_by(start, probe, restart, reason, auto)
    await tree.ended.wait()
    assert tree.reason == SHUTDOWN
    assert [path for path in probe.of("terminate") if path != "s"] == ["z", "a"]
    (event,) = tree.seen(AutoShutdownTriggered)
    assert (event.path, event.child) == ("root", "s")
    assert [e.decision for e in tree.seen(Exited) if e.path == "s"] == ["shutdown"]


@pytest.mark.proves("R43")
@pytest.mark.parametrize("last", ["crash", NORMAL])
async def test_r43_all_significant_waits_for_the_last_active_one(start, probe, last):
    """Insignificant children do not count, nor do those that are down already."""
    tree = await start(
        [
            significant("x", probe, TRANSIENT),
            significant("y", probe, TEMPORARY),
            significant("down", probe, TRANSIENT),
            child("w", probe),
        ],
        auto_shutdown=ALL,
    )
    await terminate_child(tree.root, "down")
    await tree.end("x", NORMAL)
    assert not tree.ended.is_set()
    await (tree.crash("y") if last == "crash" else tree.end("y", last))
    await tree.ended.wait()
    assert tree.reason == SHUTDOWN


@pytest.mark.proves("R43", "R44")
async def test_r43_one_that_waits_for_its_restart_is_not_over(start, probe):
    """Neither is one whose crash is still to be looked at: both will be back."""
    tree = await start(
        [significant("x", probe, TRANSIENT), significant("y", probe, TRANSIENT)],
        auto_shutdown=ALL,
        backoff=Backoff(first=5.0, jitter=0.0),
    )
    await tree.crash("x")
    await tree.end("y", NORMAL)
    assert not tree.ended.is_set()

    tree = await start(
        [significant("x", probe, TRANSIENT), significant("y", probe, TRANSIENT)],
        auto_shutdown=ALL,
    )
    tree["y"].stop(NORMAL)
    tree["x"].kill()
    await tree.settle()
    assert not tree.ended.is_set()
    assert await tree["x"].call(Who()) == ("x", 2)


@pytest.mark.proves("R44")
@pytest.mark.parametrize("auto", [ANY, ALL])
async def test_r44_a_crash_of_a_transient_significant_child_restarts_it(start, probe, auto):
    """It has not ended; it failed."""
    tree = await ended_by(start, probe, TRANSIENT, "crash", auto)
    assert await tree["s"].call(Who()) == ("s", 2)
    assert not tree.seen(AutoShutdownTriggered)


@pytest.mark.proves("R45")
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_r45_siblings_deaths_do_not_trigger_it(start, probe, strategy):
    """A significant bystander goes down with its group: a temporary one for good."""
    tree = await start(
        [
            child("a", probe),
            significant("te", probe, TEMPORARY),
            significant("tr", probe, TRANSIENT),
        ],
        strategy=strategy,
        auto_shutdown=ANY,
    )
    await tree.crash("a")
    assert await tree["tr"].call(Who()) == ("tr", 2)
    assert "te" not in tree
    assert not tree.seen(AutoShutdownTriggered)


@pytest.mark.proves("R45")
async def test_r45_terminate_child_does_not_trigger_it(start, probe):
    """What an operator takes down is not what ended of its own accord."""
    tree = await start([significant("s", probe, TRANSIENT)], auto_shutdown=ANY)
    await terminate_child(tree.root, "s")
    await tree.settle()
    assert not tree.ended.is_set()


@pytest.mark.proves("R42")
async def test_r42_it_climbs_only_through_significant_supervisors(start, probe):
    """An inner supervisor that shut itself down is a clean end in its own parent."""

    def inner(name, **flags):
        return supervisor(
            name, [significant("s", probe, TRANSIENT)], auto_shutdown=ANY, restart=TRANSIENT,
            **flags,
        )  # fmt: skip

    tree = await start([inner("plain"), inner("weighty", significant=True)], auto_shutdown=ANY)
    await tree.end("plain/s", NORMAL)
    assert "plain" not in tree
    assert not tree.ended.is_set()
    await tree.end("weighty/s", NORMAL)
    await tree.ended.wait()


@pytest.mark.proves("R42")
async def test_r42_nothing_happens_under_never(start, probe):
    """The default: ends of children end nobody else."""
    tree = await start([child("a", probe, Plan([None, Boom("x")]), restart=TRANSIENT)])
    await tree.end("a", NORMAL)
    assert not tree.ended.is_set()
