"""What the watching clients of `chaos nodes` note, and what is judged by it. Virtual time."""

from __future__ import annotations

import pytest
import trio

from stockstream.chaos.report import ExitCode
from stockstream.cli.chaos.moving import Seen
from stockstream.cli.chaos.node_drill import NodeDrill
from stockstream.delivery.protocol import Prices, PriceUpdate
from stockstream.nodes.parent_file import Node, Parent

TIME = "2026-11-30T00:00:00.000Z"


def prices(*versions: tuple[int, int]) -> Prices:
    return Prices(TIME, 0, 0, [PriceUpdate("AAPL", 1.0, TIME, version) for version in versions])


async def test_an_older_version_is_a_fault_over_all_connections(autojump_clock) -> None:
    """The same one again is none: it may tell another state."""
    seen = Seen((), everything=True)
    seen.take(prices((1, 5)), 0.0)
    seen.take(prices((1, 5), (2, 1)), 0.0)
    assert seen.faults == []
    seen.take(prices((1, 6)), 0.0)
    assert seen.faults == ["AAPL went from (2, 1) to (1, 6)"]
    assert seen.newest == {"AAPL": (2, 1)}


async def test_the_longest_pause_is_of_the_time_that_is_asked_about(autojump_clock) -> None:
    """One that goes on counts; one that was over before does not, nor ends one with a heartbeat."""
    seen = Seen((), everything=True)
    began = trio.current_time()
    assert seen.longest_gap(began, began + 3) == pytest.approx(3)
    for pause in (9, 1, 2, 1):
        await trio.sleep(pause)
        seen.take(prices((1, 1)), 0.0)
    await trio.sleep(2)
    seen.take(prices(), 0.0)
    assert seen.longest_gap(began + 9.5, began + 13) == pytest.approx(2)
    assert seen.longest_gap(began + 9.5, began + 17) == pytest.approx(4)


@pytest.mark.parametrize("trouble", ["none", "starved", "older", "not healed"])
async def test_one_verdict_over_all_nodes(trouble: str, autojump_clock) -> None:
    """A client that waited, one that was told an older price, nodes that do not agree."""
    parent = Parent(1, [Node(f"box-{n}", f"http://127.0.0.1:{n}", n, serving=True) for n in (1, 2)])
    drill = NodeDrill(parent, (), "node-kill", 1.0, 7, 1)
    drill.note(
        0.0, "box-1", healed=None if trouble == "not healed" else 1.0,
        gaps=[2.0], starved=int(trouble == "starved"),
    )  # fmt: skip
    if trouble == "older":
        drill.clients[0].faults.append("AAPL went back")
    report = drill.report(None)
    assert report.exit_code == (ExitCode.HELD if trouble == "none" else ExitCode.DEVIATED)
    assert sum(not verdict.held for verdict in report.verdicts) == (trouble != "none")
