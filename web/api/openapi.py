"""The OpenAPI document of `/api/v1`, made of the routes and of the structs that they answer.

A route is documented where it stands, by `documented` and its docstring. The schemas are what
msgspec says of the very structs that are encoded and decoded, and what the parameters that are
read say of themselves.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, ClassVar, TypedDict, Unpack, overload
from weakref import WeakKeyDictionary

import msgspec
from quart import request
from werkzeug.exceptions import BadRequest, ServiceUnavailable, TooManyRequests

from stockstream.version import program_version
from web.parameters import read_parameters
from web.request_limits import TooManyRequestsError
from web.users.gate import ACCESS_ERRORS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from quart import Quart, Response
    from werkzeug.exceptions import HTTPException
    from werkzeug.routing import Rule

    from web.parameters import Asked, Parameter

    View = Callable[..., Awaitable[Response]]

Schema = dict[str, object]

OPENAPI_VERSION = "3.1.0"
PREFIX = "/api/v1/"
_REFERENCES = "#/components/schemas/{name}"
_PLACE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_WAITS = (ServiceUnavailable, TooManyRequests)
_RETRY_AFTER: Schema = {
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
_ABOUT = """Quotes, history and what is made of them, as JSON.

Times are UTC, in ISO 8601 with milliseconds; those that are given need a zone. A `version` is a \
pair that only rises, and names a price among those of its symbol. What cannot be served is \
answered with an error whose `code` is for programs and `reason` for people; with 422, `fields` \
says by name what is wrong with each. Live prices come over the WebSocket `/ws`."""


class ErrorDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong; `fields` is there when it is about fields."""

    code: str
    reason: str
    fields: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class BadTargetError(BadRequest):
    """The request's target holds a null byte; the server answers before any route."""

    word: ClassVar[str] = "bad_request"


_OF_ALL = (BadTargetError, TooManyRequestsError)
"""What any route may answer."""


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer that is an error."""

    error: ErrorDetail


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known of a route beside its address and its docstring."""

    answer: type[msgspec.Struct] | None
    parameters: tuple[Parameter[object], ...]
    errors: tuple[type[HTTPException], ...]
    status: int
    body: type[msgspec.Struct] | None
    user: bool
    login: bool
    operator: bool
    headers: Schema | None


_operations: WeakKeyDictionary[Callable[..., object], Operation] = WeakKeyDictionary()


class Options(TypedDict, total=False):
    """What else may be said of a route. `headers` may come with the answer.

    An error class brings its status, its `word` (the answer's `code`) and its docstring. With
    `user` the request needs the user's cookie, with `login` that of an account's login, with
    `operator` the admin token.
    """

    errors: tuple[type[HTTPException], ...]
    status: int
    body: type[msgspec.Struct]
    user: bool
    login: bool
    operator: bool
    headers: Schema


@overload
def documented(
    answer: type[msgspec.Struct] | None,
    /,
    **options: Unpack[Options],
) -> Callable[[Callable[[], Awaitable[Response]]], View]: ...


@overload
def documented(
    answer: type[msgspec.Struct] | None,
    first: Parameter[object],
    /,
    *parameters: Parameter[object],
    **options: Unpack[Options],
) -> Callable[[Callable[[Asked], Awaitable[Response]]], View]: ...


def documented(
    answer: type[msgspec.Struct] | None,
    /,
    *parameters: Parameter[object],
    **options: Unpack[Options],
) -> Callable[[Callable[..., Awaitable[Response]]], View]:
    """Document a route: what it takes and answers, None for nothing; its docstring says the rest.

    A route with parameters gets them in an `Asked`. The errors of parameters need not be named.
    """
    of_parameters = (parameter.error for parameter in parameters)
    errors = tuple(dict.fromkeys((*options.get("errors", ()), *of_parameters, *ACCESS_ERRORS)))
    operation = Operation(
        answer,
        parameters,
        errors,
        options.get("status", 200),
        options.get("body"),
        options.get("user", False),
        options.get("login", False),
        options.get("operator", False),
        options.get("headers"),
    )

    def take(handler: Callable[..., Awaitable[Response]]) -> View:
        @wraps(handler)
        async def view(**path: str) -> Response:
            if not parameters:
                return await handler()
            query = request.args.to_dict(flat=False)
            return await handler(read_parameters(parameters, path, query))

        _operations[view] = operation
        return view

    return take


def undocumented(app: Quart) -> list[str]:
    """Routes of the API that the document lacks."""
    return [f"{method} {path}" for method, path, view, _ in _routes(app) if view not in _operations]


