"""A primary and a real replica of it, fed by streaming."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from stockstream.database.embedded.files import Layout
from stockstream.database.embedded.programs import program
from tests.support.database import bare_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stockstream.child_process import ChildProcess

REPLICATION = ("wal_level=replica", "max_wal_senders=4", "wal_sender_timeout=2s")


class Pair:
    """A primary and its replica; each may be killed, the replica started again."""

    def __init__(self, primary: Path, replica: Path, stack: ExitStack) -> None:
        self._replica = Layout(replica)
        self._stack = stack
        self._primary_process = stack.enter_context(bare_server(primary, *REPLICATION))
        self.primary_url = Layout(primary).url()
        where = ["-D", str(self._replica.data), "-d", self.primary_url]
        subprocess.run(
            [program("pg_basebackup"), "-R", "-X", "stream", "-c", "fast", *where],
            check=True,
            capture_output=True,
            timeout=60,
        )
        self._replica_process = stack.enter_context(bare_server(replica, *REPLICATION))
        self.replica_url = self._replica.url()

    def kill_primary(self) -> None:
        _kill(self._primary_process)

    def kill_replica(self) -> None:
        _kill(self._replica_process)


def _kill(server: ChildProcess) -> None:
    """Returns when it has ended."""
    server.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)


@contextmanager
def replicated(primary: Path, replica: Path) -> Iterator[Pair]:
    """Both on their own, on the cluster `primary` and a copy of it, for the time of a `with`."""
    (replica / "postgres").mkdir(mode=0o700, parents=True)
    with ExitStack() as stack:
        yield Pair(primary, replica, stack)
