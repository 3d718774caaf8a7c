"""Runs the commands of the documentation's pages, as they stand, against a running server.

What a page cannot know is put in for it: this server's address, the number of a login, a token.
What is not run, and why, stands here, once, and a test compares it with the pages.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from tests.support.commands import run_command
from tests.support.documented import commands
from tests.support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.commands import Ran
    from tests.support.documented import Command

PASSWORD = "a password of cy, for tests"
SECONDS = 120.0

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
]
ELSEWHERE = {
    "docs/backups.md": "tests/integration/backups/test_backups.py",
    "docs/logs.md": "tests/integration/chaos/test_cli.py",
    "docs/tutorial/first-fault.md": "tests/integration/chaos/test_cli.py",
    "docs/tutorial/first-price.md": "tests/integration/chaos/test_cli.py",
    "docs/tutorial/first-provider.md": "tests/integration/chaos/test_cli.py",
}
"""Pages with a test of their own, which runs them in their order; but for that of backups it is
one of every run of the tests, which has a server for them already."""
NOT_RUN = {
    "users add ada --role admin": "asks for a password, which needs a terminal",
    "audit tail --follow --action chaos": "goes on until it is stopped",
    "mock --port 1080": "goes on until it is stopped: tests/integration/cli/test_mock.py",
    "providers try kraken BTC-USD": "asks a provider on the internet",
    "providers try finnhub AAPL": "asks a provider on the internet",
}
OTHER_PROGRAMS = {
    "docker": "needs Docker: scripts/rehearsal builds and starts the same with podman",
    "helm": "needs a cluster: tests/integration/operations/test_deploy_page.py reads it",
    "kubectl": "needs a cluster: tests/integration/operations/test_deploy_page.py reads it",
    "make": "a target of Makefile, of which it is looked up that it is there",
    "pip": "installs from an index: scripts/distributions and its tests install our own wheels",
    "curl": "asks a server by HTTP, as tests of each route do",
    "echo": "writes a line into .env",
    "rclone": "is run where there is one, by the test of docs/backups.md; else cp copies for it",
    "scripts/make-secrets": "writes passwords: tests/unit/stockstream/test_container_files.py",
}
"""Programs that are not ours, by name: why the lines that begin with them are not run."""
SHORTER = {"1000": "10", "5000": "10", "60s": "1s", "10m": "1m", "250ms": "5s"}
"""What would take long, or judges the machine."""


def lines(page: Path) -> Iterator[str]:
    """Those of a page's blocks of shell, whole, without what is said of them."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield re.sub(r"\s+# .*", "", line).strip()


def program(line: str) -> str | None:
    """Which one a line calls; None where it only names settings."""
    words = re.sub(r"[A-Z_]+=(\"[^\"]*\"|'[^']*'|\S+)\s*", "", line).split()
    return words[0].removeprefix(".venv/bin/") if words else None


def starts_a_server(command: Command) -> bool:
    """Whether it goes on until it is stopped, and others ask it meanwhile."""
    return command.arguments[0] == "serve" or command.arguments[:2] == ("cluster", "up")


def needs_a_stop(command: Command) -> bool:
    """Whether the page says to stop the server first."""
    return command.arguments[:2] in {("db", "restore"), ("db", "rollback")}


def typed(page: Path) -> Iterator[Command]:
    """The commands of a page's blocks that are run by somebody: by us, or by its own test."""
    for command in commands(page, ROOT):
        if command.in_block and " ".join(command.arguments) not in NOT_RUN:
            yield command


@dataclass(frozen=True)
class Typist:
    """Who types them, in `folder`, with an environment that leads to the server at `url`."""

    url: str
    folder: Path
    environment: Mapping[str, str]

    async def prepare(self) -> None:
        """An account that the pages take for granted."""
        (self.folder / "cy").write_text(PASSWORD)
        await self.run(["users", "add", "ops", "--generate", "--role", "admin"])

    async def type_all(self, page: Path, *, stopped: bool = False) -> list[str]:
        """Those of a page that need a running server, or a stopped one; what was typed.

        Raises:
            AssertionError: one of them does not end well.
        """
        done = []
        for command in typed(page):
            if starts_a_server(command) or needs_a_stop(command) is not stopped:
                continue
            words = [await self._known(word) for word in command.arguments]
            if words[0] == "watch" and not {"--for", "--count"} & set(words):
                words += ["--count", "2"]
            if words[0] == "load" and "--for" not in words:
                words += ["--for", "1s"]
            ran = await self.run(words)
            where = f"{command.page}:{command.line}: {command.shown}"
            assert ran.returncode == 0, (where, words, ran.stdout, ran.stderr)
            done.append(" ".join(command.arguments))
        return done

    async def run(self, words: list[str]) -> Ran:
        """One command."""
        return await run_command(words, self.environment, self.folder, SECONDS)

    async def _known(self, word: str) -> str:
        """A word of a page as it has to be here."""
        if word == "12":
            return await self._login()
        if word == "3fK9aB2x":
            tokens = json.loads((await self.run(["tokens", "list", "--json"])).stdout)["tokens"]
            return str(tokens[0]["key"])
        known = {"https://prices.example": self.url, "/run/secrets/cy": str(self.folder / "cy")}
        return known.get(word) or SHORTER.get(word, word)

    async def _login(self) -> str:
        """The number of a login, which is there after somebody has logged in."""
        async with httpx.AsyncClient(base_url=self.url, timeout=10) as client:
            given = {"name": "cy", "password": PASSWORD}
            answer = await client.post("/login", json=given)
            assert answer.status_code < 400, answer.text
        found = json.loads((await self.run(["users", "sessions", "cy", "--json"])).stdout)
        return str(found["sessions"][0]["id"])
