"""The parent of several nodes on this machine, for `serve --nodes` and `cluster up`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from stockstream import garbage
from stockstream.cli.announcing import announcement, found_by_commands
from stockstream.cli.start_errors import ports_named, upstreams_named
from stockstream.nodes.tree import build, prepare, read_again
from supervision import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.environment import Configuration
    from stockstream.hangups import Hangups
    from stockstream.nodes.watching import Display
    from stockstream.server_file import ServerFile
    from supervision import System


MOST_NODES = 64


class _Silent:
    """Says where things are, and then no more."""

    def write(self, text: str) -> None:
        """Write a text."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def close(self) -> None:
        """Nothing is held."""


def serve_several(
    configuration: Configuration,
    nodes: int,
    hangups: Hangups,
    display: Callable[[], Display] | None = None,
) -> int:
    """Run the parent until a signal stops it; the answer is the exit code.

    What `display` makes tells how the nodes stand, until the end.

    Raises:
        StartError: a port is taken.
        ConfigurationError: a setting is wrong.
    """
    with found_by_commands(configuration) as file:
        return _serve(configuration, nodes, hangups, display, file)


def _serve(
    configuration: Configuration,
    nodes: int,
    hangups: Hangups,
    display: Callable[[], Display] | None,
    file: ServerFile,
) -> int:
    settings = configuration.settings
    with ports_named(), upstreams_named():
        machine = prepare(settings, nodes)

    shown = None if display is None else display()
    told = shown or _Silent()

    def on_start(system: System) -> None:
        garbage.settle()
        hangups.started(system, read_again)
        file.tell(machine.shared.local_url)
        told.write(announcement(configuration, machine.shared, machine.processes.rows.values()))

    try:
        return run(
            build(settings, machine, shown),
            on_start=on_start,
            on_signals={signal.SIGHUP: hangups.came},
        )
    finally:
        told.close()
        machine.close()
