"""Where a webhook may go: the internet by TLS, and nowhere inside."""

from __future__ import annotations

import threading
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest
import trio

from stockstream.alerts.lookups import Lookups, NotFound
from stockstream.alerts.targets import Forbidden, TargetPolicy, check_url, find_target

if TYPE_CHECKING:
    from collections.abc import Sequence

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


# IANA's registries of special-purpose addresses (IPv4, IPv6, 2026), multicast, and what is none of
# the internet's: https://www.iana.org/assignments/iana-ipv4-special-registry and its sister.
INSIDE = """
0.0.0.0 0.255.255.255 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.8 192.0.0.9 192.0.0.10 192.0.0.170 192.0.2.1
192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.175.48.1 198.18.0.1 198.19.255.255
198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::10.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:7f00:1
::ffff:0:808:808 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 100:0:0:1::1 200::1 400::1
1000::1 2001::1 2001:1::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1
2001:1ff::1 2001:db8::1 2002:7f00:1:: 2002:808:808:: 2620:4f:8000::1 3fff::1 3fff:fff::1 4000::1
5f00::1 8000::1 e000::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 feff::1 ff02::1 ff0e::1
"""
OUTSIDE = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 198.17.255.255 198.20.0.0
223.255.255.255 ::ffff:8.8.8.8
2000::1 2001:200::1 2001:4860:4860::8888 2003::1 2606:4700:4700::1111 2620:4f:7fff::1 2a00::1
3ffe:ffff::1 3fff:1000::1
"""


@pytest.mark.parametrize("address", INSIDE.split())
def test_what_is_not_the_internet_is_refused(address: str) -> None:
    """Every special network, its edges, and every form that carries an IPv4 address."""
    assert not STRICT.permits(ip_address(address))
    where = f"[{address}]" if ":" in address else address
    with pytest.raises(Forbidden):
        check_url(f"https://{where}/", STRICT)


@pytest.mark.parametrize("address", OUTSIDE.split())
def test_what_is_the_internet_is_allowed_up_to_its_edges(address: str) -> None:
    """The neighbours of the special networks."""
    assert STRICT.permits(ip_address(address))


NEARBY_BOTH = TargetPolicy(
    allow_http=True, networks=(ip_network("127.0.0.0/8"), ip_network("::1/128"))
)


async def test_a_name_that_leads_inside_is_refused_when_it_is_looked_up() -> None:
    """A name is checked by what it stands for; that very address is connected to."""
    lookups = Lookups(1)
    with pytest.raises(Forbidden, match="localhost is not on the internet"):
        await find_target("https://localhost/", STRICT, lookups)
    target = await find_target("http://localhost:8080/a?b=c", NEARBY_BOTH, lookups)
    assert target.url in {"http://127.0.0.1:8080/a?b=c", "http://[::1]:8080/a?b=c"}
    assert (target.host, target.name) == ("localhost:8080", "localhost")
    with pytest.raises(NotFound, match=r"no-such-host\.invalid"):
        await find_target("https://no-such-host.invalid/", STRICT, lookups)


async def test_all_that_a_name_stands_for_must_be_permitted() -> None:
    """One public and one private answer are a private one; so is a public one in a carrier."""
    answers = ["93.184.216.34"]
    lookups = Lookups(1, lambda _host, port: [(2, 1, 6, "", (a, port)) for a in answers])
    target = await find_target("https://example.com/x", STRICT, lookups)
    assert target.url == "https://93.184.216.34:443/x"
    for inside in ("192.168.0.1", "64:ff9b::c0a8:1", "fe80::1%eth0"):
        answers[1:] = [inside]
        with pytest.raises(Forbidden):
            await find_target("https://example.com/", STRICT, lookups)


async def test_an_address_needs_no_lookup() -> None:
    """Nothing of it waits for a resolver."""
    lookups = Lookups(1, lambda *_: pytest.fail("looked up"))
    target = await find_target("https://8.8.8.8/x", STRICT, lookups)
    assert target.url == "https://8.8.8.8:443/x"


async def test_a_resolver_that_hangs_keeps_no_thread_that_others_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not those of the process, and not those of lookups of another kind; it is not waited for."""
    monkeypatch.setattr("stockstream.alerts.lookups.RESOLVE_SECONDS", 0.2)
    over = threading.Event()

    def hang(*_: object) -> Sequence[tuple[Any, ...]]:
        over.wait(30)
        return []

    troubled, others = Lookups(2, hang), Lookups(2)
    free = trio.to_thread.current_default_thread_limiter().borrowed_tokens
    try:
        async with trio.open_nursery() as nursery:
            for _ in range(6):

                async def look_up() -> None:
                    with pytest.raises(NotFound, match=r"a\.example: nobody says where it is"):
                        await troubled.addresses("a.example", 443)

                nursery.start_soon(look_up)
            with trio.fail_after(5):
                assert await others.addresses("localhost", 443)
            assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == free
    finally:
        over.set()
