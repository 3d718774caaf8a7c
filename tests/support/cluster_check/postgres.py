"""A PostgreSQL server that can be stopped and started again at its address."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

import trio

from stockstream.database.embedded import files
from stockstream.database.embedded.files import Layout, is_ready, postmaster
from stockstream.database.embedded.user import choose_user
from tests.support.database import START_SECONDS

if TYPE_CHECKING:
    from stockstream.child_process import ChildProcess


class Postgres:
    """See the module. For plain threads, not for a run of trio."""

    def __init__(self, folder: Path) -> None:
        self._layout = Layout(folder)
        self._user = trio.run(choose_user)
        trio.run(files.prepare, self._layout, self._user)
        # Not with the prefix of the product, which tidies up after servers that have ended.
        self._sockets = Path(tempfile.mkdtemp(prefix="checked-"))
        os.chown(self._sockets, self._user.owner, -1)
        self.url = files.socket_url(self._sockets)
        files.write_url(self._layout, self.url)
        self._process: ChildProcess | None = None
        # The server ends with the thread that has started it, as the kernel does that.
        self._thread = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.shutdown()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._thread.submit(self._start).result()

    def _start(self) -> None:
        process = files.start_server(self._layout, self._user, self._sockets, files.SETTINGS)
        self._process = process
        give_up = time.monotonic() + START_SECONDS
        while postmaster(self._layout) != process.pid or not is_ready(self._layout):
            assert process.status is None, files.last_words(self._layout)
            assert time.monotonic() < give_up, "the server does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as a crash does: what was not committed is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            trio.run(process.wait)
            process.close()
