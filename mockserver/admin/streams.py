"""The admin API's calls on the tapes: who listens to them, and how they fail."""

from typing import Final

from quart import Blueprint, Response

from mockserver.admin.answers import AdminError, answer, sent, sent_members
from mockserver.streams.channels import Channel, Channels
from mockserver.streams.stream_faults import StreamFaults, read_stream_faults
from mockserver.views import error_json

_GOING_AWAY: Final = 1001


def stream_routes(admin: Blueprint, channels: Channels) -> None:
    """Add the routes of streams to `admin`."""

    def channel(provider: str) -> Channel:
        found = channels.by_provider.get(provider)
        if found is None:
            there = ", ".join(channels.by_provider)
            raise AdminError(404, error_json(404, f"no tape of {provider}; there are {there}"))
        return found

    @admin.get("/streams")
    async def list_streams() -> Response:
        streams = [one.as_json() for one in channels.by_provider.values()]
        return answer({"streams": list(streams)})

    @admin.get("/streams/<provider>")
    async def show_stream(provider: str) -> Response:
        return answer(channel(provider).as_json())

    @admin.put("/streams/<provider>")
    async def set_faults(provider: str) -> Response:
        found = channel(provider)
        found.use_faults(read_stream_faults(await sent()))
        return answer(found.as_json())

    @admin.delete("/streams/<provider>")
    async def end_faults(provider: str) -> Response:
        found = channel(provider)
        found.use_faults(StreamFaults())
        return answer(found.as_json())

    @admin.post("/streams/<provider>/cut")
    async def cut(provider: str) -> Response:
        found, members = channel(provider), await sent_members()
        code = members["code"].whole(1000, 4999) if "code" in members else _GOING_AWAY
        return answer({"cut": found.cut(code)})
