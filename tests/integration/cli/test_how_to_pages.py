"""Each command of the how-to guides and of the tutorial is run, or it is said why it is not."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from tests.support import programs
from tests.support.deep import only_deep
from tests.support.documented import commands
from tests.support.how_to import (
    ELSEWHERE,
    NOT_RUN,
    OTHER_PROGRAMS,
    PAGES,
    Typist,
    lines,
    program,
    starts_a_server,
)
from tests.support.server import ROOT, TOKEN, free_port, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.documented import Command

UP_SECONDS = 60.0
CHAOS = {"CHAOS_ENABLED": "true"}
OF_CLUSTERS = {"docs/cluster.md", "docs/tutorial/first-cluster.md"}
BY_NAME = {str(page.relative_to(ROOT)): page for page in PAGES}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[programs.Server]:
    """With a database of its own, and a stub; as the pages have it."""
    settings = {**CHAOS, "STUB_PORT": str(free_port()), "FETCH_INTERVAL": "0.2"}
    found = programs.Server(tmp_path_factory.mktemp("pages"), settings)
    with programs.running(found):
        yield found


def typist(server: programs.Server) -> Typist:
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "STOCKSTREAM_URL": server.url,
        "STOCKSTREAM_TOKEN": TOKEN,
        "DATA_DIRECTORY": str(server.folder / ".stockstream"),
        **server.ports,
    }
    return Typist(server.url, server.folder, given)


async def until_it_records(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        with trio.fail_after(UP_SECONDS):
            while not (await client.get("/health/ready")).json()["checks"]["history"]["ok"]:  # noqa: ASYNC110 - a server tells nobody
                await trio.sleep(0.1)


@only_deep("runs each command of the how-to guides")
async def test_every_command_of_the_guides_does_something(server: programs.Server) -> None:
    """Then the server is stopped for those that want it so."""
    await until_it_records(server.url)
    who = typist(server)
    await who.prepare()
    pages = [page for name, page in BY_NAME.items() if name not in {*ELSEWHERE, *OF_CLUSTERS}]
    done = [text for page in pages for text in await who.type_all(page)]
    assert {"doctor", "db rebuild", "watch AAPL MSFT", "users end 12"} <= set(done)
    assert server.stop() == 0
    done = [text for page in pages for text in await who.type_all(page, stopped=True)]
    assert done == ["db restore prices.dump --yes", "db rollback --yes"]


def starts() -> list[Command]:
    """Each way to start a server that a page shows, once."""
    found = [one for page in PAGES for one in commands(page, ROOT) if one.in_block]
    servers = [one for one in found if starts_a_server(one)]
    return list({(one.arguments, *sorted(one.settings.items())): one for one in servers}.values())


@only_deep("starts each server that the guides start")
@pytest.mark.parametrize("command", starts(), ids=lambda one: re.sub(r"\W+", "-", one.shown)[:60])
async def test_each_server_of_the_pages_starts(command: Command, tmp_path: Path) -> None:
    """With the settings of its line, but ports and files of ours; then those of its page are
    typed where it is a cluster.
    """
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    settings = dict(command.settings)
    for name, value in settings.items():
        if value.startswith("/"):
            settings[name] = str(secrets / value.rpartition("/")[2])
        if name.endswith("_FILE"):
            (secrets / value.rpartition("/")[2]).write_text(TOKEN)
        settings[name] = settings[name].replace(":1080", f":{free_port()}")
    settings |= {"STUB_PORT": str(free_port())}
    if "ADMIN_TOKEN_FILE" in settings:
        settings["ADMIN_TOKEN"] = ""
    cluster = command.arguments[0] == "cluster"
    if cluster:
        settings["DATABASE_URL"] = ""
    async with running_server(tmp_path, settings, command=command.arguments) as server:
        if command.page in OF_CLUSTERS and cluster:
            given = {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "STOCKSTREAM_URL": server.url,
                "STOCKSTREAM_TOKEN": TOKEN,
            }
            await until_it_records(server.url)
            who = Typist(server.url, tmp_path, given)
            await who.type_all(ROOT / command.page)
        assert await server.stop() == 0


def test_each_line_is_run_or_has_its_reason() -> None:
    """One list, without one that no page has any more."""
    pages = {name: page for name, page in BY_NAME.items() if name not in ELSEWHERE}
    called = {name for page in PAGES for line in lines(page) if (name := program(line))}
    called -= {"stockstream"}
    assert called == set(OTHER_PROGRAMS)
    texts = {
        " ".join(one.arguments) for page in PAGES for one in commands(page, ROOT) if one.in_block
    }
    assert set(NOT_RUN) - texts == set()
    assert set(ELSEWHERE) <= set(BY_NAME)
    for page, test in ELSEWHERE.items():
        assert page.rpartition("/")[2].removesuffix(".md") in (ROOT / test).read_text(), (
            page,
            test,
        )
    makefile = (ROOT / "Makefile").read_text()
    for page in pages.values():
        for line in lines(page):
            if program(line) == "make":
                target = line.partition("make ")[2].split()[0]
                assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), line
