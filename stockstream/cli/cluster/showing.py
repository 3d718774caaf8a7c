"""A cluster on a terminal: the table of `cluster status`, and its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from stockstream.statuses import NodeState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from stockstream.cluster.told import BusDocument, ClusterDocument

MOST_NAMED = 6
STYLES = {
    NodeState.READY: "green",
    NodeState.JOINING: "yellow",
    NodeState.ALONE: "red",
    NodeState.STANDING_BY: "yellow",
}


def show_cluster(console: Console, document: ClusterDocument) -> None:
    """Print it all: who asks, the members, what is wrong."""
    said = Text("as ")
    said.append(document.node, style="bold")
    said.append(" sees it: ")
    said.append(_words(document.state), style=STYLES[document.state])
    console.print(said)
    console.print(Text(_lag(document), style="dim"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in (
        "node", "state", "fetches", "clients", "load", "heard", "clock", "version", "address",
    ):  # fmt: skip
        right = name in {"clients", "load", "clock"}
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "fetches")
    for member in document.members:
        is_me = member.node == document.node and member.boot == document.boot
        ready = document.state is NodeState.READY if is_me else member.ready
        state = _words(document.state) if is_me else "ready" if member.ready else "not ready"
        fetches = document.fetches_alone if is_me and document.fetches_alone else member.fetches
        table.add_row(
            Text(member.node, style="bold"),
            Text(state, style="green" if ready else "red"),
            Text(shortened(fetches)),
            f"{member.clients:,}",
            f"{member.load:.0%}",
            Text("itself" if is_me else f"{member.silent_seconds:.1f} s ago"),
            Text(_clock(member.clock_ahead_seconds)),
            Text(member.version),
            Text(member.public_url or member.address or "-"),
        )
    console.print(table)
    for line in document.troubles:
        console.print(Text(f"! {line}", style="red"))


def _clock(ahead: float | None) -> str:
    if ahead is None:
        return "-"
    seconds = round(ahead)
    return f"{seconds:+,} s" if seconds else "0 s"


def shortened(shards: Sequence[str]) -> str:
    """Some shards by name, of more their number."""
    if not shards:
        return "-"
    if len(shards) <= MOST_NAMED:
        return " ".join(shards)
    return f"{len(shards)} shards"


def _words(state: NodeState) -> str:
    return state.replace("_", " ")


def _lag(document: ClusterDocument) -> str:
    parts = [_bus(document.bus)]
    if document.echo_age_seconds is not None and document.echo_seconds is not None:
        parts.append(
            f"last heartbeat came back {document.echo_age_seconds:.1f} s ago, "
            f"after {document.echo_seconds * 1000:.1f} ms"
        )
    return " · ".join(parts)


def _bus(bus: BusDocument | None) -> str:
    if bus is None:
        return "no connection to NATS yet"
    if bus.up:
        return f"connected to {bus.server} for {bus.seconds:.0f} s"
    return f"not connected to NATS for {bus.seconds:.0f} s: {bus.reason}"
