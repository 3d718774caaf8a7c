"""Which hosts are ours."""

from __future__ import annotations

import pytest

from web.server.hosts import AllowedHosts, host_name


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Prices.Example:4000", "prices.example"),
        ("prices.example.", "prices.example"),
        ("[::1]:4000", "::1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("127.0.0.1:", "127.0.0.1"),
        ("my_service:80", "my_service"),
        ("", None),
        (":80", None),
        (".", None),
        ("::1", None),
        ("[::1", None),
        ("[localhost]", None),
        ("a b", None),
        ("a, b", None),
        ("a@b", None),
        ("a/b", None),
        ("a:b", None),
        ("a:1:2", None),
        ("prices.example\u2100", None),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        ("a" * 64 + ".example", None),
        ("prices..example", None),
        ("prices.example..", None),
        (".example", None),
    ],
)
def test_a_host_is_a_name_or_an_address_and_perhaps_a_port(host: str, name: str | None) -> None:
    """Anything else cannot be read, and is nobody's."""
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("names", "allowed", "refused"),
    [
        (
            [],
            ["localhost:4000", "a.localhost", "127.0.0.1", "[::1]:4000", "192.168.1.4:4000", ""],
            ["evil.example", "localhost.evil.example", "evil-localhost", "2130706433", "a b"],
        ),
        (["prices.example"], ["PRICES.example:1"], ["x.prices.example", "xprices.example"]),
        (["*.example"], ["a.example", "a.b.example"], ["example", "badexample", ".example"]),
        (["*"], ["evil.example", "a b"], []),
    ],
)  # fmt: skip
def test_a_host_is_ours_by_name_or_is_an_address(
    names: list[str], allowed: list[str], refused: list[str]
) -> None:
    """No page can have an address point elsewhere; a name it can."""
    hosts = AllowedHosts(names)
    assert [host for host in allowed if not hosts.allow(host)] == []
    assert [host for host in refused if hosts.allow(host)] == []
