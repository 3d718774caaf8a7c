"""The addresses of NATS servers."""

from __future__ import annotations

import pytest

from stockstream.cluster.nats_access import Server, read_servers


@pytest.mark.proves("N1")
def test_addresses_carry_a_token_or_a_user():
    """In the order in which they are tried; what is escaped in an address is not in a password."""
    assert read_servers("nats://a:4223, tls://ann:p%40ss@b,nats://s3cret@[::1]:4222") == (
        Server("a", 4223, tls=False),
        Server("b", 4222, tls=True, user="ann", password="p@ss"),
        Server("::1", 4222, tls=False, user="s3cret"),
    )


def test_what_people_are_told_of_a_server_holds_no_secret():
    """Neither how it is shown, nor its repr in an error."""
    servers = read_servers("tls://ann:p%40ss@b,nats://s3cret@[::1]:4222")
    assert [server.shown for server in servers] == ["b:4222", "[::1]:4222"]
    assert "p@ss" not in repr(servers)
    assert "s3cret" not in repr(servers)
