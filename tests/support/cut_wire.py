"""A wire between a browser and a server that a test may cut, as a network does: without a word.

Plain threads: it is used beside Playwright's synchronous API, which holds the event loop.
"""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.support.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 65_536


class CutWire:
    """Passes bytes on, both ways, until it is cut. What was connected then never hears of it."""

    def __init__(self, to: str) -> None:
        self._host, _, port = to.removeprefix("http://").partition(":")
        self._port = int(port)
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._whole = threading.Event()
        self._whole.set()
        self._closed = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def start(self) -> None:
        """Take connections."""
        self._threads[0].start()

    def cut(self) -> None:
        """From now on nothing passes; connections stay open, and new ones are taken and hang."""
        self._whole.clear()

    def mend(self) -> None:
        """New connections pass again. Those that were cut are ended, late, as a network does."""
        self._whole.set()

    def close(self) -> None:
        """End everything."""
        self._closed.set()
        self._whole.set()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        self._listener.settimeout(0.1)
        while not self._closed.is_set():
            with suppress(TimeoutError):
                here, _ = self._listener.accept()
                thread = threading.Thread(target=self._pass_on, args=(here,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, here: socket.socket) -> None:
        with here, selectors.DefaultSelector() as ready:
            self._whole.wait()
            if self._closed.is_set():
                return
            try:
                there = socket.create_connection((self._host, self._port), 10)
            except OSError:
                return  # nobody is there: the end of this one says so
            with there:
                ready.register(here, selectors.EVENT_READ, there)
                ready.register(there, selectors.EVENT_READ, here)
                while not self._closed.is_set():
                    for key, _ in ready.select(0.1):
                        if not self._whole.is_set():
                            self._whole.wait()
                            return
                        source, sink = key.fileobj, key.data
                        assert isinstance(source, socket.socket)
                        try:
                            data = source.recv(CHUNK)
                            if not data:
                                return
                            sink.sendall(data)
                        except OSError:
                            return


@contextmanager
def cut_wire(to: str) -> Iterator[CutWire]:
    """A wire to the server at `to`, for the time of a `with`."""
    wire = CutWire(to)
    wire.start()
    try:
        yield wire
    finally:
        wire.close()
