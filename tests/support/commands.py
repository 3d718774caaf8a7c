"""Our commands in processes of their own, without the time that Python takes to import them.

That is most of a command's time, and there are hundreds. Each is forked from a process that has
imported all of the program: with an environment, a folder and an exit status of its own, and with
pipes for its output.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import trio

from tests.support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SECONDS = 60.0
AT_THE_START = ("COVERAGE", "LD_PRELOAD")
"""Variables that have to be there when a process begins."""

Ran = subprocess.CompletedProcess[bytes]


class _Forking:
    """The process that commands are forked from; started when the first one is run."""

    def __init__(self) -> None:
        self._asking: socket.socket | None = None
        self._turn = threading.Lock()

    def ask(self, message: bytes, descriptors: Sequence[int]) -> None:
        """Have a command run."""
        with self._turn:
            asking = self._asking or self._start()
        socket.send_fds(asking, [message], descriptors)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.command_server", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
            )
        self._asking = ours
        atexit.register(self._end, ours, process)
        return ours

    def _end(self, ours: socket.socket, process: subprocess.Popen[bytes]) -> None:
        ours.close()
        process.wait()


_forking = _Forking()


def command(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    seconds: float = SECONDS,
) -> Ran:
    """Run `stockstream ARGUMENTS` to its end.

    Raises:
        TimeoutExpired: it took longer; it is killed.
    """
    if any(name.startswith(AT_THE_START) for name in environment):
        return subprocess.run(
            [sys.executable, "-m", "stockstream", *arguments],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    given = {
        "arguments": list(arguments),
        "environment": dict(environment),
        "folder": str(folder),
    }
    with ExitStack() as stack:
        reading, word, given_away = _channels(stack)
        _forking.ask(json.dumps(given).encode(), given_away)
        for descriptor in given_away:
            os.close(descriptor)
        process = int(word.recv(100))
        try:
            out, err = _read(reading, time.monotonic() + seconds)
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(arguments), seconds) from None
        return Ran(list(arguments), int(word.recv(100)), out, err)


def _channels(stack: ExitStack) -> tuple[list[int], socket.socket, list[int]]:
    """Where to read its two outputs and word of it, and what to give away to it."""
    (out, its_out), (err, its_err) = os.pipe(), os.pipe()
    word, its_word = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stack.enter_context(word)
    for descriptor in (out, err):
        stack.callback(os.close, descriptor)
    return [out, err], word, [its_out, its_err, its_word.detach()]


def _read(descriptors: Sequence[int], until: float) -> list[bytes]:
    """All that comes of each, to its end."""
    came = {descriptor: bytearray() for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                piece = os.read(key.fd, 65_536)
                came[key.fd] += piece
                if not piece:
                    selector.unregister(key.fd)
    return [bytes(came[descriptor]) for descriptor in descriptors]


async def run_command(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    seconds: float = SECONDS,
) -> Ran:
    """The same, while other tasks go on."""
    run = partial(command, arguments, environment, folder, seconds)
    return await trio.to_thread.run_sync(run, abandon_on_cancel=True)
