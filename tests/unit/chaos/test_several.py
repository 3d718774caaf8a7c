"""Drills of several nodes with one report: it held if it did on each, and says where it did not."""

from __future__ import annotations

import pytest
import trio

from stockstream.chaos.drill import Drill, Stopped
from stockstream.chaos.node import Node
from stockstream.chaos.report import ExitCode, Strike, Verdict
from stockstream.chaos.several import all_show_the_same, join, report_of
from stockstream.chaos.watchers import Watchers


def a_strike(target: str, *, late: int = 0, starved: int = 0, at: float = 1.0) -> Strike:
    return Strike(
        at, "kill", target, True, 1, 2, 0.01, 0.2, 0.2, late, "", longest_gap=0.5, starved=starved
    )


def two_drills() -> list[Drill]:
    drills = []
    for name in ("n1", "n2"):
        drill = Drill(Node(f"http://{name}", "token"), Watchers(1), "both", print, seed=7)
        drill.node_name = name
        drills.append(drill)
    join(drills)
    return drills


@pytest.mark.proves("C12", "C13", "C14")
def test_one_report_has_the_strikes_of_all_by_time_and_each_verdict_once() -> None:
    """With the node before the actor's path, and before what was seen there."""
    one, two = two_drills()
    one.strikes = [a_strike("pubsub", at=2.0)]
    two.strikes = [a_strike("pubsub", at=1.0)]
    two.skipped = ["the history"]
    report = report_of([one, two], [Verdict("they agree", True, "")], None)
    assert report.exit_code == ExitCode.HELD
    assert [strike.target for strike in report.strikes] == ["n2:pubsub", "n1:pubsub"]
    names = [verdict.name for verdict in report.verdicts]
    assert len(names) == len(set(names))
    assert names[-1] == "they agree"
    assert all(
        "n1: " in verdict.detail and "n2: " in verdict.detail for verdict in report.verdicts[:-1]
    )
    assert report.clients is not None
    assert report.clients.count == 2
    assert report.skipped == ["n2: the history"]


@pytest.mark.parametrize("where", ["versions", "late", "felt", "together"])
def test_what_is_broken_on_one_node_is_broken(where: str) -> None:
    """Also what its clients saw of a fault elsewhere, and what only all together can break."""
    one, two = two_drills()
    more = [Verdict("they agree", where != "together", "")]
    match where:
        case "versions":
            two.watchers.all[0].faults.append("AAPL went back")
        case "late":
            two.strikes = [a_strike("pubsub", late=1)]
        case "felt":
            two.felt = [a_strike("market/streamer", starved=1)]
    report = report_of([one, two], more, None)
    assert report.exit_code == ExitCode.DEVIATED
    broken = [verdict for verdict in report.verdicts if not verdict.held]
    assert len(broken) == 1
    assert where == "together" or broken[0].detail.startswith("n2: ")


def test_what_stopped_it_is_the_exit_code() -> None:
    """Whatever was seen until then."""
    report = report_of(two_drills(), [], Stopped(ExitCode.REFUSED, "somebody else has it"))
    assert (report.exit_code, report.error) == (ExitCode.REFUSED, "somebody else has it")


async def test_nodes_show_the_same_once_each_has_the_newest_of_any(autojump_clock: object) -> None:
    """In the time that a fresh price may take; a node that lacks one then is named."""
    one, two = two_drills()
    one.watchers.all[0].versions = {"AAPL": (1, 9), "MSFT": (1, 1)}
    two.watchers.all[0].versions = {"AAPL": (1, 8), "MSFT": (1, 2)}

    async def catch_up(drill: Drill) -> None:
        await trio.sleep(1)
        drill.watchers.all[0].versions |= {"AAPL": (1, 10), "MSFT": (1, 2)}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(catch_up, one)
        verdict = await all_show_the_same([one, two])
        assert not verdict.held
        assert verdict.detail == "n2 lacks 1"
        nursery.start_soon(catch_up, two)
        assert (await all_show_the_same([one, two])).held
