"""The admin API's calls on stubs: `/__admin/mappings`."""

from typing import Final

import trio
from quart import Blueprint, Response

from mockserver.admin.answers import (
    AdminError,
    answer,
    empty,
    limits,
    refuse_notices,
    sent,
    sent_members,
    uuid_of,
)
from mockserver.conditions import Condition, read_condition
from mockserver.json_types import Json, write_json
from mockserver.mappings import StubMapping
from mockserver.problems import Reader, given, refuse_unknown
from mockserver.saving import SavedStubs
from mockserver.store import DuplicateId
from mockserver.stub_server import StubServer
from mockserver.stub_source import StubSource, log_notices
from mockserver.views import error_json, mappings_json

_DUPLICATE: Final = 109


class _Stubs:
    """The stubs of a server and what was saved of them, changed together."""

    def __init__(self, server: StubServer, source: StubSource) -> None:
        self.server = server
        self.saved = SavedStubs(source.files.mappings_directory)

    async def read(self, value: Json, identity: str | None = None) -> StubMapping:
        """The stub in `value`. In a thread, since a body may have to be read from its file."""
        stub = await trio.to_thread.run_sync(self.server.read, value, identity)
        log_notices([stub])
        return stub

    async def keep(self, stub: StubMapping) -> None:
        """Save `stub` if it is to outlive a reset. Raises `CannotSave`."""
        if stub.persistent:
            await trio.to_thread.run_sync(self.saved.save, stub)

    async def remove(self, stubs: list[StubMapping]) -> None:
        """Remove `stubs`, and what was saved of them. Raises `CannotSave`."""
        for stub in stubs:
            self.server.stubs.remove(stub.id)
        await trio.to_thread.run_sync(self.saved.forget, [stub.id for stub in stubs])


def mapping_routes(admin: Blueprint, server: StubServer, source: StubSource) -> None:
    """Add the routes to `admin`."""
    stubs = _Stubs(server, source)
    # Those with a name go before the one that takes any as an id.
    _routes_for_many(admin, stubs)
    _routes_for_one(admin, stubs)

    @admin.post("/mappings/reset")
    @admin.post("/reset")
    async def reset() -> Response:
        server.reset(await source.load())
        return empty()


def _routes_for_one(admin: Blueprint, stubs: _Stubs) -> None:
    server = stubs.server

    @admin.get("/mappings")
    async def list_mappings() -> Response:
        listed = server.stubs.newest_first()
        return answer(mappings_json(listed[limits()], len(listed)))

    @admin.post("/mappings")
    async def add_mapping() -> Response:
        stub = await stubs.read(await sent())
        try:
            server.stubs.add(stub)
        except DuplicateId as error:
            detail = f"ID of the provided stub mapping '{error}' is already taken by another"
            body = error_json(_DUPLICATE, "Duplicate stub mapping ID", detail)
            raise AdminError(422, body) from error
        await stubs.keep(stub)
        return answer(stub.document, 201)

    @admin.delete("/mappings")
    async def clear_mappings() -> Response:
        await stubs.remove(server.stubs.newest_first())
        server.scenarios.reset()
        return answer({})

    @admin.get("/mappings/<key>")
    async def get_mapping(key: str) -> Response:
        stub = server.stubs.get(uuid_of(key))
        return empty(404) if stub is None else answer(stub.document)

    @admin.put("/mappings/<key>")
    async def replace_mapping(key: str) -> Response:
        identity = uuid_of(key)
        if server.stubs.get(identity) is None:
            return empty(404)
        stub = await stubs.read(await sent(), identity)
        if not server.stubs.replace(stub):
            return empty(404)
        await stubs.keep(stub)
        return answer(stub.document)

    @admin.delete("/mappings/<key>")
    async def remove_mapping(key: str) -> Response:
        stub = server.stubs.get(uuid_of(key))
        if stub is None:
            return empty(404)
        await stubs.remove([stub])
        return answer({})


