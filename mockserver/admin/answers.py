"""What the calls of the admin API have in common: reading what was sent, and answering."""

from typing import Final
from uuid import UUID

from quart import Response, request

from mockserver.json_lines import repeated_key
from mockserver.json_types import Json, NotJson, read_json, write_json
from mockserver.matching import RequestPattern
from mockserver.problems import FieldError, Reader
from mockserver.request_patterns import read_request
from mockserver.views import error_json

INVALID: Final = 10  # WireMock's code for what cannot be read


class AdminError(Exception):
    """Ends a call with an error answer."""

    def __init__(self, status: int, body: dict[str, Json] | None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def answer(value: Json, status: int = 200) -> Response:
    """An answer of JSON."""
    return Response(write_json(value), status, content_type="application/json")


def empty(status: int = 200) -> Response:
    """An answer without a body."""
    response = Response(b"", status)
    del response.headers["Content-Type"]
    return response


async def sent() -> Json:
    """The JSON that was sent. Raises `NotJson`, also for a key that is there twice."""
    text = await request.get_data(as_text=False)
    value = read_json(text)
    repeated = repeated_key(text if isinstance(text, str) else text.decode())
    if repeated is not None:
        raise NotJson(f"the key {repeated[0]!r} is there twice in one object", repeated[1])
    return value


async def sent_members() -> dict[str, Reader]:
    """The members of the object that was sent. Raises `NotJson` or `FieldError`."""
    return Reader(await sent(), (), []).object()


async def sent_pattern() -> RequestPattern:
    """The request pattern that was sent. Raises `FieldError` also for what is not supported."""
    root = Reader(await sent(), (), [])
    pattern = read_request(root)
    refuse_notices(root)
    return pattern


def refuse_notices(root: Reader) -> None:
    """Refuse what has no effect: nobody reads a notice here, and a search would find too much."""
    if root.notices:
        raise FieldError(root.notices[0].pointer, root.notices[0].problem)


def limits() -> slice:
    """The part of a list that `limit` and `offset` of the query ask for."""
    try:
        offset = max(0, int(request.args.get("offset", "0")))
        limit = request.args.get("limit")
        return slice(offset, None if limit is None else offset + max(0, int(limit)))
    except ValueError as error:
        problem = error_json(INVALID, "limit and offset are whole numbers")
        raise AdminError(400, problem) from error


def uuid_of(key: str) -> str:
    """`key` as ids are written. Raises `AdminError`."""
    try:
        return str(UUID(key))
    except ValueError as error:
        raise AdminError(400, error_json(INVALID, f"{key} is not a valid UUID")) from error


def refuse_parameters(known: frozenset[str]) -> None:
    """Refuse a parameter of the query that would be ignored."""
    for name in request.args:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            problem = error_json(INVALID, f"no parameter {name!r} is known here; known are {names}")
            raise AdminError(400, problem)
