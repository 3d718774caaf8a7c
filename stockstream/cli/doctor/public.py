"""Checks of the way that browsers come: `PUBLIC_URL` through its proxy, and certificates."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import msgspec
import trio

from stockstream.cli.doctor.findings import Finding, failed, ok, skipped, warning, worst_of
from stockstream.cli.watch.connecting import Lost, connected
from stockstream.cli.watch.nodes import parse_address
from stockstream.error_groups import first_of
from stockstream.http_client import os_reason, over_tls, root_cause, tls_context, tls_reason
from stockstream.times import DAY_MS, now_ms

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.cli.doctor.node import Node

SOON_DAYS = 14.0
_MISDIRECTED = 421
_BAD_GATEWAY = frozenset({502, 503, 504})


class Way(msgspec.Struct, frozen=True):
    """What came of asking `PUBLIC_URL`. `node` is who has answered the WebSocket, `refused` why it
    did not. `stays_with_tls`: the server has seen that it was asked over TLS.
    """

    url: str
    trouble: str | None = None
    status: int = 0
    is_ours: bool = False
    stays_with_tls: bool = False
    node: str | None = None
    refused: str | None = None


async def look_at_public_url(url: str, node: Node) -> Finding:
    """Ask this node by the address that browsers have of it."""
    if not node.lives:
        return skipped("no server runs here that it could lead to")
    way = await _ask(url)
    return judge_way(way, None if node.overview is None else node.overview.node)


async def _ask(url: str) -> Way:
    async with httpx.AsyncClient(timeout=1.5, verify=tls_context(), trust_env=False) as client:
        try:
            answer = await client.get(f"{url}/health/live")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            root = root_cause(error)
            why = tls_reason(root) if isinstance(root, ssl.SSLError) else os_reason(root)
            return Way(url, trouble=why or str(error) or type(error).__name__)
    is_ours = answer.status_code == httpx.codes.OK and b'"live"' in answer.content
    way = Way(
        url,
        status=answer.status_code,
        is_ours=is_ours,
        stays_with_tls="strict-transport-security" in answer.headers,
    )
    if not is_ours:
        return way
    try:
        async with connected(parse_address(url)) as socket:
            return msgspec.structs.replace(way, node=socket.welcome.node)
    except Lost as lost:
        return msgspec.structs.replace(way, refused=lost.reason)
    except BaseExceptionGroup as group:
        ours = group.subgroup(Lost)
        if ours is None:
            raise
        return msgspec.structs.replace(way, refused=str(first_of(ours)))


def judge_way(way: Way, name: str | None) -> Finding:
    """Whether browsers reach this node, whose `name` is known where it lets us look."""
    if way.trouble is not None:
        return failed(
            f"{way.url}: {way.trouble}",
            "see the proxy, its certificate and its name: docs/proxies.md",
        )
    if way.status == _MISDIRECTED:
        host = urlsplit(way.url).hostname
        return failed(f"the server is not known as {host}", f"add {host} to ALLOWED_HOSTS")
    if way.status in _BAD_GATEWAY:
        return failed(
            f"{way.url}: the proxy answers {way.status}, and the server runs",
            "correct where the proxy leads: docs/proxies.md",
        )
    if not way.is_ours:
        return failed(
            f"{way.url}/health/live answers {way.status}, and is not this server",
            "correct PUBLIC_URL, BASE_PATH or where the proxy leads: docs/proxies.md",
        )
    if way.refused is not None:
        return failed(
            f"{way.url} answers, and its WebSocket does not: {way.refused}",
            "let the proxy pass upgrades of /ws: docs/proxies.md",
        )
    if name is not None and way.node is not None and way.node != name:
        return warning(
            f"{way.url} leads to the node {way.node}, and this one is {name}",
            "that is as it should be where it is a balancer's before all nodes, and each has it in "
            "PUBLIC_URL; without one give each node an address of its own",
        )
    if way.url.startswith("https:") and not way.stays_with_tls:
        return warning(
            f"{way.url} answers, and the server does not know that it is asked over TLS",
            "name the proxy in TRUSTED_PROXIES, and have it send X-Forwarded-Proto: "
            "docs/proxies.md",
        )
    return ok(f"{way.url} leads here, its WebSocket too")


class Certificate(msgspec.Struct, frozen=True):
    """Whose it is, and until when it is good, in ms since 1970."""

    whose: str
    until: int


async def look_at_certificates(public_url: str | None, ca: Path | None) -> Finding:
    """That of `PUBLIC_URL`, and those in the file of NATS' CAs."""
    found: list[Certificate] = []
    if ca is not None:
        found += await trio.to_thread.run_sync(_of_file, ca, abandon_on_cancel=True)
    if public_url is not None and public_url.startswith("https:"):
        parts = urlsplit(public_url)
        host = parts.hostname or ""
        try:
            stream = await trio.open_tcp_stream(host, parts.port or 443)
            tls = await over_tls(stream, host)
        except (OSError, ValueError, trio.BrokenResourceError) as error:
            return judge_no_tls(host, root_cause(error))
        assert isinstance(tls, trio.SSLStream)  # noqa: S101 - for the type checker
        held = tls.getpeercert()
        await trio.aclose_forcefully(tls)
        if held and isinstance(held.get("notAfter"), str):
            found.append(Certificate(host, _ms(held["notAfter"])))
    return judge_certificates(found, now_ms())


def judge_no_tls(host: str, root: BaseException) -> Finding:
    """Why no certificate that can be trusted was shown."""
    if isinstance(root, ssl.SSLError):
        do = "renew the certificate, or correct the proxy's chain"
        return failed(f"{host}: {tls_reason(root)}", do)
    why = os_reason(root) or str(root) or type(root).__name__
    return failed(f"{host} cannot be asked: {why}", "start the proxy there, or correct PUBLIC_URL")


def _of_file(path: Path) -> list[Certificate]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(path))
    ends = [one["notAfter"] for one in context.get_ca_certs() if isinstance(one["notAfter"], str)]
    return [Certificate(f"CLUSTER_NATS_CA ({path})", _ms(end)) for end in ends]


def _ms(text: str) -> int:
    return round(ssl.cert_time_to_seconds(text) * 1000)


def judge_certificates(found: list[Certificate], now: int) -> Finding:
    """Whether they are good for a while yet."""
    if not found:
        return skipped("no setting names a certificate, nor an address with TLS")
    findings = []
    for one in found:
        days = (one.until - now) / DAY_MS
        if days < 0:
            text = f"{one.whose}: the certificate ended {-days:,.1f} days ago"
            findings.append(failed(text, "renew it"))
        elif days < SOON_DAYS:
            text = f"{one.whose}: the certificate ends in {days:,.1f} days"
            findings.append(warning(text, "renew it, and see why that is not done by itself"))
        else:
            findings.append(ok(f"{one.whose}: good for {days:,.0f} days"))
    return worst_of(findings)