def _routes_for_many(admin: Blueprint, stubs: _Stubs) -> None:
    server = stubs.server

    @admin.post("/mappings/save")
    async def save_mappings() -> Response:
        def save_all(added: list[StubMapping]) -> None:
            for stub in added:
                stubs.saved.save(stub)

        added = [stub for stub in server.stubs.newest_first() if stub.source is None]
        await trio.to_thread.run_sync(save_all, added)
        return empty()

    @admin.post("/mappings/import")
    async def import_mappings() -> Response:
        members = await sent_members()
        refuse_unknown(members, frozenset({"mappings", "importOptions", "meta"}))
        field = given(members, "mappings")
        sent_stubs = [await stubs.read(one.value) for one in field.items()] if field else []
        options = given(members, "importOptions")
        overwrite, only_these = _import_options(options)
        # Of equals the first listed is tried first, as in a list of all stubs.
        for stub in reversed(sent_stubs):
            if server.stubs.get(stub.id) is None:
                server.stubs.add(stub)
            elif overwrite:
                server.stubs.replace(stub)
            await stubs.keep(stub)
        if only_these:
            wanted = {stub.id for stub in sent_stubs}
            others = [stub for stub in server.stubs.newest_first() if stub.id not in wanted]
            await stubs.remove(others)
        return empty()

    @admin.post("/mappings/remove")
    async def remove_like() -> Response:
        wanted = await stubs.read(await sent())
        found = server.stubs.get(wanted.id)
        if found is None:
            same = write_json(wanted.document["request"])
            every = server.stubs.newest_first()
            alike = (stub for stub in every if write_json(stub.document["request"]) == same)
            found = next(alike, None)
        await stubs.remove([found] if found else [])
        return empty()

    @admin.post("/mappings/find-by-metadata")
    async def find_by_metadata() -> Response:
        found = _with_metadata(server, metadata_condition(await sent()))
        return answer(mappings_json(found, len(found)))

    @admin.post("/mappings/remove-by-metadata")
    async def remove_by_metadata() -> Response:
        await stubs.remove(_with_metadata(server, metadata_condition(await sent())))
        return answer({})

    @admin.get("/mappings/unmatched")
    async def list_unmatched() -> Response:
        found = _unmatched(server)
        return answer(mappings_json(found, len(found)))

    @admin.delete("/mappings/unmatched")
    async def remove_unmatched() -> Response:
        await stubs.remove(_unmatched(server))
        return answer({})


def _import_options(field: Reader | None) -> tuple[bool, bool]:
    """Whether an import replaces stubs of the same id, and whether it removes all others."""
    if field is None:
        return True, False
    members = field.object()
    refuse_unknown(members, frozenset({"duplicatePolicy", "deleteAllNotInImport"}))
    refuse_notices(field)
    policy = given(members, "duplicatePolicy")
    if policy is not None and policy.value not in {"OVERWRITE", "IGNORE"}:
        raise policy.fail("expected OVERWRITE or IGNORE")
    delete = given(members, "deleteAllNotInImport")
    return policy is None or policy.value == "OVERWRITE", delete is not None and delete.flag()


def metadata_condition(value: Json) -> Condition:
    """The condition on metadata in `value`. Raises `FieldError`."""
    root = Reader(value, (), [])
    condition = read_condition(root)
    refuse_notices(root)
    return condition


def has_metadata(stub: StubMapping, condition: Condition) -> bool:
    """Whether the metadata of `stub`, as JSON, fit."""
    metadata = stub.document.get("metadata")
    return metadata is not None and condition.check(write_json(metadata))


def _with_metadata(server: StubServer, condition: Condition) -> list[StubMapping]:
    return [stub for stub in server.stubs.newest_first() if has_metadata(stub, condition)]


def _unmatched(server: StubServer) -> list[StubMapping]:
    served = {entry.stub.id for entry in server.journal.newest_first() if entry.stub}
    return [stub for stub in server.stubs.newest_first() if stub.id not in served]
