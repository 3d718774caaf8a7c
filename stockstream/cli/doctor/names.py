"""The check of host names: all that the settings name, looked up side by side."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio

from stockstream.cli.doctor.findings import Finding, failed, ok, skipped

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOKUP_SECONDS = 1.8
"""Less than a check may take, so that the other names are told when one is slow."""


def is_name(host: str) -> bool:
    """Whether somebody has to be asked where it is."""
    with suppress(ValueError):
        ip_address(host.partition("%")[0])
        return False
    return bool(host) and not host.startswith("/") and not is_here(host)


def is_here(host: str) -> bool:
    """Whether a host, or the folder of a socket, is on this machine."""
    if host.startswith("/") or host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False


def host_in(url: str) -> str:
    """The host of an address; nothing where it is none."""
    with suppress(ValueError):
        return urlsplit(url).hostname or ""
    return ""


async def look_at_names(hosts: Mapping[str, str]) -> Finding:
    """Look up all `hosts`, each with the setting that names it."""
    if not hosts:
        return skipped("no setting names a host by its name")
    troubles: dict[str, str | None] = {}

    async def look_up(host: str) -> None:
        troubles[host] = f"no answer within {LOOKUP_SECONDS:g} s"
        with trio.move_on_after(LOOKUP_SECONDS):
            try:
                await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                strerror = getattr(error, "strerror", None)
                troubles[host] = strerror or str(error)
            else:
                troubles[host] = None

    async with trio.open_nursery() as nursery:
        for host in hosts:
            nursery.start_soon(look_up, host)
    return judge_names(hosts, troubles)


def judge_names(hosts: Mapping[str, str], troubles: Mapping[str, str | None]) -> Finding:
    """Whether all of them are known."""
    wrong = [
        f"{host} of {setting}: {troubles[host]}"
        for host, setting in hosts.items()
        if troubles[host] is not None
    ]
    if not wrong:
        return ok(f"{len(hosts)} of {len(hosts)} names are known")
    return failed(
        "; ".join(wrong), "correct the setting, or see the resolver of this machine: resolvectl"
    )