def document(app: Quart, user_cookie: str) -> Schema:
    """The document for the routes that `app` has now; `user_cookie` is the name of that cookie."""
    routes = [route for route in _routes(app) if route[2] in _operations]
    used: dict[type[msgspec.Struct], None] = {ErrorAnswer: None}
    for _, _, view, _ in routes:
        operation = _operations[view]
        used |= dict.fromkeys(kind for kind in (operation.answer, operation.body) if kind)
    references, schemas = msgspec.json.schema_components(used, ref_template=_REFERENCES)
    refer = dict(zip(used, references, strict=True))
    paths: dict[str, Schema] = {}
    for method, path, view, tag in routes:
        paths.setdefault(path, {})[method.lower()] = _described(
            method, path, tag, inspect.getdoc(view) or "", _operations[view], refer
        )
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "StockStream",
            "version": program_version(),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": app.config["APPLICATION_ROOT"]}],
        "tags": [{"name": tag} for tag in dict.fromkeys(tag for _, _, _, tag in routes)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "user": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": user_cookie,
                    "description": "Names a browser's user; the dashboard's page gives it. "
                    "Each StockStream has its own name for it.",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token of an account, `ss_…`, in place of its login. "
                    "Where the server takes a login (`DASHBOARD=login`), all routes take one.",
                },
                "login": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "stockstream_session",
                    "description": "The cookie of an account's login, and no API token. Its name "
                    "begins like this: each StockStream has its own.",
                },
                "operator": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`ADMIN_TOKEN`; a server that only this machine can reach, and "
                    "that is not in production, asks for none.",
                },
            },
        },
    }


def _routes(app: Quart) -> Iterator[tuple[str, str, Callable[..., object], str]]:
    """Method, path, view and tag of each, in the order in which they were made."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(PREFIX):
            path = _PLACE.sub(r"{\1}", rule.rule)
            view: Callable[..., object] = app.view_functions[rule.endpoint]
            for method in _methods(rule):
                yield method, path, view, rule.endpoint.partition(".")[0].capitalize()


def _methods(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def _described(
    method: str,
    path: str,
    tag: str,
    doc: str,
    operation: Operation,
    refer: Mapping[type[msgspec.Struct], Mapping[str, object]],
) -> Schema:
    summary, _, rest = doc.partition("\n\n")
    name = re.sub(r"[^a-z0-9]+", "_", path.removeprefix(PREFIX).lower()).strip("_")
    described: Schema = {
        "operationId": f"{method.lower()}_{name}",
        "tags": [tag],
        "summary": " ".join(summary.split()).removesuffix("."),
        "responses": {
            str(operation.status): _success(operation, refer),
            **_errors((*operation.errors, *_OF_ALL), refer[ErrorAnswer]),
        },
    }
    if rest:
        described["description"] = rest
    if operation.user:
        described["security"] = [{"user": []}, {"token": []}]
    if operation.login:
        described["security"] = [{"login": []}]
    if operation.operator:
        described["security"] = [{"operator": []}, {}]
    if operation.parameters:
        described["parameters"] = [
            {
                "name": parameter.name,
                "in": parameter.place,
                "description": parameter.description,
                "required": parameter.required,
                "schema": dict(parameter.schema),
            }
            for parameter in operation.parameters
        ]
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _json(refer[operation.body])}
    return described


def _success(
    operation: Operation, refer: Mapping[type[msgspec.Struct], Mapping[str, object]]
) -> Schema:
    if operation.answer is None:
        return {"description": "Done."}
    described: Schema = {
        "description": _first_paragraph(operation.answer),
        "content": _json(refer[operation.answer]),
    }
    if operation.headers is not None:
        described["headers"] = operation.headers
    return described


def _errors(
    errors: Iterable[type[HTTPException]], reference: Mapping[str, object]
) -> dict[str, Schema]:
    """Answers by status; errors that share one share its answer."""
    answers: dict[str, Schema] = {}
    for error in sorted(errors, key=lambda error: error.code or 0):
        said = f"`{getattr(error, 'word', error.__name__)}`: {_first_paragraph(error)}"
        known = answers.get(str(error.code))
        if known is not None:
            known["description"] = f"{known['description']}\n\n{said}"
            continue
        answer: Schema = {"description": said, "content": _json(reference)}
        answers[str(error.code)] = answer
        if issubclass(error, _WAITS):
            answer["headers"] = _RETRY_AFTER
    return answers


def _json(reference: Mapping[str, object]) -> Schema:
    return {"application/json": {"schema": dict(reference)}}


def _first_paragraph(thing: type) -> str:
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
