"""NATS servers with a configuration of their own."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stockstream.cluster.nats_server import HOST, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def a_server(folder: Path, more: str) -> Iterator[int]:
    """A server with the token `token` and `more` lines in its configuration; its port."""
    configuration = folder / "nats.conf"
    configuration.write_text(f'listen: "{HOST}:-1"\nauthorization {{ token: "token" }}\n{more}\n')
    command = [program(), "--config", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            listening = next(line for line in process.stderr if "Listening for client" in line)
            yield int(listening.rpartition(":")[2])
        finally:
            process.kill()
