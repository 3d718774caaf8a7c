"""Where a webhook may go: the internet by TLS, and nowhere inside."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
import trio

from stockstream.alerts.targets import Forbidden, NotFound, TargetPolicy, check_url, find_target

STRICT = TargetPolicy()
NEARBY = TargetPolicy(allow_http=True, networks=(ip_network("127.0.0.0/8"),))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https:///path",
        "example.com",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://exa mple.com/",
        "https://example.com/\r\nHost: other",
        "https://example.com:99999/",
        "https://[::1/",
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://[fd00::1]/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://ex\u00e4mple.com/",
        "https://example.com/" + "x" * 1_000,
    ],
)
def test_what_may_not_be_called_is_refused_by_its_looks(url: str) -> None:
    """No TLS, no host, a password, a second line, an address inside in any spelling."""
    with pytest.raises(Forbidden):
        check_url(url, STRICT)


def test_what_is_allowed_by_name_may_be_called() -> None:
    """Plain HTTP and a network inside, each by its setting; nothing else."""
    assert check_url("https://example.com:8443/a?b=c", STRICT).port == 8443
    assert check_url("http://127.0.0.1:1/", NEARBY).hostname == "127.0.0.1"
    with pytest.raises(Forbidden):
        check_url("http://10.0.0.1/", NEARBY)
    assert NEARBY.permits(ip_address("::ffff:127.0.0.1"))
    assert not STRICT.permits(ip_address("::ffff:127.0.0.1"))
    assert STRICT.permits(ip_address("2606:4700:4700::1111"))


async def test_a_name_that_leads_inside_is_refused_when_it_is_looked_up() -> None:
    """A name is checked by what it stands for; that very address is connected to."""
    with pytest.raises(Forbidden, match="localhost is not on the internet"):
        await find_target("https://localhost/", STRICT)
    target = await find_target("http://localhost:8080/a?b=c", NEARBY_BOTH)
    assert target.url in {"http://127.0.0.1:8080/a?b=c", "http://[::1]:8080/a?b=c"}
    assert (target.host, target.name) == ("localhost:8080", "localhost")
    with pytest.raises(NotFound, match=r"no-such-host\.invalid"):
        await find_target("https://no-such-host.invalid/", STRICT)


NEARBY_BOTH = TargetPolicy(
    allow_http=True, networks=(ip_network("127.0.0.0/8"), ip_network("::1/128"))
)


async def test_all_that_a_name_stands_for_must_be_permitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One public and one private answer are a private one; so is a public one in a carrier."""

    class Resolver(trio.abc.HostnameResolver):
        answers: list[str]

        async def getaddrinfo(self, *_: object, **__: object) -> object:  # type: ignore[override]
            return [(2, 1, 6, "", (address, 443)) for address in self.answers]

        async def getnameinfo(self, *_: object) -> object:  # type: ignore[override]
            raise NotImplementedError

    resolver = Resolver()
    trio.socket.set_custom_hostname_resolver(resolver)
    resolver.answers = ["93.184.216.34"]
    target = await find_target("https://example.com/x", STRICT)
    assert target.url == "https://93.184.216.34:443/x"
    for inside in ("192.168.0.1", "64:ff9b::c0a8:1", "fe80::1%eth0"):
        resolver.answers = ["93.184.216.34", inside]
        with pytest.raises(Forbidden):
            await find_target("https://example.com/", STRICT)
