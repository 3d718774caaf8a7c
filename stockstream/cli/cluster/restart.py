"""`stockstream cluster restart`: the nodes of this machine, one after another."""

from __future__ import annotations

import os
import sys
import time

from stockstream.environment import load
from stockstream.errors import StartError
from stockstream.nodes.launcher import LEAVE_SECONDS, OPEN_SECONDS, RESTART_SIGNAL
from stockstream.nodes.parent_file import Parent, running_parent

POLL_SECONDS = 0.2


def restart() -> int:
    """Restart the nodes of this machine, one after another, while the others serve.

    For the nodes of `stockstream serve --nodes` and `stockstream cluster up`. Each one lets its
    clients go to the others, ends, and starts again with the program and the settings as they are
    on disk now; the next one follows when it takes new clients, also while an upstream is down.
    The parent stays: what is its own, as the port and the number of nodes, needs a stop.

    Exit codes: 0 all are restarted, 1 no nodes run here or one of them takes no clients again, 2
    usage or settings.
    """
    directory = load().settings.data_directory
    before = _parent(running_parent(directory))
    old = {node.name: node.pid for node in before.nodes}
    os.kill(before.pid, RESTART_SIGNAL)
    deadline = time.monotonic() + len(old) * (LEAVE_SECONDS + OPEN_SECONDS)
    told: set[str] = set()
    while len(told) < len(old):
        if time.monotonic() > deadline:
            left = ", ".join(sorted(old.keys() - told))
            raise StartError(f"not restarted: {left}; the log of the nodes says why")
        time.sleep(POLL_SECONDS)
        now = _parent(running_parent(directory))
        for node in now.nodes:
            if node.name not in told and node.serving and node.pid != old[node.name]:
                told.add(node.name)
                sys.stdout.write(f"{node.name} is restarted\n")
                sys.stdout.flush()
    return 0


def _parent(found: Parent | None) -> Parent:
    if found is None:
        raise StartError(
            "no nodes run from this directory. Run this where `stockstream serve --nodes` or "
            "`stockstream cluster up` was started, or set DATA_DIRECTORY as it was set there"
        )
    return found
