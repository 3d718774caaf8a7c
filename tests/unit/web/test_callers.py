"""Who asks: addresses behind proxies, what counts as this machine, hosts and origins."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from web.callers import (
    UNKNOWN,
    Caller,
    is_forwarding,
    read_caller,
    request_holder,
    socket_holder,
)

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("127.0.0.2")]
LOCAL = [("Host", "localhost:4000")]


def asked(
    peer: str,
    *headers: tuple[str, str],
    http_version: str = "1.1",
    secure: bool = False,
) -> Caller:
    return read_caller(
        peer, Headers(headers), trusted=PROXIES, http_version=http_version, secure=secure
    )


def forwarded(*values: str) -> list[tuple[str, str]]:
    return [("X-Forwarded-For", value) for value in values]


@pytest.mark.proves("W10")
@pytest.mark.parametrize(
    ("peer", "values", "address"),
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
        # IPv4 on a socket of IPv6.
        ("::ffff:1.2.3.4", [], "1.2.3.4"),
        ("::ffff:10.0.0.1", ["9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", ["::ffff:9.9.9.9"], "9.9.9.9"),
        ("2001:DB8:0::7", [], "2001:db8::7"),
        # Ports, brackets and quotes.
        ("10.0.0.1", ["203.0.113.7:5566"], "203.0.113.7"),
        ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", ['"203.0.113.7"'], "203.0.113.7"),
        ("10.0.0.1", ['"[2001:db8::1]:443"'], "2001:db8::1"),
        ("10.0.0.1", ["203.0.113.7:5566, 10.0.0.2:80"], "203.0.113.7"),
        # What cannot be read, also where something readable stands before it.
        ("10.0.0.1", ["unknown"], UNKNOWN),
        ("10.0.0.1", ["9.9.9.9, _hidden"], UNKNOWN),
        ("10.0.0.1", [""], UNKNOWN),
        ("10.0.0.1", ["9.9.9.9,"], UNKNOWN),
        ("10.0.0.1", ["203.0.113.7:port"], UNKNOWN),
        ("10.0.0.1", ["localhost"], UNKNOWN),
        ("10.0.0.1", ["[127.0.0.1"], UNKNOWN),
        ("10.0.0.1", ["127.1"], UNKNOWN),
        ("10.0.0.1", ["fe80::1%lo"], UNKNOWN),
        ("10.0.0.1", ["9.9.9.9, 10.0.0.2, unknown"], UNKNOWN),
        ("10.0.0.1", ["unknown, 10.0.0.2"], UNKNOWN),
        ("", ["9.9.9.9"], UNKNOWN),
        ("/run/socket", [], UNKNOWN),
    ],
)
def test_an_address_is_what_trusted_proxies_say(peer: str, values: list[str], address: str) -> None:
    """X-Forwarded-For is read from its end, for as long as the speaker is trusted."""
    assert asked(peer, *forwarded(*values)).address == address


@pytest.mark.proves("W10")
@pytest.mark.parametrize(
    ("peer", "values", "holder"),
    [
        ("1.2.3.4", [], "1.2.3.4"),
        ("2001:db8:1:2:3::4", [], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["[2001:db8:1:2::9]:80"], "2001:db8:1:2::/64"),
        # The clients of a proxy that tells none apart share a limit, with nobody else.
        ("10.0.0.1", ["unknown"], "unknown behind 10.0.0.1"),
        ("10.0.0.1", ["unknown, 10.0.0.2"], "unknown behind 10.0.0.2"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("", [], UNKNOWN),
    ],
)
def test_limits_count_a_client_and_not_its_proxy(peer: str, values: list[str], holder: str) -> None:
    """A network of IPv6 counts as one; who cannot be read counts for the proxy's anonymous."""
    assert asked(peer, *forwarded(*values)).holder == holder


