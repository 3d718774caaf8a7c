"""Passwords of real servers that change while ours runs: the old one is of no use any more."""

from __future__ import annotations

import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import trio
from pydantic import SecretStr
from structlog.testing import capture_logs

from stockstream.cluster.nats_server import HOST, program
from stockstream.environment import Configuration
from tests.support.exposition import parse
from tests.support.history import history_state
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from tests.support.database import PostgresServer
    from tests.support.tree import Tree

WAIT_SECONDS = 30.0


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    with trio.fail_after(WAIT_SECONDS):
        while not await holds():  # noqa: ASYNC110 - over HTTP nobody is told
            await trio.sleep(0.02)


async def hang_up(tree: Tree, **changed: str) -> None:
    """What SIGHUP does, when the files have changed."""
    values = {name: SecretStr(value) for name, value in changed.items()}
    new = tree.current.settings.model_copy(update=values)
    tree.current.read = lambda: Configuration(new, {})
    tree.current.ask(tree.system)
    await tree.until(lambda: tree.current.answered == tree.current.asked)


async def test_another_password_of_the_database_is_used_with_the_next_connection(
    postgres_server: PostgresServer,
) -> None:
    """The server asks for a password, forgets the old one, and cuts what was opened with it."""
    rules = postgres_server.layout.data / "pg_hba.conf"
    before = rules.read_text()
    url = postgres_server.create_database().replace("stockstream@", "changing:{}-hunter2@")
    postgres_server.psql("CREATE ROLE changing LOGIN PASSWORD 'first-hunter2' IN ROLE stockstream")
    rules.write_text(f"local all changing scram-sha-256\n{before}")
    postgres_server.psql("SELECT pg_reload_conf()")
    try:
        with capture_logs() as logs:
            async with running_tree(database_url=url.format("first")) as tree:

                async def is_up() -> bool:
                    return bool((await history_state(tree))["ok"])

                async def is_refused() -> bool:
                    return "password" in str(await history_state(tree))

                await until(is_up)
                postgres_server.psql("ALTER ROLE changing PASSWORD 'second-hunter2'")
                postgres_server.psql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE usename = 'changing'"
                )
                await until(is_refused)
                await hang_up(tree, database_url=url.format("second"))
                await until(is_up)
        assert "hunter2" not in repr(logs)
    finally:
        rules.write_text(before)
        postgres_server.psql("SELECT pg_reload_conf()")


async def test_another_token_of_nats_is_used_with_the_next_connection(tmp_path: Path) -> None:
    """The server reads its configuration again, and cuts those that came by the old one."""
    with capture_logs() as logs, nats_server(tmp_path, "first-hunter2") as (process, address):
        url = f"nats://{{}}-hunter2@{address}"
        async with running_tree(cluster_nats_url=url.format("first")) as tree:
            await until(lambda: bus_is(tree, up=True))
            configure(tmp_path, "second-hunter2")
            process.send_signal(signal.SIGHUP)
            await until(lambda: bus_is(tree, up=False))
            await hang_up(tree, cluster_nats_url=url.format("second"))
            await until(lambda: bus_is(tree, up=True))
    assert "hunter2" not in repr(logs)


def configure(folder: Path, token: str) -> Path:
    file = folder / "nats.conf"
    file.write_text(f'listen: "{HOST}:-1"\nauthorization {{ token: "{token}" }}\n')
    return file


@contextmanager
def nats_server(folder: Path, token: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that knows this token, and its address."""
    command = [program(), "--config", str(configure(folder, token))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            listening = next(line for line in process.stderr if "Listening for client" in line)
            yield process, f"{HOST}:{int(listening.rpartition(':')[2])}"
        finally:
            process.kill()


async def bus_is(tree: Tree, *, up: bool) -> bool:
    """Whether the node is connected to NATS."""
    async with httpx.AsyncClient(base_url=tree.url, timeout=10) as client:
        return parse((await client.get("/metrics")).text).get("stockstream_bus_up") == up
