"""Faults of the price API, through the admin API of the stub that plays it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from stockstream.http_client import tls_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.chaos.catalogue import Value

TIMEOUT_SECONDS = 2.0
HANG_MILLISECONDS = 300_000


class NoStub(Exception):
    """The price API is not our stub, or it does not answer."""


def switches(action: str, parameters: Mapping[str, Value]) -> dict[str, Value]:
    """The stub's outage switches for an action; those not named are off. Pure."""
    share = float(parameters.get("percent", 100.0)) / 100
    match action:
        case "upstream-errors":
            return {"errorRate": share, "errorStatus": parameters["status"]}
        case "upstream-latency":
            return {"latencyMilliseconds": round(float(parameters["delay"]) * 1000)}
        case "upstream-hang":
            return {"latencyMilliseconds": HANG_MILLISECONDS}
        case "upstream-reset":
            return {"faultRate": share, "fault": "CONNECTION_RESET_BY_PEER"}
        case "upstream-garbage":
            return {"faultRate": share, "fault": "RANDOM_DATA_THEN_CLOSE"}
        case "upstream-down":
            return {"down": True}
        case _:
            raise ValueError(f"{action} is no action on the price API")


async def set_switches(url: str, wanted: Mapping[str, Value]) -> bool:
    """Set the stub's switches, all others off; whether it says that they are so now.

    Raises:
        NoStub: nobody answers there as a stub of ours does.
    """
    try:
        async with httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS, verify=tls_context(), trust_env=False
        ) as client:
            if wanted:
                answer = await client.put(f"{url}/__admin/outage", json=dict(wanted))
            else:
                answer = await client.delete(f"{url}/__admin/outage")
            answer.raise_for_status()
            now = (await client.get(f"{url}/__admin/outage")).json()
    except (httpx.HTTPError, ValueError) as error:
        raise NoStub(f"no stub API answers at {url}: {error}") from error
    return isinstance(now, dict) and all(now.get(name) == value for name, value in wanted.items())
