"""Where an identity provider sends a browser back to."""

from __future__ import annotations

import pytest

from web.users.return_address import return_address

PATH = "/login/oidc/return"


@pytest.mark.parametrize(
    ("host", "secure", "base", "public_url", "address"),
    [
        ("localhost:4000", False, "", None, "http://localhost:4000"),
        ("prices.example", True, "", None, "https://prices.example"),
        ("prices.example:443", True, "", None, "https://prices.example"),
        ("prices.example:443", False, "", None, "http://prices.example:443"),
        ("[::1]:4000", False, "/stocks", None, "http://[::1]:4000/stocks"),
        # A proxy that tells neither TLS nor its port; PUBLIC_URL does.
        ("one.example:4000", False, "", "https://One.example:8443", "https://one.example:8443"),
        ("one.example", False, "/s", "https://one.example", "https://one.example/s"),
        ("one.example", True, "/s", "https://one.example/s/", "https://one.example/s"),
        # Of another host is no cookie: the balancer's name is not the node's.
        ("prices.example", True, "", "https://one.example", "https://prices.example"),
    ],
)
def test_it_is_of_the_host_that_the_browser_asked_for(host, secure, base, public_url, address):
    found = return_address(host, secure=secure, base=base, path=PATH, public_url=public_url)
    assert found == address + PATH