@pytest.mark.parametrize(
    "values", [["2001:db8:1:2::9"], ["6.6.6.6", "9.9.9.9:1"], ["unknown, 10.0.0.2"], [""], []]
)
def test_a_request_is_counted_for_whom_its_caller_is(values: list[str]) -> None:
    """Before the app reads it, as after."""
    raw = [(b"x-forwarded-for", value.encode()) for value in values]
    caller = asked("10.0.0.1", *forwarded(*values))
    assert request_holder(PROXIES, "10.0.0.1", raw) == caller.holder


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:4000", "localhost.", "a.localhost", "127.0.0.1:4000", "[::1]:4000"],
)
def test_a_program_here_that_asks_for_a_loopback_name_is_local(peer: str, host: str) -> None:
    """Both versions of the protocol, with every name of this machine alone."""
    assert asked(peer, ("Host", host), ("User-Agent", "curl")).local


@pytest.mark.parametrize(
    "name",
    [
        "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP", "CF-Ray", "True-Client-IP",
        "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Server",
        "X-Forwarded", "x-forwarded-anything", "X-Client-IP", "X-Cluster-Client-IP",
        "Fastly-Client-IP", "X-Original-Forwarded-For", "X-Original-Host", "X-ProxyUser-Ip",
        "X-Envoy-External-Address", "X-Azure-ClientIP", "Fly-Client-IP", "DO-Connecting-IP",
        "CloudFront-Viewer-Address", "CDN-Loop", "X-Scheme", "Front-End-Https", "Early-Data",
        "X-Real-Port", "Surrogate-Capability", "X-Varnish", "X-Request-Start", "Forwarded-For",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["", "127.0.0.1", "203.0.113.7"])
def test_a_trace_of_a_proxy_is_not_local(name: str, value: str) -> None:
    """Whatever it says, from the loopback address and for a loopback name."""
    assert is_forwarding(name)
    caller = asked("127.0.0.1", *LOCAL, (name, value))
    assert not caller.local
    assert name.lower() in (caller.remote or "").lower()
    assert caller.address == "127.0.0.1", "nobody vouches for what it says"


def test_what_browsers_and_programs_send_is_no_trace_of_a_proxy() -> None:
    """They would be shut out."""
    for name in (
        "Host", "User-Agent", "Accept", "Accept-Encoding", "Connection", "Cookie", "Origin",
        "Referer", "Sec-Fetch-Site", "Sec-WebSocket-Key", "Upgrade", "Upgrade-Insecure-Requests",
        "Authorization", "X-CSRF-Token", "X-Chaos-Token", "X-Requested-With", "Priority",
        "X-Prometheus-Scrape-Timeout-Seconds", "Cache-Control", "If-None-Match", "traceparent",
    ):  # fmt: skip
        assert not is_forwarding(name), name


@pytest.mark.parametrize(
    ("peer", "headers", "version"),
    [
        ("10.1.2.3", LOCAL, "1.1"),
        ("192.168.1.4", LOCAL, "1.1"),
        ("::ffff:192.168.1.4", LOCAL, "1.1"),
        ("", LOCAL, "1.1"),
        ("localhost", LOCAL, "1.1"),
        # A rebound name, the machine's own address or name, or none that can be read.
        ("127.0.0.1", [("Host", "evil.example:4000")], "1.1"),
        ("127.0.0.1", [("Host", "192.168.1.4:4000")], "1.1"),
        ("127.0.0.1", [("Host", "localhost.evil.example")], "1.1"),
        ("127.0.0.1", [("Host", "localhost@evil.example")], "1.1"),
        ("127.0.0.1", [("Host", "localhost, evil.example")], "1.1"),
        ("127.0.0.1", [("Host", "")], "1.1"),
        ("127.0.0.1", [], "1.1"),
        # What nginx's proxy_pass speaks by default.
        ("127.0.0.1", LOCAL, "1.0"),
        # A trusted proxy, with or without the header, whatever stands in it.
        ("127.0.0.2", LOCAL, "1.1"),
        *(
            ("127.0.0.2", [*LOCAL, *forwarded(value)], "1.1")
            for value in ("127.0.0.1", "::1", "203.0.113.7:1", '"127.0.0.1"', "unknown", "")
        ),
    ],
)
def test_a_doubt_is_not_local(peer: str, headers: list[tuple[str, str]], version: str) -> None:
    """It fails closed, and says why."""
    caller = asked(peer, *headers, http_version=version)
    assert not caller.local
    assert caller.remote


def test_a_trusted_proxy_says_what_its_client_asked_for_and_how() -> None:
    """Nobody else does; the last entry is the proxy's own."""
    told = [
        ("Host", "127.0.0.1:4000"),
        ("X-Forwarded-Host", "evil.example, Prices.Example"),
        ("X-Forwarded-Proto", "http,https"),
    ]
    caller = asked("10.0.0.1", *told)
    assert (caller.host, caller.secure) == ("prices.example", True)
    caller = asked("1.2.3.4", *told)
    assert (caller.host, caller.secure) == ("127.0.0.1:4000", False)
    assert asked("10.0.0.1", ("X-Forwarded-Proto", "wss")).secure
    assert not asked("10.0.0.1", ("X-Forwarded-Proto", "https, http")).secure
    assert asked("1.2.3.4", secure=True).secure
    assert asked("10.0.0.1", ("Host", "prices.example")).host == "prices.example"


@pytest.mark.proves("W12")
@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "prices.example", True),
        ("https://prices.example", "prices.example", True),
        ("http://Prices.Example:4000", "prices.example:4000", True),
        ("https://prices.example", "prices.example:443", True),
        ("http://prices.example", "prices.example:80", True),
        ("https://prices.example", "prices.example:80", False),
        ("https://shop.example", "prices.example", True),  # by ALLOWED_ORIGINS
        ("https://shop.example:444", "prices.example", False),
        ("http://shop.example", "prices.example", False),
        ("https://evil.example", "prices.example", False),
        ("https://prices.example.evil.example", "prices.example", False),
        ("https://prices.example@evil.example", "prices.example", False),
        ("http://prices.example:4001", "prices.example:4000", False),
        ("null", "prices.example", False),
        ("", "prices.example", False),
        ("", "", False),
        ("file://", "", False),
        ("http://", "", False),
        ("http://[", "prices.example", False),
        ("http://prices.example\u2100", "prices.example", False),
    ],
)
def test_a_page_may_ask_its_own_host_or_if_it_is_allowed(
    origin: str | None, host: str, allowed: bool
) -> None:
    """A program, which sends no origin, may as well."""
    headers = [("Host", host)] + ([] if origin is None else [("Origin", origin)])
    assert asked("1.2.3.4", *headers).of_page(("https://shop.example",)) is allowed


