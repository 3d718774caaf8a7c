"""`/openapi.json`, and `/docs`: the same as a page that is rendered here, with the WebSocket.

The viewers there are for OpenAPI are scripts of some megabytes that set styles inline; the policy
of our pages allows no such thing, and reading needs no script.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quart import Blueprint, current_app, render_template

from stockstream.users.roles import Scope
from web.answers import json_answer
from web.api import socket_docs
from web.api.openapi import document
from web.users.access import user_cookie
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quart import Quart, Response

Node = dict[str, Any]
"""A part of the document, which is JSON."""
_EXTENSION = "stockstream_openapi"
_NAMES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A row of a table: a parameter, or a field of an object. `kind` says its type in words."""

    name: str
    kind: str
    note: str
    required: bool = False
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What may come back."""

    status: str
    description: list[str]
    model: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A route, ready for the page. `example` is an address that can be opened as it stands."""

    anchor: str
    method: str
    path: str
    summary: str
    description: list[str]
    parameters: list[Field]
    body: str | None
    answers: list[Answer]
    example: str | None
    user: bool


@dataclass(frozen=True, slots=True)
class Model:
    """An object that is sent or answered; `kind` says what it is when it has no fields."""

    name: str
    description: list[str]
    fields: list[Field]
    kind: str | None


def docs() -> Blueprint:
    """The routes."""
    blueprint = Blueprint("docs", __name__)
    blueprint.before_request(require(Scope.PRICES_READ))

    @blueprint.get("/openapi.json")
    async def openapi() -> Response:
        return json_answer(the_document(current_app))

    @blueprint.get("/docs")
    async def page() -> str:
        found = the_document(current_app)
        return await render_template(
            "docs.html",
            about=_paragraphs(found["info"]["description"]),
            version=found["info"]["version"],
            groups=groups(found),
            models=models(found),
            sent=socket_docs.SENT,
            came=socket_docs.CAME,
        )

    return blueprint


def the_document(app: Quart) -> Node:
    """The document of an app, made when it is first asked for: all routes are there then.

    Made anew when the cookie has got its name from the database.
    """
    name = user_cookie()
    made: dict[str, Node] = app.extensions.setdefault(_EXTENSION, {})
    if name not in made:
        made[name] = document(app, name)
    return made[name]


def groups(found: Node) -> dict[str, list[Shown]]:
    """The routes by tag, as the page shows them."""
    by_tag: dict[str, list[Shown]] = {tag["name"]: [] for tag in found["tags"]}
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append(_shown(path, method, operation))
    return by_tag


def _shown(path: str, method: str, operation: Node) -> Shown:
    parameters = operation.get("parameters", [])
    body = operation.get("requestBody")
    return Shown(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=_paragraphs(operation.get("description", "")),
        parameters=[
            Field(p["name"], kind_of(p["schema"]), p["description"], p["required"])
            for p in parameters
        ],
        body=None if body is None else _model_of(body),
        answers=[
            Answer(status, _paragraphs(answer["description"]), _model_of(answer))
            for status, answer in operation["responses"].items()
        ],
        example=_example(path, parameters) if method == "get" else None,
        user="security" in operation,
    )


def _example(path: str, parameters: list[Node]) -> str | None:
    """The address with what it needs filled in; None when there is nothing to fill in with."""
    needed: list[str] = []
    for parameter in (p for p in parameters if p["required"]):
        schema = parameter["schema"]
        values = [*schema.get("examples", ()), *schema.get("enum", ())]
        if not values:
            return None
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", values[0])
        else:
            needed.append(f"{parameter['name']}={values[0]}")
    if "{" in path:
        return None
    return f"{path}?{'&'.join(needed)}" if needed else path


def models(found: Node) -> list[Model]:
    """The objects, by name."""
    return [
        Model(
            name,
            _paragraphs(schema.get("description", "")),
            [
                Field(
                    field,
                    kind_of(part),
                    part.get("description", ""),
                    field in schema.get("required", ()),
                    next(_references(part), None),
                )
                for field, part in schema.get("properties", {}).items()
            ],
            None if "properties" in schema else kind_of(schema),
        )
        for name, schema in sorted(found["components"]["schemas"].items())
    ]


def kind_of(schema: Mapping[str, Any]) -> str:
    """A JSON schema's type in words."""
    match schema:
        case {"$ref": str(reference)}:
            return reference.rpartition("/")[2]
        case {"anyOf": [*kinds]}:
            return " or ".join(kind_of(kind) for kind in kinds)
        case {"enum": [*values]}:
            words = ", ".join(f"{value}" for value in values)
            return f"one of {words}" + _usual(schema)
        case {"prefixItems": [*kinds]}:
            return f"[{', '.join(kind_of(kind) for kind in kinds)}]"
        case {"type": "array", "items": items}:
            return f"list of {kind_of(items)}"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"object of {kind_of(values)}"
        case {"format": "date-time"}:
            return "time"
        case {"type": str(name), "minimum": least, "maximum": most}:
            return f"{_NAMES[name]}, {least} to {most:,}" + _usual(schema)
        case {"type": str(name)}:
            return _NAMES[name] + _usual(schema)
        case _:
            return "anything"


def _usual(schema: Mapping[str, Any]) -> str:
    return f"; {schema['default']} by default" if "default" in schema else ""


def _references(schema: Mapping[str, Any]) -> Iterator[str]:
    """The objects that a schema leads to."""
    for key, value in schema.items():
        if key == "$ref":
            yield value.rpartition("/")[2]
        elif isinstance(value, dict):
            yield from _references(value)
        elif isinstance(value, list):
            for part in value:
                if isinstance(part, dict):
                    yield from _references(part)


def _model_of(part: Node) -> str | None:
    if "content" not in part:
        return None
    schema: str = part["content"]["application/json"]["schema"]["$ref"]
    return schema.rpartition("/")[2]


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
