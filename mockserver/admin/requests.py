"""The admin API's calls on the journal: `/__admin/requests`, and near misses."""

from datetime import datetime
from typing import Final

import trio
from quart import Blueprint, Response, request

from mockserver.admin.answers import (
    INVALID,
    AdminError,
    answer,
    empty,
    limits,
    refuse_parameters,
    sent,
    sent_pattern,
    uuid_of,
)
from mockserver.admin.mappings import has_metadata, metadata_condition
from mockserver.incoming import read_logged
from mockserver.journal import Entry
from mockserver.json_types import Json
from mockserver.matching import RequestPattern, distance
from mockserver.near_miss import nearest
from mockserver.problems import Reader
from mockserver.stub_server import StubServer
from mockserver.views import entry_json, error_json, near_miss_json, pattern_miss_json, request_json

_LIST_PARAMETERS: Final = frozenset({"limit", "offset", "since", "unmatched", "matchingStub"})
NEAR_MISSES: Final = 3  # as many as WireMock tells


def request_routes(admin: Blueprint, server: StubServer) -> None:
    """Add the routes to `admin`."""

    @admin.get("/requests")
    async def list_requests() -> Response:
        refuse_parameters(_LIST_PARAMETERS)
        entries = server.journal.newest_first()
        kept = _chosen(entries)
        listed: list[Json] = [entry_json(entry) for entry in kept[limits()]]
        total = len(kept if "matchingStub" in request.args else entries)
        if "unmatched" in request.args:
            total = len(kept)
        return answer(
            {"requests": listed, "meta": {"total": total}, "requestJournalDisabled": False}
        )

    @admin.delete("/requests")
    async def clear_requests() -> Response:
        server.journal.clear()
        return answer({})

    @admin.get("/requests/<key>")
    async def get_request(key: str) -> Response:
        entry = server.journal.get(uuid_of(key))
        return empty(404) if entry is None else answer(entry_json(entry))

    @admin.delete("/requests/<key>")
    async def remove_request(key: str) -> Response:
        identity = uuid_of(key)
        server.journal.remove(lambda entry: entry.id == identity)
        return answer({})

    @admin.post("/requests/count")
    async def count_requests() -> Response:
        found = server.journal.find(await sent_pattern())
        return answer({"count": len(found), "requestJournalDisabled": False})

    @admin.post("/requests/find")
    async def find_requests() -> Response:
        found = server.journal.find(await sent_pattern())
        listed: list[Json] = [request_json(entry.request, entry.logged) for entry in found]
        return answer({"requests": listed, "requestJournalDisabled": False})

    @admin.post("/requests/remove")
    async def remove_requests() -> Response:
        pattern = await sent_pattern()
        return _removed(server.journal.remove(lambda entry: pattern.matches(entry.request)))

    @admin.post("/requests/remove-by-metadata")
    async def remove_requests_by_metadata() -> Response:
        condition = metadata_condition(await sent())
        removed = server.journal.remove(
            lambda entry: entry.stub is not None and has_metadata(entry.stub, condition)
        )
        return _removed(removed)

    @admin.get("/requests/unmatched")
    async def unmatched_requests() -> Response:
        listed: list[Json] = [
            request_json(entry.request, entry.logged) for entry in _unmatched(server)
        ]
        return answer({"requests": listed, "requestJournalDisabled": False})

    @admin.get("/requests/unmatched/near-misses")
    async def near_misses_of_unmatched() -> Response:
        entries, stubs = _unmatched(server), tuple(server.stubs)
        scenarios = server.scenarios.copy()

        def work_out() -> list[Json]:
            return [
                near_miss_json(entry.request, entry.logged, stub, far)
                for entry in entries
                for stub, far in nearest(entry.request, stubs, scenarios, 1)
            ]

        return answer({"nearMisses": await trio.to_thread.run_sync(work_out)})

    @admin.post("/near-misses/request")
    async def near_misses_of_request() -> Response:
        asked, now = read_logged(Reader(await sent(), (), [])), server.clock()
        stubs, scenarios = tuple(server.stubs), server.scenarios.copy()
        found = await trio.to_thread.run_sync(nearest, asked, stubs, scenarios, NEAR_MISSES)
        listed: list[Json] = [near_miss_json(asked, now, stub, far) for stub, far in found]
        return answer({"nearMisses": listed})

    @admin.post("/near-misses/request-pattern")
    async def near_misses_of_pattern() -> Response:
        value = await sent()
        pattern = await sent_pattern()
        entries = server.journal.newest_first()
        found = await trio.to_thread.run_sync(_nearest_to_pattern, pattern, entries)
        listed: list[Json] = [
            pattern_miss_json(entry.request, entry.logged, value, far) for entry, far in found
        ]
        return answer({"nearMisses": listed})


def _nearest_to_pattern(pattern: RequestPattern, entries: list[Entry]) -> list[tuple[Entry, float]]:
    """The requests that come nearest to fitting, and how far they are."""
    ranked = [(entry, distance(pattern, entry.request)) for entry in entries]
    return sorted((one for one in ranked if one[1] > 0), key=lambda one: one[1])[:NEAR_MISSES]


def _unmatched(server: StubServer) -> list[Entry]:
    return [entry for entry in server.journal.newest_first() if not entry.matched]


def _removed(entries: list[Entry]) -> Response:
    listed: list[Json] = [entry_json(entry) for entry in entries]
    return answer({"serveEvents": listed})


def _chosen(entries: list[Entry]) -> list[Entry]:
    """Those that the query asks for: `unmatched`, `since` a time, of a `matchingStub`."""
    arguments = request.args
    if arguments.get("unmatched") == "true":
        entries = [entry for entry in entries if not entry.matched]
    if (since := arguments.get("since")) is not None:
        begin = _moment(since)
        entries = [entry for entry in entries if entry.logged >= begin]
    if (key := arguments.get("matchingStub")) is not None:
        stub = uuid_of(key)
        entries = [entry for entry in entries if entry.stub is not None and entry.stub.id == stub]
    return entries


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        problem = error_json(INVALID, f"{text} is not a valid ISO8601 date", pointer=("since",))
        raise AdminError(400, problem)
    return moment
