"""The admin API's calls on the files that bodies are read from: `/__admin/files`."""

import base64
from pathlib import Path

import trio
from quart import Blueprint, Response, request

from mockserver.admin.answers import INVALID, AdminError, answer, empty
from mockserver.mappings import StubMapping
from mockserver.problems import FieldError, Reader
from mockserver.saving import CannotSave
from mockserver.stub_server import StubServer
from mockserver.stub_source import StubSource
from mockserver.views import error_json


def file_routes(admin: Blueprint, server: StubServer, source: StubSource) -> None:
    """Add the routes to `admin`."""
    bodies = source.files.bodies

    def path_of(name: str) -> Path:
        try:
            return bodies.path(Reader(name, (), []), name)
        except FieldError as error:
            raise AdminError(404, error_json(INVALID, error.problem)) from error

    async def read_again() -> None:
        """Have the stubs whose bodies are files read those again."""

        def read(stubs: list[StubMapping]) -> list[StubMapping]:
            found = []
            for stub in stubs:
                try:
                    found.append(server.read(stub.document, stub.id, stub.source))
                except FieldError:
                    continue  # the file is too large; the stub answers what it has until a reset
            return found

        stubs = [stub for stub in server.stubs.newest_first() if _has_file(stub)]
        for stub in await trio.to_thread.run_sync(read, stubs):
            server.stubs.replace(stub)

    @admin.get("/files")
    async def list_files() -> Response:
        return answer([*await trio.to_thread.run_sync(_names, bodies.directory)])

    @admin.get("/files/<path:name>")
    async def get_file(name: str) -> Response:
        path = path_of(name)
        content = await trio.to_thread.run_sync(_content, path)
        if content is None:
            return empty(404)
        return Response(content, content_type="application/octet-stream")

    @admin.put("/files/<path:name>")
    async def put_file(name: str) -> Response:
        path = path_of(name)
        data = await request.get_data(as_text=False)
        content = data.encode() if isinstance(data, str) else data
        await trio.to_thread.run_sync(_write, path, content)
        await read_again()
        return answer(base64.b64encode(content).decode())

    @admin.delete("/files/<path:name>")
    async def remove_file(name: str) -> Response:
        await trio.to_thread.run_sync(_remove, path_of(name))
        await read_again()
        return empty()


def _has_file(stub: StubMapping) -> bool:
    response = stub.document["response"]
    return isinstance(response, dict) and response.get("bodyFileName") is not None


def _names(directory: Path) -> list[str]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return sorted(path.relative_to(directory).as_posix() for path in found)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise AdminError(404, error_json(INVALID, f"{path.name}: {error.strerror}")) from error


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise CannotSave(f"{path} cannot be written: {error.strerror}") from error


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CannotSave(f"{path} cannot be removed: {error.strerror}") from error
