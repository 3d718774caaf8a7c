"""`stockstream serve`: the whole server."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import structlog
from cyclopts import Parameter
from cyclopts.validators import Number

from stockstream import garbage, logs, open_files, part_settings
from stockstream.application import Addresses, bind, build
from stockstream.changing_secrets import Current
from stockstream.cli.announcing import announcement, found_by_commands, tell_warnings
from stockstream.cli.several import MOST_NODES, serve_several
from stockstream.cli.start_errors import ports_named, refuse_apart, upstreams_named
from stockstream.environment import load
from stockstream.hangups import Hangups
from stockstream.nodes.inherited import follow_parent, say_ready, take_sockets
from stockstream.run_record import RunRecord
from stockstream.tracing import traced
from supervision import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.config import Settings
    from stockstream.environment import Configuration
    from stockstream.run_record import End
    from supervision import System


def serve(
    *,
    nodes: Annotated[int, Parameter(validator=Number(gte=1, lte=MOST_NODES))] = 1,
    inherited: Annotated[str | None, Parameter(show=False)] = None,
) -> int:
    """Start everything: market, delivery, dashboard; and the stub API, unless told of another.

    Settings come from the environment and from `.env`; `stockstream config` shows them all.
    Ctrl+C or SIGTERM stops in order: clients are told to come back, and the exit code is 0. A
    second signal ends at once. When the tree gives up the exit code is 1.

    One node is one process and uses one core. With more of them they share the port, and the prices
    that any of them fetches reach the clients of all. A node that ends is started again, and the
    others serve meanwhile. SIGUSR1 restarts them one after another.

    SIGHUP has the secrets read again, from files, credentials and .env: docs/secrets.md says which
    of them a running server goes over to.

    For example:

    - `stockstream serve --nodes 4` uses four cores.
    - `stockstream cluster up --nodes 3` does the same and shows who fetches what.

    Parameters
    ----------
    nodes
        How many nodes to run on this machine, behind one port.
    inherited
        For the nodes themselves: the descriptors of the listening sockets.
    """
    hangups = Hangups()
    if inherited is not None:
        return _serve_as_node(inherited, hangups)
    configuration = load(make_secrets=True)
    settings = configuration.settings
    logs.configure(settings.log_level, settings.log_format)
    tell_warnings(configuration)
    if nodes > 1:
        return serve_several(configuration, nodes, hangups)
    refuse_apart(settings)
    with found_by_commands(configuration) as file:
        settings = _with_room_for_clients(configuration)
        with ports_named():
            addresses = bind(settings)

        def tell() -> None:
            file.tell(addresses.local_url)
            sys.stdout.write(announcement(configuration, addresses))
            sys.stdout.flush()

        return _run(settings, addresses, tell, hangups, configuration)


def _serve_as_node(inherited: str, hangups: Hangups) -> int:
    """Serve on the sockets of the parent that started this process, for as long as it lives."""
    sockets = take_sockets(inherited)
    follow_parent()
    configuration = load()
    settings = configuration.settings
    logs.configure(settings.log_level, settings.log_format, node=part_settings.node_name(settings))
    settings = _with_room_for_clients(configuration)
    stub_port = settings.stub_port if settings.uses_stub else None
    addresses = Addresses(sockets, stub_port, inherited=True)
    return _run(settings, addresses, say_ready, hangups, configuration)


def _run(
    settings: Settings,
    addresses: Addresses,
    tell: Callable[[], None],
    hangups: Hangups,
    configuration: Configuration,
) -> int:
    current = Current(settings, sources=configuration.sources)
    node = part_settings.node_name(settings)
    record = RunRecord(settings.data_directory, node)
    with upstreams_named():
        upstreams = part_settings.upstreams(settings, addresses.stub_port)
        root = build(settings, addresses, upstreams, record.before, current)

    def on_start(system: System) -> None:
        garbage.settle()
        hangups.started(system, current.ask)
        tell()

    record.begin()
    how: End = "crashed"
    try:
        with traced(configuration.otel, node):
            code = run(root, on_start=on_start, on_signals={signal.SIGHUP: hangups.came})
        how = "stopped" if code == 0 else "gave_up"
    finally:
        record.end(how)
    return code


def _with_room_for_clients(configuration: Configuration) -> Settings:
    """Have as many clients as there may be open files; say so when they are fewer than set.

    Nobody is warned about a number that nobody chose.
    """
    settings = configuration.settings
    limit = open_files.raise_limit()
    most = open_files.most_clients(settings.max_connections, limit)
    if most < settings.max_connections:
        log = structlog.get_logger("serve")
        chosen = configuration.sources["max_connections"] != "default"
        (log.warning if chosen else log.info)(
            "MAX_CONNECTIONS is lowered: too few files may be open",
            max_connections=most,
            wanted=settings.max_connections,
            open_files=limit,
        )
    return settings.model_copy(update={"max_connections": most})
