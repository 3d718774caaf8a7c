"""OWASP ASVS 5.0, chapter V3, web frontend security."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.asvs.conftest import code_of

if TYPE_CHECKING:
    from tests.asvs.conftest import World


def test_3_2_1_answers_of_the_api_are_no_pages(world: World) -> None:
    """JSON says that it is, may not be sniffed, and may load nothing."""
    with world.person() as client:
        answer = client.get("/api/v1/quotes")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_3_3_1_and_3_3_3_a_session_s_cookie_is_for_this_host_over_tls(world: World) -> None:
    """Secure, and of a name that begins with `__Host-`, where the browser came by TLS."""
    with world.client(tls=True) as client:
        answer = world.log_in(client, world.account())
        (cookie,) = [
            one for one in answer.headers.get_list("set-cookie") if "stockstream_session" in one
        ]
        assert cookie.startswith("__Host-")
        assert "; Secure" in cookie
        assert "; Path=/;" in f"{cookie};"
        assert "domain" not in cookie.lower()


def test_3_3_2_and_3_3_4_no_other_site_and_no_script_has_it(world: World) -> None:
    """SameSite and HttpOnly, on each cookie that is set."""
    with world.client() as client:
        cookies = world.log_in(client, world.account()).headers.get_list("set-cookie")
        assert cookies
        for cookie in cookies:
            assert "SameSite=Lax" in cookie
            assert "HttpOnly" in cookie


def test_3_4_1_browsers_stay_with_tls(world: World) -> None:
    """HSTS, to those who came by it."""
    with world.client(tls=True) as client:
        said = client.get("/login").headers["strict-transport-security"]
    found = re.search(r"max-age=(\d+)", said)
    assert found is not None
    assert int(found[1]) >= 31_536_000
    with world.client() as client:
        assert "strict-transport-security" not in client.get("/login").headers


def test_3_4_2_no_other_origin_may_read(world: World) -> None:
    """There is no CORS: whatever origin asks is answered without a word of it."""
    with world.person() as client:
        answer = client.get("/api/v1/quotes", headers={"Origin": "https://evil.example"})
        assert not any(name.startswith("access-control-") for name in answer.headers)


def test_3_4_3_to_3_4_6_and_3_4_8_pages_say_what_they_may_load(world: World) -> None:
    """A policy without inline scripts, no sniffing, no referrer, no frames, no openers."""
    with world.client() as client:
        for path in ("/login", "/nothing-here"):
            headers = client.get(path).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy
            for said in ("script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"):
                assert said in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] in {"no-referrer", "same-origin"}
            assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "X-CSRF-Token": "0" * 64},
    ],
)
def test_3_5_1_another_site_changes_nothing(world: World, headers: dict[str, str]) -> None:
    """With the cookie alone, wherever it came from, and with a token that was made up."""
    with world.person() as client:
        for method, path, body in (
            ("POST", "/api/v1/watchlists", {"name": "x"}),
            ("POST", "/api/v1/tokens", {"name": "x", "scopes": ["prices:read"]}),
            ("DELETE", "/api/v1/tokens/00000000", None),
            ("POST", "/api/v1/ws-tickets", None),
        ):
            answer = client.request(method, path, json=body, headers=headers)
            assert answer.status_code == 403, (path, answer.text)
            assert code_of(answer) in {"wrong_csrf_token", "forbidden_origin"}


def test_3_5_2_what_is_sent_has_to_be_json(world: World) -> None:
    """A form of another site can send no JSON without asking before."""
    with world.person() as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            answer = client.post("/api/v1/tokens", content=b"{}", headers={"Content-Type": kind})
            assert (answer.status_code, code_of(answer)) == (415, "not_json")


def test_3_5_3_nothing_is_changed_by_reading(world: World) -> None:
    """GET and HEAD of what changes something are not there."""
    with world.person("admin") as client:
        for path in ("/logout", "/api/v1/ws-tickets", "/admin/api/chaos/halt"):
            for method in ("GET", "HEAD"):
                assert client.request(method, path).status_code == 405, path
        assert client.get("/account").status_code == 200


@pytest.mark.parametrize(
    "where", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example"]
)
def test_3_7_2_a_login_leads_to_no_other_site(world: World, where: str) -> None:
    """Whatever `next` says."""
    with world.client() as client:
        form = {"name": world.account(), "password": "correct horse battery", "next": where}
        answer = client.post("/login", data=form)
        assert answer.status_code == 303
        shown = client.get(answer.headers["location"])
        assert (shown.status_code, shown.headers["location"]) == (303, "/")
        assert "evil" not in answer.headers["location"]
