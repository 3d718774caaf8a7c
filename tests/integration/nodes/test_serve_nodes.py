"""`stockstream serve --nodes` and `cluster up`: one port, several processes, one of each server."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from stockstream.cli.cluster.status import SINGLE_NODE, TROUBLE
from stockstream.cluster.told import ClusterDocument
from stockstream.decoding import from_json
from stockstream.nodes.parent_file import ParentFile
from tests.integration.nodes.family import family, node_urls, nodes, until_all_have_ended
from tests.support.client import connected
from tests.support.commands import run_command
from tests.support.deep import only_deep
from tests.support.server import NO_DATABASE, ROOT, SIMULATED, TOKEN, running_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Server

TWO = ("serve", "--nodes", "2")
SETTINGS = {"STOCK_API_URL": SIMULATED, "NODE_NAME": "box"}
WITH_A_DATABASE = {**SETTINGS, "DATABASE_URL": ""}
NOT_AS_A_NODE = "import sys\nif '--inherited' in sys.orig_argv: sys.exit('no node today')\n"


@pytest.mark.proves("N13", "N18", "T25")
async def test_the_port_answers_while_any_node_lives(tmp_path: Path) -> None:
    """A node is killed, then all are restarted in turn: each new connection is answered.

    A node has the same address of its own in all its lives.
    """
    async with running_server(
        tmp_path, SETTINGS, command=("cluster", "up", "--nodes", "2")
    ) as server:
        urls = node_urls(server)
        assert list(urls) == ["box-1", "box-2"]
        first = nodes(server.pid)
        assert len(first) == 2

        async def until_said(text: str) -> None:
            with trio.fail_after(60):
                while text not in server.text or len(nodes(server.pid)) < 2:
                    async with httpx.AsyncClient(timeout=10) as client:
                        assert (await client.get(f"{server.url}/health/live")).status_code == 200

        status = await _status(server)
        assert status.troubles == []
        assert {member.node: member.address for member in status.members} == urls
        (held,) = status.shards
        assert held.node in urls
        overview = (await server.get("/admin/api/overview")).json()
        assert [member["node"] for member in overview["cluster"]["members"]] == list(urls)

        own = {f"{url.replace('127.0.0.1', 'localhost')}/admin" for url in urls.values()}
        assert await _sent_to(server, f"localhost:{server.port}") in own
        for url in urls.values():
            assert await _sent_to(server, url.removeprefix("http://"), at=url) == "/admin/login"
        # Through a tunnel or a proxy the port of a node cannot be reached.
        assert await _sent_to(server, "localhost:1") == "/admin/login"

        os.kill(first[0].pid, signal.SIGKILL)
        await until_said("node box-1 was ended by SIGKILL")
        second = nodes(server.pid)
        assert first[1] in second
        for url in urls.values():
            async with httpx.AsyncClient(timeout=20) as client:
                assert (await client.get(f"{url}/health/live")).status_code == 200

        await _status(server)  # all are ready again
        socket = f"{urls['box-1'].replace('http', 'ws')}/ws"
        async with trio.open_nursery() as nursery, connected(socket, nursery) as client:
            with trio.fail_after(60):
                command = [sys.executable, "-m", "stockstream", "cluster", "restart"]
                restarted = await trio.run_process(
                    command, env=_environment(), cwd=tmp_path, capture_stdout=True
                )
            # Another node serves at the shared port: nobody has to wait for this one.
            assert (await client.message("going_away"))["reconnect_after"] <= 1
            nursery.cancel_scope.cancel()
        assert restarted.stdout == b"box-1 is restarted\nbox-2 is restarted\n"
        await until_said("all nodes are restarted")
        assert {*first, *second}.isdisjoint(nodes(server.pid))
        left = [json.loads(line) for line in server.text.splitlines() if "a node has left" in line]
        assert [line["name"] for line in left] == ["box-1", "box-2"]


async def _sent_to(server: Server, host: str, at: str | None = None) -> str:
    """Where `/admin` leads who is not logged in, by the host that it was asked for."""
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.get(f"{at or server.url}/admin", headers={"Host": host})
    assert answer.is_redirect, answer.text
    return answer.headers["Location"]


async def test_a_single_node_says_that_it_is_one(tmp_path: Path) -> None:
    """With an exit code of its own, and `null` as JSON; the admin page has no section for it."""
    command = ["cluster", "status"]
    async with running_server(tmp_path, SETTINGS) as server:
        given = {**_environment(), "STOCKSTREAM_URL": server.url, "STOCKSTREAM_TOKEN": TOKEN}
        for more, said in (((), b"a single node"), (("--json",), b"null\n")):
            asked = await run_command([*command, *more], given, tmp_path)
            assert asked.returncode == SINGLE_NODE
            assert asked.stdout.startswith(said)
        assert (await server.get("/admin/api/overview")).json()["cluster"] is None


async def test_two_parents_in_one_directory_are_one_too_many(tmp_path: Path) -> None:
    """The second one is told so, and a command that finds none, too."""
    held = ParentFile(tmp_path)
    settings = {**_environment(), "DATA_DIRECTORY": str(tmp_path)}
    command = [sys.executable, "-m", "stockstream"]
    second = await trio.run_process(
        [*command, *TWO], env=settings, cwd=tmp_path, capture_stderr=True, check=False
    )
    assert second.returncode == 1
    assert b"the nodes of another" in second.stderr
    held.remove()
    found = await trio.run_process(
        [*command, "cluster", "restart"],
        env=settings,
        cwd=tmp_path,
        capture_stderr=True,
        check=False,
    )
    assert found.returncode == 1
    assert b"no nodes run from this directory" in found.stderr


async def test_ctrl_c_drains_all_nodes_and_leaves_nothing(tmp_path: Path) -> None:
    """No process, no socket, no address of a server. Each line of a node's log names it. Before
    that, SIGHUP to the parent has each node read its secrets again.
    """
    async with running_server(tmp_path, WITH_A_DATABASE, command=TWO) as server:
        await server.until_said("PostgreSQL is up")
        members = family(server.pid)
        assert sum("nats-server" in process.command for process in members) == 1
        os.kill(server.pid, signal.SIGHUP)
        await server.until(lambda said: said.count("the secrets are read again") == 2)
        assert await server.stop(signal.SIGINT) == 0
        assert [process for process in members if process.runs()] == []
        said = [json.loads(line) for line in server.text.splitlines()]
        draining = [line["node"] for line in said if line["event"].startswith("draining")]
        assert sorted(draining) == ["box-1", "box-2"]
        assert not any("node" in line for line in said if line["logger"] == "nodes")
        await _until_free(server.port)
        assert not (tmp_path / ".stockstream" / "postgres.url").exists()
        assert not (tmp_path / ".stockstream" / "nodes.json").exists()


async def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    """The nodes drain; NATS and PostgreSQL end too."""
    async with running_server(tmp_path, WITH_A_DATABASE, command=TWO) as server:
        await server.until_said("PostgreSQL is up")
        members = family(server.pid)
        await server.stop(signal.SIGKILL)
        await until_all_have_ended(members, 20)
        assert server.text.count("draining") == 2
        await _until_free(server.port)


@only_deep("hurries nodes that drain")
async def test_a_second_signal_ends_all_at_once(tmp_path: Path) -> None:
    """Half a request would hold the drain of each node for seven seconds."""
    async with running_server(tmp_path, SETTINGS, command=TWO) as server:
        members = family(server.pid)
        async with AsyncExitStack() as clients:
            for url in node_urls(server).values():
                host, port = url.removeprefix("http://").split(":")
                half = await clients.enter_async_context(
                    await trio.open_tcp_stream(host, int(port))
                )
                await half.send_all(b"GET /health/live HTTP/1.1\r\n")
            assert server.process is not None
            server.process.send_signal(signal.SIGINT)
            await server.until(lambda said: said.count("draining") == 2)
            assert await server.stop(signal.SIGINT) == 128 + signal.SIGINT
            await until_all_have_ended(members, 5)


async def test_a_node_that_does_not_start_fails_the_start(tmp_path: Path) -> None:
    """Its reason stands in the log, and its siblings end with it."""
    (tmp_path / "sitecustomize.py").write_text(NOT_AS_A_NODE)
    settings = {
        **SETTINGS, "PORT": "0", "DATABASE_URL": NO_DATABASE, "PYTHONPATH": f"{ROOT}:{tmp_path}"
    }  # fmt: skip
    ended = await trio.run_process(
        [sys.executable, "-m", "stockstream", *TWO],
        env={"PATH": os.environ["PATH"], **settings},
        cwd=tmp_path,
        capture_stderr=True,
        check=False,
    )
    assert ended.returncode == 1
    said = ended.stderr.decode()
    assert "no node today" in said
    assert "did not start: it ended with status 1" in said


async def _status(server: Server) -> ClusterDocument:
    """What `cluster status` says, once it finds nothing wrong."""
    command = ["cluster", "status", "--json"]
    given = {**_environment(), "STOCKSTREAM_URL": server.url, "STOCKSTREAM_TOKEN": TOKEN}
    with trio.fail_after(30):
        while True:
            asked = await run_command(command, given, server.folder)
            if asked.returncode == 0:
                return from_json(asked.stdout, ClusterDocument)
            assert asked.returncode == TROUBLE, asked.stdout


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


async def _until_free(port: int) -> None:
    """A process counts as ended a moment before its sockets do."""
    with trio.fail_after(2):
        while True:
            with socket.socket() as probe, suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                return
            await trio.sleep(0.02)
