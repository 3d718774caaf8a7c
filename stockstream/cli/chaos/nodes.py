"""`stockstream chaos nodes`: faults of whole nodes and of their bus, on `cluster up`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter, validators

from stockstream.chaos.drill import Stopped
from stockstream.cli.admin_client import address, token_of
from stockstream.cli.chaos.node_drill import Fault, NodeDrill
from stockstream.cli.chaos.output import print_json, print_report
from stockstream.cli.chaos.session import (
    Watching,
    Where,
    fail,
    guarded,
    parent_here,
    write_report,
)
from stockstream.cli.chaos.values import seed_of
from stockstream.cli.quantities import duration, positive_duration


async def nodes(
    fault: Fault,
    /,
    *,
    url: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    for_: Annotated[str, Parameter(name="--for")] = "10s",
    count: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 1,
    every: str = "5s",
    watching: Watching | None = None,
    token: str | None = None,
    chaos_token: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Kill or freeze a node of this machine, or stop its NATS, and judge all nodes together.

    For the nodes of `stockstream cluster up` and `serve --nodes`, started in this directory with
    CHAOS_ENABLED=true. Watching clients are connected to all of them and move on when theirs goes.
    The verdict is one: no client waited for too long, none was told an older price, and in the end
    each shard is fetched by one node, as all of them say. Prices that do not move would look like
    a pause: use the stub API or a simulated market.

    - `node-kill`: a node is killed, and started again by its parent.
    - `node-freeze`: a node is stopped for a while. Its own clients wait with it, or move.
    - `bus-cut`: NATS is stopped for a while, so no node hears another.

    For example:

    - `stockstream chaos nodes node-kill --count 3 --seed 7`
    - `stockstream chaos nodes bus-cut --for 10s --clients 30 --html report.html`

    Parameters
    ----------
    fault
        What is done.
    url
        Own address of a node to watch and to hit; several times for several. Else all of them.
    for_
        How long a node is frozen, or NATS stopped.
    count
        How often.
    every
        How long after the last one is over.
    token
        The ADMIN_TOKEN, else STOCKSTREAM_TOKEN, else the one kept in DATA_DIRECTORY.
    chaos_token
        The CHAOS_TOKEN, where there is one, else STOCKSTREAM_CHAOS_TOKEN.
    as_json
        Print JSON, also when it fails.
    """
    where = Where(None, token, chaos_token, as_json)
    watching = watching or Watching()
    try:
        seconds, apart = positive_duration(for_), duration(every)
        _, admin_token = address("", token)
        drill = NodeDrill(
            parent_here(), url, fault, seconds, seed_of(watching.seed), watching.clients
        )
    except Stopped as error:
        return fail(where, error)
    secret = chaos_token or token_of("STOCKSTREAM_CHAOS_TOKEN")
    stopped = await guarded(drill, lambda drill: drill.run(admin_token, secret, count, apart))
    report = drill.report(stopped)
    write_report(watching, report)
    (print_json if as_json else print_report)(report)
    return report.exit_code
