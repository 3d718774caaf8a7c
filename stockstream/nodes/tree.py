"""The tree of the parent, readable on one screen.

root                          one_for_one
├─ watching                   absent without a display
├─ postgres                   absent when DATABASE_URL is set
├─ stub                       absent when prices come from elsewhere
├─ nats                       absent when CLUSTER_NATS_URL is set
├─ nodes                      one actor for each node: 1 to N
└─ launcher                   waits for their start; has them leave together

The nodes' own trees are in their processes (`stockstream/application.py`).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from stockstream import part_settings
from stockstream.application import Addresses, bind
from stockstream.config import names_a_node, unfit_name
from stockstream.database.embedded.files import CONNECTIONS
from stockstream.database.embedded.postgres import Postgres
from stockstream.environment import load
from stockstream.errors import ConfigurationError
from stockstream.instance import kept_instance
from stockstream.market.providers.chosen import poll_provider, push_provider
from stockstream.messages import ReadSecrets
from stockstream.nodes.launcher import LEAVE_SECONDS, START_SECONDS, Launcher
from stockstream.nodes.nats import Nats, NatsPlan, plan_nats
from stockstream.nodes.node import Node, NodePlan
from stockstream.nodes.parent_file import ParentFile
from stockstream.nodes.processes import NodeProcess, Processes
from stockstream.nodes.watching import Watching
from stockstream.stub import Stub
from supervision import Backoff, ChildSpec, supervisor
from web.server import open_sockets

if TYPE_CHECKING:
    import socket

    from stockstream.config import Settings
    from stockstream.nodes.watching import Display
    from supervision import System

INTENSITY, PERIOD = 100, 10.0
# A node that cannot start is tried again for ever, with growing pauses; the others go on.
NODES_BACKOFF = Backoff(first=0.1, longest=10.0)
POSTGRES_SHUTDOWN_SECONDS = 6.0
OWN_HOST = "127.0.0.1"
SPARE_CONNECTIONS = 12
"""Connections to the embedded PostgreSQL beside the nodes': its own reserve of three, commands."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was opened and chosen before anything started.

    `shared` are the public addresses; `own` has a listening socket of each node, by number from 1:
    it keeps its address over the node's lives. `nats` is None where there are NATS servers already.
    """

    shared: Addresses
    own: dict[int, socket.socket]
    nats: NatsPlan | None
    processes: Processes
    file: ParentFile

    def close(self) -> None:
        """Close the sockets, and remove the file."""
        self.file.remove()
        for listener in (*self.shared.sockets, *self.own.values()):
            listener.close()


def prepare(settings: Settings, nodes: int) -> Machine:
    """Open the sockets, and try what would otherwise fail in each node.

    Raises:
        PortTaken: another process has one of the ports.
        OSError: the address cannot be used.
        InvalidProviderUrl: the address of an upstream cannot be used.
        InvalidProxy: the proxy that the environment names for it cannot be used.
        ConfigurationError: the machine's name cannot name nodes.
        StartError: the nodes of another parent run from the data directory.
    """
    if not names_a_node(f"{settings.node}-{nodes}"):
        raise ConfigurationError(unfit_name(settings))
    file = ParentFile(settings.data_directory)
    try:
        return _opened(settings, nodes, file)
    except BaseException:
        file.remove()
        raise


def _opened(settings: Settings, nodes: int, file: ParentFile) -> Machine:
    shared = bind(settings)
    for upstream in part_settings.upstreams(settings, shared.stub_port):
        if push_provider(upstream) is None:
            poll_provider(upstream, part_settings.http(settings))
    kept_instance(settings.data_directory)  # or each of the nodes would make one
    own = {number: open_sockets(OWN_HOST, 0)[0] for number in range(1, nodes + 1)}
    name = settings.node
    processes = {
        number: NodeProcess(f"{name}-{number}", f"http://{OWN_HOST}:{opened.getsockname()[1]}")
        for number, opened in own.items()
    }
    nats = plan_nats() if settings.cluster_nats_url is None else None
    return Machine(shared, own, nats, Processes(processes), file)


def build(settings: Settings, machine: Machine, display: Display | None = None) -> ChildSpec:
    """The spec of the root."""
    children = []
    if display is not None:  # first, so it is the last to stop: it shows how the nodes leave
        watching = partial(Watching, machine.processes, _token, display)
        children.append(ChildSpec("watching", watching))
    if settings.database_url is None:
        each = part_settings.database(settings).connections
        connections = max(CONNECTIONS, len(machine.own) * each + SPARE_CONNECTIONS)
        postgres = partial(Postgres, settings.data_directory, connections=connections)
        children.append(ChildSpec("postgres", postgres, shutdown=POSTGRES_SHUTDOWN_SECONDS))
    if machine.shared.stub_port is not None:
        stub = partial(Stub, machine.shared.stub_port, settings.allowed_hosts, settings.log_format)
        children.append(ChildSpec("stub", stub))
    if machine.nats is not None:
        children.append(ChildSpec("nats", partial(Nats, machine.nats)))
    nodes = [_node(machine, number) for number in machine.own]
    children.append(
        supervisor("nodes", nodes, intensity=INTENSITY, period=PERIOD, backoff=NODES_BACKOFF)
    )
    paths = {number: f"nodes/{number}" for number in machine.own}
    launcher = partial(Launcher, paths, machine.processes, machine.shared.sockets, machine.file)
    children.append(
        ChildSpec("launcher", launcher, start_timeout=START_SECONDS + 5, shutdown=LEAVE_SECONDS + 5)
    )
    return supervisor("root", children, intensity=INTENSITY, period=PERIOD)


def read_again(system: System) -> None:
    """Have the nodes read their secrets again."""
    for path in ("launcher", "watching"):
        system.ref(path).cast(ReadSecrets())


def _node(machine: Machine, number: int) -> ChildSpec:
    listeners = (*machine.shared.sockets, machine.own[number])
    descriptors = [listener.fileno() for listener in listeners]
    named = ",".join(map(str, descriptors))
    plan = NodePlan(
        number,
        machine.processes.rows[number].name,
        [sys.executable, "-P", "-m", "stockstream", "serve", "--inherited", named],
        descriptors,
        _environment(machine, number),
    )
    return ChildSpec(str(number), partial(Node, plan, machine.processes), shutdown=LEAVE_SECONDS)


def _token() -> str:
    return load().settings.admin_token.get_secret_value()


def _environment(machine: Machine, number: int) -> dict[str, str]:
    """The parent's, with what all nodes share and what this one is called. Secrets it finds where
    the parent did; a generated one is in the directory that they share.
    """
    node = machine.processes.rows[number]
    given = {
        "NODE_NAME": node.name,
        "NODE_URL": node.url,
    }
    if machine.nats is not None:
        given["CLUSTER_NATS_URL"] = machine.nats.url
    if machine.shared.stub_port is not None:
        given["STUB_PORT"] = str(machine.shared.stub_port)
    return {**os.environ, **given}
