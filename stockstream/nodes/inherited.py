"""What a node takes over from the parent that started it: sockets, and its end.

The parent names descriptors on the command line. Standard input is its pipe: at the end of that
the parent is gone, however it ended, and the node stops in order. Standard output is for one line,
which says that the node serves.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from typing import Final

from stockstream.errors import StartError

READY: Final = b"ready"
ORPHAN_SECONDS = 15.0
"""How long a node without a parent may take to stop; after this it ends, whatever it does."""


def take_sockets(descriptors: str) -> tuple[socket.socket, ...]:
    """The listening sockets of these descriptors, separated by commas.

    Raises:
        StartError: one of them is none.
    """
    taken = []
    for text in descriptors.split(","):
        try:
            number = int(text)
            os.set_inheritable(number, False)
            opened = socket.socket(fileno=number)
            if not opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise OSError("it does not listen")
        except (ValueError, OSError) as error:
            raise StartError(
                f"--inherited {descriptors}: {text!r} is no listening socket ({error}); "
                "this option is for `stockstream serve --nodes` alone"
            ) from error
        opened.setblocking(False)
        taken.append(opened)
    return tuple(taken)


def follow_parent() -> None:
    """Stop this process when its parent has gone.

    A thread, because trio's loop may be what hangs.
    """
    threading.Thread(target=_follow, name="follow-parent", daemon=True).start()


def _follow() -> None:
    while os.read(0, 1024):
        pass  # nobody writes to it
    # A second one ends the process at once: so a parent that is hurried hurries its nodes.
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)


def say_ready() -> None:
    """Tell the parent that this node serves, and let standard output go: it joins the log."""
    sys.stdout.flush()
    os.write(1, READY + b"\n")
    os.dup2(2, 1)
