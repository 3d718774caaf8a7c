"""The same test on a dashboard that is open and on one that takes a login."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import trio

from stockstream.users.roles import Role
from tests.support.commands import run_command
from tests.support.people import CHEAP_SETTINGS, PASSWORD, SECONDS, add_account, log_in
from tests.support.server import ROOT, TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tree import Tree

NAME = "ada"
SCOPES = ("prices:read", "history:read", "admin:read", "chaos:run")
_AGAIN = frozenset({429, 500, 502, 503})
"""A server that has just been started, whose database is not there yet."""


@dataclass
class Dashboard:
    """How the clients of a test come in.

    Where it takes a login they are an account's: some show an API token, others the cookie of a
    session, as a page of a browser does. `token` is that of a program; where the dashboard is open,
    that of the admin.
    """

    takes_login: bool
    folder: Path
    database_url: str = ""
    token: str = TOKEN
    _shown: list[list[tuple[str, str]]] = field(default_factory=lambda: [[]])

    @property
    def settings(self) -> dict[str, object]:
        """For a tree in the test's own run."""
        if not self.takes_login:
            return {}
        return {"dashboard": "login", "database_url": self.database_url, **CHEAP_SETTINGS}

    @property
    def environment(self) -> dict[str, str]:
        """The same for a server in a process of its own."""
        return {name.upper(): str(value) for name, value in self.settings.items()}

    def headers(self, number: int = 0) -> list[tuple[str, str]]:
        """What client `number` shows: a token, a session, a token, ..."""
        return self._shown[number % len(self._shown)]

    async def let_in(self, at: Tree | str) -> None:
        """Make the account, log it in and give it a token, at a tree or the address of a server."""
        if not self.takes_login:
            return
        if isinstance(at, str):
            url = at
            await self._add_account()
        else:
            url = at.url
            await add_account(at, NAME, Role.ADMIN)
        headers = {"Origin": url}
        async with httpx.AsyncClient(base_url=url, timeout=SECONDS, headers=headers) as client:
            await _logged_in(client)
            body = {"name": "program", "scopes": SCOPES}
            made = await client.post("/api/v1/tokens", json=body)
            assert made.status_code == 201, made.text
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        self.token = str(made.json()["secret"])
        self._shown = [
            [("Authorization", f"Bearer {self.token}")],
            [("Cookie", cookie), ("Origin", url)],
        ]

    async def _add_account(self) -> None:
        file = self.folder / "password"
        file.write_text(PASSWORD)
        file.chmod(0o600)
        given = {
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE")},
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            **self.environment,
        }
        what = ["users", "add", NAME, "--role", "admin", "--password-file", str(file)]
        done = await run_command(what, given, self.folder)
        assert done.returncode == 0, done.stderr.decode()


async def _logged_in(client: httpx.AsyncClient) -> None:
    with trio.fail_after(SECONDS):
        while (answer := await log_in(client, NAME)).status_code in _AGAIN:  # noqa: ASYNC110
            await trio.sleep(0.05)
    assert answer.status_code == 303, answer.text
