"""OWASP ASVS 5.0, section V4.4, WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.asvs.conftest import World


def test_4_4_2_pages_of_other_origins_get_no_socket(world: World) -> None:
    """Not with a login's cookie, and not with a ticket."""
    with world.person() as client:
        ticket = client.post("/api/v1/ws-tickets").json()["ticket"]
        for query in ("", f"?ticket={ticket}"):
            assert world.handshake(client, query, Origin="https://evil.example") == 403


def test_4_4_3_and_4_4_4_a_socket_takes_what_a_login_has_got(world: World) -> None:
    """Who shows nothing, a made up token or a made up ticket has none."""
    with world.client() as client:
        assert world.handshake(client) == 401
        assert world.handshake(client, f"?ticket={'A' * 43}") == 401
        assert client.post("/api/v1/ws-tickets").status_code == 401
    with world.program(f"ss_00000000_{'0' * 38}") as client:
        assert world.handshake(client) == 401
