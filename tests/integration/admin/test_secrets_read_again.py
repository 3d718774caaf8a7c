"""SIGHUP: a running server goes over to what its secrets are now, and tells nobody of them."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING

import httpx
import trio
from pydantic import SecretStr
from structlog.testing import capture_logs

from stockstream import changing_secrets
from stockstream.environment import Configuration
from stockstream.errors import ConfigurationError
from tests.support.server import SIMULATED, TOKEN, running_server
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.tree import Tree

VALUES = {
    "ADMIN_TOKEN": TOKEN,
    "CHAOS_TOKEN": "chaos-hunter2-of-this-test",
    "SECRET_KEY_BASE": "key-hunter2-of-this-test-which-signs-cookies",
    "DATABASE_URL": "postgresql://nobody:pw-hunter2@127.0.0.1:1/none",
}


async def asked(tree: Tree, token: str, path: str = "/admin/api/overview", **headers: str) -> int:
    """The status of an answer to who sends that token."""
    headers["Authorization"] = f"Bearer {token}"
    async with httpx.AsyncClient(base_url=tree.url, headers=headers, timeout=10) as client:
        return (await client.get(path)).status_code


async def read_again(tree: Tree, **changed: str) -> None:
    """Have the secrets read again, some of which have changed."""
    values = {name: SecretStr(value) for name, value in changed.items()}
    new = tree.current.settings.model_copy(update=values)
    tree.current.read = lambda: Configuration(new, {})
    tree.current.ask(tree.system)
    await tree.until(lambda: tree.current.answered == tree.current.asked)


async def test_the_old_token_is_refused_at_once() -> None:
    """Also by the front end's next life, and what was opened with it ends."""
    async with running_tree(admin_token="the-first-token-of-this") as tree:
        headers = {"Authorization": "Bearer the-first-token-of-this"}
        async with (
            httpx.AsyncClient(base_url=tree.url, headers=headers, timeout=20) as client,
            client.stream("GET", "/admin/api/events") as stream,
        ):
            lines = stream.aiter_lines()
            assert json.loads(await anext(lines))["type"] == "hello"
            await read_again(tree, admin_token="the-second-token-of-this")
            assert await asked(tree, "the-first-token-of-this") == 401
            assert await asked(tree, "the-second-token-of-this") == 200
            with trio.fail_after(10):
                told = [json.loads(line)["type"] async for line in lines]
            assert told[-1] == "bye"
        assert tree.system.ref("web").kill()
        await tree.until(
            lambda: tree.actors()["web"].generation == 2 and tree.actors()["web"].state == "running"
        )
        assert await asked(tree, "the-first-token-of-this") == 401
        assert await asked(tree, "the-second-token-of-this") == 200


async def test_what_cannot_change_is_said_and_stays() -> None:
    """A key that signs cookies, another database: from the next start on. The rest is used."""
    with capture_logs() as logs:
        async with running_tree(database_url=VALUES["DATABASE_URL"]) as tree:
            before = tree.current.settings
            await read_again(
                tree,
                secret_key_base="another-hunter2-key-of-this-test-for-cookies",
                database_url="postgresql://nobody:other-hunter2@127.0.0.1:2/none",
            )
            assert tree.current.settings == before
            await read_again(
                tree, database_url="postgresql://somebody:other-hunter2@127.0.0.1:1/none"
            )
            now = tree.current.settings.database_url
            assert now is not None
            assert "somebody:other-hunter2" in now.get_secret_value()
    said = [line["setting"] for line in logs if "from the next start on" in line["event"]]
    assert said == ["SECRET_KEY_BASE", "DATABASE_URL"]
    changed = [line["changed"] for line in logs if line["event"] == "the secrets are read again"]
    assert changed == [[], ["DATABASE_URL"]]
    assert "hunter2" not in repr(logs) + repr(tree.events)


