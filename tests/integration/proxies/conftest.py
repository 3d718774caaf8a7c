"""Servers behind proxies, started once for this folder: a server is more to start than a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.programs import Server, running
from tests.support.proxies import documented, own_address
from tests.support.selfsigned import server_context
from tests.support.server import NO_DATABASE, SIMULATED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.database import PostgresServer

OWN = {"SECRET_KEY_BASE": "secret-of-the-tests-0123456789-0123456789", "STOCK_API_URL": SIMULATED}


def settings_of(name: str) -> dict[str, str]:
    """Those of the page, and 127.0.0.1 for Caddy: one server is behind all of the proxies."""
    settings = dict(line.split("=", 1) for line in documented(name).splitlines())
    settings["TRUSTED_PROXIES"] += ", 127.0.0.1"
    return OWN | settings


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
    settings = settings_of("settings") | {"DATABASE_URL": postgres_server.create_database()}
    server = Server(tmp_path_factory.mktemp("told"), settings)
    with running(server):
        yield server


@pytest.fixture(scope="package")
def below(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The same below a path."""
    database = {"DATABASE_URL": postgres_server.create_database()}
    settings = settings_of("settings below a path") | database
    server = Server(tmp_path_factory.mktemp("below"), settings)
    with running(server):
        yield server


@pytest.fixture(scope="package")
def untold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows of no proxy."""
    settings = settings_of("settings") | {"DATABASE_URL": NO_DATABASE}
    del settings["TRUSTED_PROXIES"]
    server = Server(tmp_path_factory.mktemp("untold"), settings)
    with running(server):
        yield server
