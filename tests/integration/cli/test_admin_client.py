"""Commands that ask a server over TLS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.integration.market.rogue import RogueServer
from tests.support.commands import run_command
from tests.support.selfsigned import server_context

if TYPE_CHECKING:
    from pathlib import Path

    import trio


@pytest.mark.parametrize(
    "arguments", [["tree"], ["jobs"], ["chaos", "targets"], ["doctor"]], ids=lambda one: one[0]
)
async def test_a_command_trusts_what_the_user_trusts(
    nursery: trio.Nursery, tmp_path: Path, arguments: list[str]
) -> None:
    """By `SSL_CERT_FILE`, as a company's own authority is told. Without it nobody is asked."""
    server = RogueServer(nursery)
    server.tls = server_context(tmp_path, address="127.0.0.1")
    await server.start()
    environment = {**os.environ, "STOCKSTREAM_URL": server.url, "STOCKSTREAM_TOKEN": "t" * 32}
    environment.pop("SSL_CERT_FILE", None)
    for trusted in (False, True):
        server.requests.clear()
        if trusted:
            environment["SSL_CERT_FILE"] = str(tmp_path / "server.pem")
        await run_command(arguments, environment, tmp_path)
        assert bool(server.requests) is trusted
