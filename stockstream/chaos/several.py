"""Drills of several nodes of one cluster, run together: one report, one verdict over all of them.

Each node has a drill of its own, with clients of its own that stay there, and what is judged on one
node is judged on each. A fault on any of them is seen by the clients of all: prices of one come
from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream.chaos.report import VERDICTS, ClientsSeen, ExitCode, Report, Verdict, recoveries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.chaos.drill import Drill, Stopped

BUS_SECONDS = 1.4
"""How much longer than on one node fresh prices may take. A killed `bus` has to connect anew and to
ask for what it missed; who takes over from one that is missed has to claim first."""
LOOK_SECONDS = 0.05


def join(drills: Sequence[Drill]) -> None:
    """Have the clients of each drill see the faults of all."""
    for drill in drills:
        drill.neighbours = [other for other in drills if other is not drill]
        drill.grace = BUS_SECONDS


async def all_show_the_same(drills: Sequence[Drill]) -> Verdict:
    """Whether the clients of each node come to have the newest that those of any node have now."""
    newest: dict[str, tuple[int, int]] = {}
    for drill in drills:
        for symbol, version in drill.watchers.newest().items():
            newest[symbol] = max(version, newest.get(symbol, version))
    behind: list[str] = []
    with trio.move_on_after(max(drill.fresh_seconds for drill in drills)):
        while True:
            behind = []
            for drill in drills:
                here = drill.watchers.newest()
                lacking = sum(here.get(symbol, (0, 0)) < newest[symbol] for symbol in newest)
                if lacking:
                    behind.append(f"{drill.node_name} lacks {lacking}")
            if not behind:
                break
            await trio.sleep(LOOK_SECONDS)
    detail = "; ".join(behind) or f"{len(newest)} symbols on {len(drills)} nodes"
    return Verdict("all nodes show the same prices in the end", not behind, detail)


def report_of(drills: Sequence[Drill], more: Sequence[Verdict], stopped: Stopped | None) -> Report:
    """One report of all, with the exit code that follows from it."""
    if len(drills) == 1:
        return drills[0].report(stopped)
    reports = [(drill.node_name, drill.report(stopped)) for drill in drills]
    strikes = sorted(
        (
            msgspec.structs.replace(strike, target=f"{name}:{strike.target}")
            for name, report in reports
            for strike in report.strikes
        ),
        key=lambda strike: strike.at,
    )
    verdicts = [*_together(reports), *more]
    code = max((report.exit_code for _, report in reports), default=ExitCode.HELD)
    if stopped is None and not all(verdict.held for verdict in verdicts):
        code = ExitCode.DEVIATED
    seen = [report.clients for _, report in reports if report.clients is not None]
    first = reports[0][1]
    return msgspec.structs.replace(
        first,
        exit_code=code,
        verdict=VERDICTS[ExitCode(code)],
        experiment=None,
        strikes=strikes,
        skipped=[f"{name}: {text}" for name, report in reports for text in report.skipped],
        recovery=recoveries(strikes),
        clients=ClientsSeen(
            sum(clients.count for clients in seen),
            sum(clients.disconnected for clients in seen),
            sum(clients.updates for clients in seen),
            max(clients.longest_gap for clients in seen),
        )
        if seen
        else None,
        verdicts=verdicts,
        node=", ".join(name for name, _ in reports),
    )


def _together(reports: Sequence[tuple[str, Report]]) -> list[Verdict]:
    """Each verdict once: it held if it did on each node; what is broken is told first."""
    names = dict.fromkeys(verdict.name for _, report in reports for verdict in report.verdicts)
    together = []
    for name in names:
        of_each = [
            (node, verdict)
            for node, report in reports
            for verdict in report.verdicts
            if verdict.name == name
        ]
        of_each.sort(key=lambda pair: pair[1].held)
        told = "; ".join(f"{node}: {verdict.detail}" for node, verdict in of_each)
        together.append(Verdict(name, all(verdict.held for _, verdict in of_each), told))
    return together
