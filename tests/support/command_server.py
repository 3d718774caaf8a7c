"""A process that has imported our program, and becomes a command of it by a fork, time and again.

`tests/support/commands.py` starts it. A message on the socket that it inherits is a command: what
to run, and three descriptors, for its standard output, its standard error, and for word of its end.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import time
from importlib import import_module

MOST_BYTES = 1 << 18


def main() -> None:
    """Serve until the other end of the socket is closed."""
    asked = socket.socket(fileno=int(sys.argv[1]))
    package = import_module("stockstream.cli")
    for module in pkgutil.walk_packages(package.__path__, "stockstream.cli."):
        import_module(module.name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        told, descriptors, *_ = socket.recv_fds(asked, MOST_BYTES, 3)
        if not told:
            return
        if os.fork() == 0:
            asked.close()
            break
        for descriptor in descriptors:
            os.close(descriptor)
    _attend(json.loads(told), *descriptors)


def _attend(command: dict[str, object], out: int, err: int, word: int) -> None:
    """Run the command in a process of its own; tell that one's id, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    process = os.fork()
    if process == 0:
        os.close(word)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        _become(**command)  # type: ignore[arg-type]
        return
    os.close(out)
    os.close(err)
    with socket.socket(fileno=word) as telling:
        try:
            telling.send(b"%d" % process)
            _, status = os.waitpid(process, 0)
            telling.send(b"%d" % os.waitstatus_to_exitcode(status))
        except BrokenPipeError:
            pass  # nobody waits for it any more
    os._exit(0)


def _become(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """Be `python -m stockstream`, to its end and with its exit status."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path[0] = folder
    sys.argv[1:] = arguments
    runpy.run_module("stockstream", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
