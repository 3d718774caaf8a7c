"""One server, where everybody logs in, for all chapters: most statements are a request each."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest
from argon2 import PasswordHasher

from tests.support.database import psql
from tests.support.programs import Server, running
from tests.support.server import SIMULATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.database import PostgresServer

PASSWORD = "correct horse battery"
HOST = "prices.example"
SETTINGS = {
    "STOCK_API_URL": SIMULATED,
    "DASHBOARD": "login",
    "TRUSTED_PROXIES": "127.0.0.1",
    "ALLOWED_HOSTS": HOST,
    "CHAOS_ENABLED": "true",
    "ARGON2_MEMORY": "8192",
    "ARGON2_TIME": "1",
    "ARGON2_PARALLELISM": "1",
}


@dataclass
class World:
    """The server, as people at many addresses see it through a proxy."""

    server: Server
    database_url: str
    _addresses: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def sql(self, text: str) -> str:
        return psql(self.database_url, text)

    @property
    def log(self) -> str:
        """All that the server has logged."""
        return "".join(self.server.output)

    def client(self, *, tls: bool = False) -> httpx.Client:
        """A browser at an address of its own, which shows its own pages."""
        number = next(self._addresses)
        headers = {
            "Host": HOST,
            "X-Forwarded-For": f"198.51.{number // 250}.{number % 250 + 1}",
            "X-Forwarded-Proto": "https" if tls else "http",
            "Sec-Fetch-Site": "same-origin",
        }
        return httpx.Client(base_url=self.server.url, headers=headers, timeout=20)

    def account(self, role: str = "viewer") -> str:
        """The name of a new account with the password of the tests."""
        name = f"{role}{next(self._names)}"
        made = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
        self.sql(
            "INSERT INTO user_accounts (name, role, password_hash) "
            f"VALUES ('{name}', '{role}', '{made}')"
        )
        return name

    def log_in(self, client: httpx.Client, name: str, password: str = PASSWORD) -> httpx.Response:
        return client.post("/login", json={"name": name, "password": password})

    @contextmanager
    def person(self, role: str = "viewer", name: str | None = None) -> Iterator[httpx.Client]:
        """A browser in which an account has logged in."""
        with self.client() as client:
            answer = self.log_in(client, name or self.account(role))
            assert answer.status_code == 200, answer.text
            yield client

    def program(self, token: str) -> httpx.Client:
        """A program with an API token."""
        client = self.client()
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    def handshake(self, client: httpx.Client, query: str = "", **headers: str) -> int:
        """The status that a WebSocket's handshake is refused with."""
        asked = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
            **headers,
        }
        return client.get(f"/ws{query}", headers=asked).status_code


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


@pytest.fixture(scope="package")
def world(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    url = postgres_server.create_database()
    server = Server(tmp_path_factory.mktemp("asvs"), {**SETTINGS, "DATABASE_URL": url})
    with running(server):
        yield World(server, url)
