"""Requests that come too often, over real sockets, and those that never do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from stockstream import paths
from tests.support.tree import running_tree
from tests.support.users import user_cookie

if TYPE_CHECKING:
    from tests.support.tree import Tree

SETTINGS = {
    "trusted_proxies": "127.0.0.1",
    "allowed_hosts": ("prices.example",),
    "request_burst": 5,
    "request_rate": 0.01,
    "request_burst_per_address": 12,
    "request_rate_per_address": 0.02,
}
MARKETS = "/api/v1/quotes"


def behind_proxy(tree: Tree, address: str) -> httpx.AsyncClient:
    """Somebody elsewhere: only a program on this machine has no limit."""
    headers = {"X-Forwarded-For": address, "Host": "prices.example"}
    return httpx.AsyncClient(base_url=tree.url, headers=headers, timeout=20)


async def test_who_asks_too_often_is_told_when_to_come_back() -> None:
    """Users of one address have a share each, addresses have their own, a network of IPv6 is one.

    What must always be answered is, and a refusal outlives the life of `web` that gave it.
    """
    async with running_tree(**SETTINGS) as tree:
        async with behind_proxy(tree, "192.0.2.1") as ann, behind_proxy(tree, "192.0.2.1") as bob:
            page = await ann.get("/")
            assert page.headers["RateLimit-Policy"] == '"address";q=12;w=600'
            assert page.headers["RateLimit"] == '"address";r=11'
            assert user_cookie(ann)
            for number in range(5):
                answer = await ann.get(MARKETS)
                assert answer.headers["RateLimit"] == (
                    f'"address";r={10 - number}, "user";r={4 - number}'
                )
            assert answer.headers["RateLimit-Policy"].endswith(', "user";q=5;w=500')
            refused = await ann.get(MARKETS)
            assert refused.status_code == 429
            assert refused.json()["error"] == {
                "code": "too_many_requests",
                "reason": "at most 0.01 requests a second by one user, 5 at once",
            }
            wait = int(refused.headers["Retry-After"])
            assert 90 < wait <= 100
            assert refused.headers["RateLimit"] == f'"address";r=6, "user";r=0;t={wait}'
            page = await ann.get("/")
            assert (page.status_code, page.headers["content-type"]) == (
                429,
                "text/html; charset=utf-8",
            )
            for _ in range(6):
                assert (await bob.get(MARKETS)).status_code == 200
            assert (await bob.get(MARKETS)).json()["error"]["code"] == "too_many_requests"
            for path in ("/health/none", "/static"):
                assert (await bob.get(path)).status_code == 429, path
            for path in ("/health/live", "/static/app.css"):
                always = await bob.get(path)
                assert (always.status_code, "RateLimit" in always.headers) == (200, False), path
        async with (
            behind_proxy(tree, "2001:db8::1") as one,
            behind_proxy(tree, "2001:db8::2") as two,
        ):
            assert (await one.get(MARKETS)).headers["RateLimit"] == '"address";r=11'
            assert (await two.get(MARKETS)).headers["RateLimit"] == '"address";r=10'
        async with httpx.AsyncClient(base_url=tree.url, timeout=20) as scraper:
            token = tree.settings.admin_token.get_secret_value()
            text = (
                await scraper.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            ).text
        assert 'stockstream_limit_refused_total{limit="requests_user"} 2\n' in text
        assert 'stockstream_limit_refused_total{limit="requests_address"} 3\n' in text
        assert 'stockstream_limit_keys{limit="requests_address"} 3\n' in text
        tree.system.ref(paths.WEB).kill()
        async with behind_proxy(tree, "192.0.2.1") as again:
            assert (await again.get(MARKETS)).status_code == 429


async def test_a_program_on_this_machine_has_no_limit() -> None:
    """Nor is it told of any."""
    async with (
        running_tree(**{**SETTINGS, "trusted_proxies": ""}) as tree,
        httpx.AsyncClient(base_url=tree.url, timeout=20) as local,
    ):
        for _ in range(20):
            answer = await local.get(MARKETS)
            assert (answer.status_code, "RateLimit" in answer.headers) == (200, False)
