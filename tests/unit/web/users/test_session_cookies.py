"""The cookies of a login: what they are called, and which of those that come count."""

from __future__ import annotations

from dataclasses import replace

from werkzeug.datastructures import Headers, MultiDict

from web.callers import read_caller
from web.cookies import HOST_ONLY, Instance
from web.users.session_cookies import SessionCookies

SECRET, OTHER = (
    "the secret of this test, of the right length",
    "another one of the right length, too",
)
PLAIN = read_caller("127.0.0.1", Headers([("Host", "localhost")]), trusted=())
TLS = replace(PLAIN, secure=True)
ID = "a1b2c3d4e5f6"


def test_behind_tls_it_has_a_name_that_no_other_host_can_give() -> None:
    """And another one there does not count; below a path, and without TLS, it has none such."""
    cookies = SessionCookies(SECRET, Instance(ID), "")
    name, path = cookies.session(TLS)
    assert (name.startswith(f"{HOST_ONLY}stockstream_session_{ID}_"), path) == (True, "/")
    plain = cookies.session(PLAIN).name
    assert name == HOST_ONLY + plain
    came = MultiDict([(plain, "planted"), (name, "ours"), ("other", "x")])
    assert list(cookies.tokens(came, TLS)) == ["ours"]
    assert list(cookies.tokens(came, PLAIN)) == ["planted"]
    below = SessionCookies(SECRET, Instance(ID), "/stocks")
    assert below.session(TLS) == (plain, "/stocks")
    assert list(below.tokens(came, TLS)) == ["planted"]


def test_a_device_is_known_for_the_very_account_that_logged_in_there() -> None:
    """By the secret of now and that of before; a changed one is nobody's."""
    cookies = SessionCookies(SECRET, Instance(ID), "")
    value = cookies.new_device("ådå")
    assert value.isascii()
    came = MultiDict([(cookies.device(PLAIN).name, value)])
    device = cookies.device_of(came, "ådå")
    assert device is not None
    assert cookies.device_of(came, "ada") is None
    renewed = SessionCookies(OTHER, Instance(ID), "", previous=SECRET)
    assert renewed.device_of(came, "ådå") == device
    assert SessionCookies(OTHER, Instance(ID), "").device_of(came, "ådå") is None
    forged = MultiDict([(cookies.device(PLAIN).name, "x" + value[1:])])
    assert cookies.device_of(forged, "ådå") is None


def test_each_session_has_a_csrf_token_of_its_own() -> None:
    cookies = SessionCookies(SECRET, Instance(ID), "")
    tokens = {cookies.csrf_of(f"session:{number}") for number in range(3)}
    assert len(tokens) == 3
    assert SessionCookies(OTHER, Instance(ID), "").csrf_of("session:0") not in tokens
