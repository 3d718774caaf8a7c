"""The NATS server from the wheel, as a child process of ours."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from stockstream.cluster.nats_server import (
    HOST,
    NatsServer,
    NatsServerFailed,
    keep_nats_server,
    new_token,
    run_nats_server,
)

WAIT_SECONDS = 10.0

OWNER = """
import trio
from stockstream.cluster.nats_server import run_nats_server

async def main():
    async with trio.open_nursery() as nursery:
        server = await nursery.start(run_nats_server, "token")
        print("pid", server.pid, flush=True)

trio.run(main)
"""


async def _answer(port: int, token: str) -> bytes:
    """What comes until the server is pinged back, or ends the connection."""
    said = b""
    with suppress(OSError, trio.BrokenResourceError):
        async with await trio.open_tcp_stream(HOST, port) as stream:
            await stream.send_all(b'CONNECT {"auth_token": "%b"}\r\nPING\r\n' % token.encode())
            while b"PONG" not in said and (piece := await stream.receive_some()):
                said += piece
    return said


async def test_it_answers_when_the_start_returns_and_lets_in_who_has_its_token():
    """The port is the system's choice, strangers are refused, and the end leaves nothing."""
    token = new_token()
    async with trio.open_nursery() as nursery:
        server: NatsServer = await nursery.start(run_nats_server, token)
        assert b"PONG" in await _answer(server.port, token)
        assert b"Authorization Violation" in await _answer(server.port, "wrong")
        assert token.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()  # noqa: ASYNC240
        nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


async def test_a_port_that_is_taken_is_told_by_the_start():
    """The error says what the server said."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NatsServerFailed, match="address already in use"):
            await run_nats_server("token", port)


async def test_a_server_that_is_killed_is_there_again_on_its_port():
    """Its nodes know it by that."""
    async with trio.open_nursery() as nursery:
        server: NatsServer = await nursery.start(keep_nats_server, "token")
        server.send_signal(signal.SIGKILL)
        with trio.fail_after(WAIT_SECONDS):
            while b"PONG" not in await _answer(server.port, "token"):  # noqa: ASYNC110
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()


def test_it_ends_with_its_owner_however_that_ends():
    """A killed process can stop nothing, so the kernel does."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner:
        pid = next(int(line.split()[1]) for line in owner.stdout if line.startswith("pid "))
        pidfd = os.pidfd_open(pid)
        owner.kill()
    try:
        ended, _, _ = select.select([pidfd], [], [], WAIT_SECONDS)
        assert ended
    finally:
        os.close(pidfd)
