"""Who may connect: addresses behind proxies, origins, and counts."""

from ipaddress import ip_network

import pytest

from web.admission import Admission, client_address, is_loopback, origin_allowed

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.proves("W10")
@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("1.2.3.4", [], "1.2.3.4"),
        # Nobody trusts the speaker, so what it says does not count.
        ("1.2.3.4", ["9.9.9.9"], "1.2.3.4"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["9.9.9.9"], "9.9.9.9"),
        # The last entry is the proxy's own; what stands before it, the client may have made up.
        ("10.0.0.1", ["6.6.6.6, 9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", ["6.6.6.6", "9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", ["9.9.9.9, 10.0.0.2"], "9.9.9.9"),
        ("10.0.0.1", ["9.9.9.9 ,10.0.0.3", " 10.0.0.2 "], "9.9.9.9"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["9.9.9.9, _hidden"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("", ["9.9.9.9"], ""),
    ],
)
def test_an_address_is_what_trusted_proxies_say(
    peer: str, forwarded: list[str], address: str
) -> None:
    """X-Forwarded-For is read from its end, for as long as the speaker is trusted."""
    assert client_address(peer, forwarded, PROXIES) == address


def test_loopback_is_this_machine() -> None:
    """Both versions of the protocol; what is no address is nobody."""
    assert is_loopback("127.0.0.1")
    assert is_loopback("127.9.9.9")
    assert is_loopback("::1")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("")
    assert not is_loopback("localhost")


@pytest.mark.proves("W12")
@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "prices.example", True),
        ("https://prices.example", "prices.example", True),
        ("http://Prices.Example:4000", "prices.example:4000", True),
        ("https://shop.example", "prices.example", True),  # by ALLOWED_ORIGINS
        ("https://shop.example:444", "prices.example", False),
        ("http://shop.example", "prices.example", False),
        ("https://evil.example", "prices.example", False),
        ("https://prices.example.evil.example", "prices.example", False),
        ("https://prices.example@evil.example", "prices.example", False),
        ("http://prices.example:4001", "prices.example:4000", False),
        ("null", "prices.example", False),
        ("", "prices.example", False),
        ("file://", "", False),
        ("http://", "", False),
    ],
)
def test_a_page_may_connect_to_its_own_host_or_if_it_is_allowed(
    origin: str | None, host: str, allowed: bool
) -> None:
    """A program, which sends no origin, may as well."""
    assert origin_allowed(origin, host, ("https://shop.example",)) is allowed


@pytest.mark.proves("W10")
def test_connections_are_counted_in_all_and_by_address() -> None:
    """Both limits are refused with when to come back; who leaves makes room."""
    admission = Admission(most=3, most_per_address=2)
    with admission.admitted("a"):
        with admission.admitted("a"):
            refusal = admission.refusal("a")
            assert refusal is not None
            assert (refusal.status, refusal.retry_after) == (429, 5)
            admission.count_refusal(refusal)
            assert admission.refusal("b") is None
            with admission.admitted("b"):
                refusal = admission.refusal("c")
                assert refusal is not None
                assert (refusal.status, refusal.retry_after) == (503, 5)
                admission.count_refusal(refusal)
            statistics = admission.statistics()
            assert (statistics.connections, statistics.addresses) == (2, 1)
        assert admission.refusal("a") is None
    statistics = admission.statistics()
    assert (statistics.connections, statistics.addresses) == (0, 0)
    assert statistics.refused == {429: 1, 503: 1}
