"""`stockstream cluster up`: several nodes on this machine, with a table of who fetches what."""

from __future__ import annotations

import os
import sys
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from stockstream import logs
from stockstream.cli.announcing import tell_warnings
from stockstream.cli.cluster.live import Lines, LiveTable
from stockstream.cli.several import MOST_NODES, serve_several
from stockstream.environment import load
from stockstream.hangups import Hangups


def up(*, nodes: Annotated[int, Parameter(validator=Number(gte=1, lte=MOST_NODES))] = 3) -> int:
    """Run several nodes on this machine behind one port, and show who fetches what.

    As `stockstream serve --nodes`, with a live table of the nodes: their states, the shards that
    each one fetches, their clients, processes and own addresses. Log lines appear above it. Where
    the output is no terminal, a line is written for each change instead.

    NATS, PostgreSQL and the stub API are started once for all, each unless a setting names another.
    Kill a node, and see that another one fetches within seconds while the port answers.

    Ctrl+C stops all in order, a second one at once. Exit codes: 0 stopped, 1 could not start or
    gave up, 2 usage or settings.

    Parameters
    ----------
    nodes
        How many nodes to run.
    """
    hangups = Hangups()
    configuration = load(make_secrets=True)
    settings = configuration.settings
    logs.configure(settings.log_level, settings.log_format)
    tell_warnings(configuration)
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return serve_several(configuration, nodes, hangups, Lines)
    os.environ.setdefault("FORCE_COLOR", "1")  # the nodes write to a pipe, which is shown here
    return serve_several(configuration, nodes, hangups, LiveTable)
