"""The proxy that the environment names for an address, checked before anything is fetched.

`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in small letters or capitals, as curl reads
them. Chosen here and not by httpx, which makes a client for each variable there is, fails on one
that this address has no use for, and says neither which it was nor why (ADR 0162).
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from stockstream.http_client import tls_context
from stockstream.masks import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = ("http", "https")
_OF_HTTP = {"ws": "http", "wss": "https"}


class InvalidProxy(ValueError):
    """A variable of the environment holds what cannot be used. The message names it."""

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(f"{variable}: {why} (environment)")


@dataclass(frozen=True, slots=True)
class ChosenProxy:
    """The address of a proxy, maybe with a login in it, and the variable that names it."""

    variable: str
    url: httpx.URL

    def __str__(self) -> str:
        return f"{self.variable}={without_secrets(str(self.url))}"


def proxy_to(url: httpx.URL) -> ChosenProxy | None:
    """The proxy that this process's environment names for `url`, a WebSocket's as for HTTP.

    One named there is for the world outside, never for our own machine. Raises `InvalidProxy`.
    """
    if is_loopback(url.host):
        return None
    return choose_proxy(url.copy_with(scheme=_OF_HTTP.get(url.scheme, url.scheme)), os.environ)


def through(proxy: ChosenProxy | None) -> httpx.Proxy | None:
    """A proxy as a client of httpx takes it."""
    if proxy is None:
        return None
    # Its own certificate is verified, whatever is said of the API's.
    context = tls_context() if proxy.url.scheme == "https" else None
    return httpx.Proxy(proxy.url, ssl_context=context)


def is_loopback(host: str) -> bool:
    """Whether it is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def choose_proxy(url: httpx.URL, environ: Mapping[str, str]) -> ChosenProxy | None:
    """The proxy for `url`, None where it is reached directly. Raises `InvalidProxy`."""
    exempt = _exempts(url, environ)
    for name in (f"{url.scheme}_proxy", "all_proxy"):
        variable, value = _variable(name, environ)
        if value:
            return None if exempt else ChosenProxy(variable, _address(variable, value))
    return None


def _variable(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    for variable in (name, name.upper()):
        value = environ.get(variable, "").strip()
        if value:
            return variable, value
    return name, ""


def _address(variable: str, value: str) -> httpx.URL:
    shown = without_secrets(value if "://" in value else f"http://{value}")
    try:
        url = httpx.URL(value if "://" in value else f"http://{value}")
    except httpx.InvalidURL as error:
        raise InvalidProxy(variable, f"{shown!r} is no address of a proxy: {error}") from None
    if url.scheme not in _SCHEMES:
        raise InvalidProxy(
            variable,
            f"a proxy of {url.scheme}:// cannot be used; name one of http:// or https://, or the "
            "API's host in NO_PROXY",
        )
    if not url.host:
        raise InvalidProxy(variable, f"{shown!r} has no host")
    if url.port is not None and not 0 < url.port < 65_536:
        raise InvalidProxy(variable, f"{shown!r} ends in no number of a port")
    return url


def _exempts(url: httpx.URL, environ: Mapping[str, str]) -> bool:
    """Whether the variable ``no_proxy`` names the host: it, a domain above it, or its network."""
    variable, value = _variable("no_proxy", environ)
    port = url.port or (443 if url.scheme == "https" else 80)
    parts = [part.strip() for part in value.split(",")]
    # All are read, so that a bad one is found wherever it stands.
    return True in [_matches(variable, part, url.host, port) for part in parts]


def _matches(variable: str, entry: str, host: str, port: int) -> bool:
    if entry in {"", "*"}:
        return entry == "*"
    name, wanted_port = _host_and_port(variable, entry.rpartition("://")[2].lower())
    if wanted_port not in {None, port}:
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        name = name.lstrip("*").lstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))


def _host_and_port(variable: str, entry: str) -> tuple[str, int | None]:
    name, port = entry, ""
    if entry.startswith("["):
        name, closed, port = entry[1:].partition("]")
        if not closed or not _is_address(name):
            raise InvalidProxy(variable, f"{entry[:64]!r} is no address of IPv6 in brackets")
        port = port.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        raise InvalidProxy(variable, f"{entry[:64]!r} ends in no number of a port")
    return name, int(port) if port else None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