def test_a_page_without_tls_is_not_the_one_with_it() -> None:
    """Where it is known that the request came by TLS: else anybody on the way writes the page."""
    for origin, own in (("https://prices.example", True), ("http://prices.example", False)):
        headers = [("Host", "x"), ("X-Forwarded-Host", "prices.example"), ("Origin", origin)]
        assert asked("10.0.0.1", *headers, ("X-Forwarded-Proto", "https")).of_page() is own
        assert asked("10.0.0.1", *headers).of_page()


@pytest.mark.parametrize(
    ("peer", "whose"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2", "2001:db8::/64"),
        ("10.1.2.3", None),
        ("::ffff:10.1.2.3", None),
        ("fd00::1", None),
        ("", UNKNOWN),
    ],
)
def test_a_socket_is_counted_for_who_holds_its_address(peer: str, whose: str | None) -> None:
    """An IPv6 customer has a /64; what a trusted proxy holds is counted for nobody."""
    assert socket_holder(PROXIES, peer) == whose


VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40),
    st.lists(
        st.sampled_from(
            ["127.0.0.1", "10.0.0.1", "::1", "[::1]:80", "unknown", "", '"', "9.9.9.9:1"]
        )
    ).map(",".join),
)
NAMES = st.sampled_from(
    ["Host", "Origin", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"]
)


@given(
    peer=st.sampled_from(["127.0.0.1", "127.0.0.2", "10.0.0.1", "9.9.9.9", "::1", ""]),
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=6),
)
def test_whatever_is_sent_is_read_and_no_trace_of_a_proxy_is_local(
    peer: str, headers: list[tuple[str, str]]
) -> None:
    """Bytes of any kind, in any number of headers."""
    caller = asked(peer, *headers)
    assert caller.address
    assert caller.holder
    caller.of_page()
    if any(is_forwarding(name) for name, _ in headers) or peer not in {"127.0.0.1", "::1"}:
        assert not caller.local
