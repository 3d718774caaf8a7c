"""Servers behind proxies, started once for this folder: a server is more to start than a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.programs import Server, running
from tests.support.proxies import NAME, own_address
from tests.support.selfsigned import server_context
from tests.support.server import NO_DATABASE, SIMULATED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.database import PostgresServer

PRODUCTION = {
    "STOCKSTREAM_ENV": "production",
    "SECRET_KEY_BASE": "secret-of-the-tests-0123456789-0123456789",
    "STOCK_API_URL": SIMULATED,
    "ALLOWED_HOSTS": NAME,
}
TOLD = PRODUCTION | {"TRUSTED_PROXIES": "127.0.0.2, 127.0.0.1"}
"""127.0.0.2 as the page has it; and 127.0.0.1, where Caddy connects from."""


@pytest.fixture(scope="package")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a certificate, in one."""
    folder = tmp_path_factory.mktemp("certificate")
    server_context(folder)
    return folder / "server.pem"


@pytest.fixture(scope="package")
def elsewhere() -> str:
    """Where a stranger comes from."""
    return own_address()


@pytest.fixture(scope="package")
def told(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that was told of its proxy, with the settings that the page names."""
    settings = TOLD | {"DATABASE_URL": postgres_server.create_database()}
    server = Server(tmp_path_factory.mktemp("told"), settings)
    with running(server):
        yield server


@pytest.fixture(scope="package")
def below(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The same below a path."""
    settings = TOLD | {"DATABASE_URL": postgres_server.create_database(), "BASE_PATH": "/stocks"}
    server = Server(tmp_path_factory.mktemp("below"), settings)
    with running(server):
        yield server


@pytest.fixture(scope="package")
def untold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows of no proxy."""
    settings = PRODUCTION | {"DATABASE_URL": NO_DATABASE}
    server = Server(tmp_path_factory.mktemp("untold"), settings)
    with running(server):
        yield server