async def test_a_mistake_changes_nothing_and_a_killed_reader_reads_nevertheless() -> None:
    """It is in the log by the setting's name; nobody has to ask a second time after a kill."""
    with capture_logs() as logs:
        async with running_tree(admin_token="the-first-token-of-this") as tree:

            def fail() -> Configuration:
                raise ConfigurationError("ADMIN_TOKEN_FILE: 'token' is empty")

            tree.current.read = fail
            tree.current.ask(tree.system)
            await tree.until(lambda: tree.current.answered == 1)
            assert await asked(tree, "the-first-token-of-this") == 200

            new = tree.current.settings.model_copy(
                update={"admin_token": SecretStr("the-second-token-of-this")}
            )
            tree.current.read = lambda: Configuration(new, {})
            tree.current.asked += 1  # and the message was lost with the life it was for
            assert tree.system.ref("secrets").kill()
            await tree.until(lambda: tree.current.answered == 2)
            assert await asked(tree, "the-second-token-of-this") == 200
    (line,) = [line for line in logs if "not read again" in line["event"]]
    assert line["reason"] == "ADMIN_TOKEN_FILE: 'token' is empty"


async def test_a_disk_that_stalls_holds_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked, and none of those that others need. It is read when it answers."""
    monkeypatch.setattr(changing_secrets, "READ_SECONDS", 0.05)
    answers, begun = threading.Event(), []
    limiter = changing_secrets._readers
    async with running_tree(admin_token="the-first-token-of-this") as tree:
        new = tree.current.settings.model_copy(
            update={"admin_token": SecretStr("the-second-token-of-this")}
        )

        def read() -> Configuration:
            begun.append(threading.current_thread())
            answers.wait()
            return Configuration(new, {})

        tree.current.read = read
        try:
            for number in range(1, 7):
                tree.current.ask(tree.system)
                await tree.until(lambda number=number: tree.current.answered == number)
            assert len(begun) <= limiter.borrowed_tokens == limiter.total_tokens == 4
            assert await asked(tree, "the-first-token-of-this") == 200
        finally:
            answers.set()
        with trio.fail_after(10):
            while limiter.borrowed_tokens:  # noqa: ASYNC110 - a thread tells nobody
                await trio.sleep(0.005)
        monkeypatch.setattr(changing_secrets, "READ_SECONDS", 10.0)
        tree.current.ask(tree.system)
        await tree.until(lambda: tree.current.answered == 7)
        assert await asked(tree, "the-second-token-of-this") == 200


async def test_a_hangup_has_the_files_read_again(tmp_path: Path) -> None:
    """Files are swapped as orchestrators do it. No value is in a log line or an answer."""
    given = {"STOCK_API_URL": SIMULATED, "CHAOS_ENABLED": "true", "ADMIN_TOKEN": ""}
    given["DATABASE_URL"] = ""

    def write(name: str, text: str) -> None:
        draft = tmp_path / "draft"
        draft.write_text(text)
        draft.chmod(0o600)
        draft.rename(tmp_path / name)

    for name, value in VALUES.items():
        given[f"{name}_FILE"] = name
        write(name, value)
    (tmp_path / "CHAOS_TOKEN").chmod(0o644)
    shown = []
    async with running_server(tmp_path, given) as server:
        assert (await server.get("/admin/api/overview")).status_code == 200
        assert "CHAOS_TOKEN_FILE: 'CHAOS_TOKEN' can be read by every user" in server.text

        write("ADMIN_TOKEN", "token-hunter2-of-this-test\n")
        write("DATABASE_URL", "postgresql://nobody:new-hunter2@127.0.0.1:1/none")
        write("SECRET_KEY_BASE", "another-hunter2-key-of-this-test-for-cookies")
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        await server.until_said("the secrets are read again")
        assert (await server.get("/admin/api/overview")).status_code == 401
        headers = {"Authorization": "Bearer token-hunter2-of-this-test"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
            write("ADMIN_TOKEN", "\n")
            server.process.send_signal(signal.SIGHUP)
            await server.until_said("ADMIN_TOKEN_FILE: 'ADMIN_TOKEN' is empty")
            for path in (
                "/metrics",
                "/admin/api/overview",
                "/admin/api/tree",
                "/api/v1/quotes",
                "/health/ready",
            ):
                answer = await client.get(path)
                assert answer.status_code in {200, 503}, path
                shown.append(answer.text)
        shown.append(server.text)
        assert "SECRET_KEY_BASE" in server.text
        assert await server.stop() == 0
        shown.append(server.text)
    for text in shown:
        assert "hunter2" not in text
        assert TOKEN not in text
