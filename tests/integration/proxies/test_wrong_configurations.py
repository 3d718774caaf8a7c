"""What comes of configurations that people write before they read `docs/proxies.md`."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.proxies.visitors import visitor
from tests.support.proxies import UPSTREAM, documented, proxying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.integration.proxies.visitors import Visitor
    from tests.support.programs import Server
    from tests.support.proxies import Proxy


def nginx(*without: str, **instead: str) -> tuple[str, str]:
    """The page's configuration of nginx without some headers, and with others."""
    text = documented("nginx").replace("http://stockstream;", f"http://{UPSTREAM};")
    for header in without:
        text = without_line(text, rf"proxy_set_header +{header} ")
    others = (f"proxy_set_header {name.replace('_', '-')} {to};" for name, to in instead.items())
    text = text.replace("proxy_http_version", "".join(others) + "proxy_http_version")
    return "nginx", without_line(text, "proxy_bind ")


def nginx_alone() -> tuple[str, str]:
    """With `proxy_pass` and nothing else: HTTP/1.0, and the upstream's address for a host."""
    kind, text = nginx("Host", "Upgrade", "Connection", "X-Forwarded-For", "X-Forwarded-Proto")
    return kind, without_line(text, "proxy_http_version ")


def haproxy_alone() -> tuple[str, str]:
    """A frontend and a backend, and no options."""
    text = documented("haproxy").replace(" source 127.0.0.2", "")
    text = without_line(text, "option forwardfor")
    return "haproxy", without_line(text, "http-request set-header")


def without_line(text: str, begins: str) -> str:
    text, count = re.subn(rf"^ *{begins}.*\n", "", text, flags=re.MULTILINE)
    assert count == 1, begins
    return text


def nginx_version() -> tuple[int, ...]:
    """Of the one that the tests start."""
    told = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", told)
    assert found is not None, told
    return tuple(map(int, found.groups()))


ALONE = "nginx, proxy_pass alone"
HIDES_ALL = "nginx, no Host and nothing of the client"
HIDES_ALL_ALONE = 1, 29, 7
"""From this version on nginx speaks HTTP/1.1 unasked; `docs/proxies.md` tells of it."""
WRONG = {
    ALONE: nginx_alone,
    "nginx, no Host": lambda: nginx("Host"),
    HIDES_ALL: lambda: nginx("Host", "X-Forwarded-For", "X-Forwarded-Proto"),
    "nginx, Host without its port": lambda: nginx("Host", Host="$host"),
    "nginx, X-Real-IP only": lambda: nginx(
        "X-Forwarded-For", "X-Forwarded-Proto", X_Real_IP="$remote_addr"
    ),
    "nginx, the client's X-Forwarded-For": lambda: nginx("X-Forwarded-For"),
    "haproxy, no options": haproxy_alone,
}
HOST_IS_LOST = {ALONE, *(name for name in WRONG if "Host" in name)}
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module", params=WRONG)
def wrong(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=["told", "untold"])
def proxy(
    wrong: str,
    request: pytest.FixtureRequest,
    certificate: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """It, before a server that was told of its proxy, and before one that was not."""
    server: Server = request.getfixturevalue(request.param)
    kind, text = WRONG[wrong]()
    folder = tmp_path_factory.mktemp("wrong")
    with proxying(kind, text, server.url.removeprefix("http://"), certificate, folder) as proxy:
        yield proxy


@pytest.mark.parametrize(
    "forged",
    [{}, {"X_Forwarded_For": "127.0.0.1"}, {"X_Real_IP": "127.0.0.1"}, {"Host": "localhost"}],
    ids=str,
)
async def test_nobody_gets_figures_or_acts(
    proxy: Proxy, elsewhere: str, forged: dict[str, str]
) -> None:
    """Whatever they say of themselves: figures want the token."""
    async with visitor(proxy, elsewhere) as stranger:
        assert (await stranger.get("/metrics", **forged)).status_code in {401, 421}
        for path in ("/admin", "/admin/api/overview", "/admin/api/tree"):
            answer = await stranger.get(path, **forged)
            assert answer.status_code in {303, 401, 403, 421}, answer.text


async def test_nobody_gets_the_login(proxy: Proxy, wrong: str, elsewhere: str) -> None:
    """Save through one that hides host and client from a server that was not told of it.

    By all that can be seen that is a program on the machine. The login wants the token still.
    """
    async with visitor(proxy, elsewhere) as stranger:
        answer = await stranger.get("/admin/login")
    if answer.status_code == 200:
        assert wrong == HIDES_ALL or (wrong == ALONE and nginx_version() >= HIDES_ALL_ALONE)
        return
    assert answer.status_code == 403
    assert "answer this machine only" in answer.text


async def test_what_cannot_work_says_what_the_proxy_has_to_do(proxy: Proxy, wrong: str) -> None:
    """The page's socket and a change of its lists: without the host, without the upgrade."""
    async with visitor(proxy) as me:
        await me.get("/")
        for answer in (await change(me), await upgrade(me)):
            if answer.request.url.path == "/ws" and wrong == ALONE:
                assert answer.status_code == 426
                assert "A proxy before the server must speak HTTP/1.1" in answer.text
            elif wrong in HOST_IS_LOST:
                assert answer.status_code == 403
                reason = answer.json()["error"]["reason"]
                assert f"the page is of '{proxy.url}'" in reason
                assert "a proxy has to pass on Host as it came" in reason
            else:
                assert answer.status_code != 403, answer.text


async def upgrade(me: Visitor) -> httpx.Response:
    """A handshake's answer."""
    return await me.get("/ws", Origin=me.proxy.url, **UPGRADE)


async def change(me: Visitor) -> httpx.Response:
    """The answer to a new list."""
    return await me.ask("POST", "/api/v1/watchlists", json={"name": "A", "symbols": []})
