"""Who may connect: addresses behind proxies, origins, and counts."""

from ipaddress import ip_network

import pytest
import trio
import trio.testing

from web.admission import ADMITTED_AT_ONCE, Admission, client_address, is_loopback, origin_allowed

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
        # IPv4 on a socket of IPv6.
        ("::ffff:1.2.3.4", [], "1.2.3.4"),
        ("::ffff:10.0.0.1", ["9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", ["::ffff:9.9.9.9"], "9.9.9.9"),
        ("2001:DB8:0::7", [], "2001:db8::7"),
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
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("::ffff:10.0.0.1")
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
        ("http://[", "prices.example", False),
        ("http://prices.example\u2100", "prices.example", False),
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
            refusal = admission.refusal("a", 0.0)
            assert refusal is not None
            assert (refusal.status, refusal.retry_after) == (429, 5)
            admission.count_refusal(refusal)
            assert admission.refusal("b", 0.0) is None
            with admission.admitted("b"):
                refusal = admission.refusal("c", 0.0)
                assert refusal is not None
                assert (refusal.status, refusal.retry_after) == (503, 5)
                admission.count_refusal(refusal)
            statistics = admission.statistics()
            assert (statistics.connections, statistics.addresses) == (2, 1)
        assert admission.refusal("a", 0.0) is None
    statistics = admission.statistics()
    assert (statistics.connections, statistics.addresses) == (0, 0)
    assert statistics.refused == {"too_many_connections": 1, "full": 1}


@pytest.mark.proves("W10")
def test_a_network_of_ipv6_counts_as_one() -> None:
    """Its holder has 2**64 addresses, each of them as good as another."""
    admission = Admission(most=10, most_per_address=1)
    with admission.admitted("2001:db8:1:2::1"):
        for other in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"):
            refusal = admission.refusal(other, 0.0)
            assert refusal is not None
            assert refusal.status == 429
        for other in ("2001:db8:1:3::1", "1.2.3.4"):
            assert admission.refusal(other, 0.0) is None
        with admission.admitted("1.2.3.4"):
            assert admission.refusal("1.2.3.5", 0.0) is None
            assert admission.statistics().addresses == 2
    assert admission.statistics().addresses == 0


@pytest.mark.proves("W10")
def test_an_address_may_not_come_and_go_without_end() -> None:
    """All its connections at once, twice over; then a part of them each second. Others may."""
    admission = Admission(most=10, most_per_address=200)
    assert [admission.refusal("a", 0.0) for _ in range(400)] == [None] * 400
    refusal = admission.refusal("a", 0.0)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (429, "too_many_handshakes")
    assert refusal.retry_after == 1
    assert admission.refusal("b", 0.0) is None
    assert sum(admission.refusal("a", 1.0) is None for _ in range(100)) == 40
    assert [admission.refusal("a", 11.0) for _ in range(400)] == [None] * 400


def test_addresses_that_came_once_are_forgotten() -> None:
    """Or a network with many addresses would fill the memory with them."""
    admission = Admission(most=10, most_per_address=200)
    for number in range(100_000):
        assert (
            admission.refusal(
                f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", number / 100
            )
            is None
        )
    assert len(admission._handshakes) <= 1001


async def test_no_more_are_let_in_at_a_time_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """Others wait in the order they came; when too many wait, one more is told to come back."""
    monkeypatch.setattr("web.admission.MOST_WAITING", 3)
    admission = Admission(most=100, most_per_address=100)
    let_in: list[int] = []
    served = trio.Semaphore(0)

    async def come(number: int) -> None:
        async with admission.door:
            let_in.append(number)
            await served.acquire()

    for number in range(ADMITTED_AT_ONCE + 3):
        assert admission.refusal("a", 0.0) is None
        nursery.start_soon(come, number)
        await trio.testing.wait_all_tasks_blocked()
    assert admission.statistics().waiting == 3
    refusal = admission.refusal("a", 0.0)
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.retry_after) == (503, "busy", 5)
    assert let_in == list(range(ADMITTED_AT_ONCE))
    for count in range(ADMITTED_AT_ONCE + 1, ADMITTED_AT_ONCE + 4):
        served.release()
        await trio.testing.wait_all_tasks_blocked()
        assert let_in == list(range(count))
    nursery.cancel_scope.cancel()
