"""WireMock's response templates: a safe subset of Handlebars with its helpers.

Nothing is escaped on output: WireMock writes values as they are, whatever the body's type.
"""

import base64
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mockserver.incoming import Request
from mockserver.json_types import Json
from mockserver.templating.errors import TemplateError
from mockserver.templating.evaluation import Rendering, Scope
from mockserver.templating.helpers import HELPERS
from mockserver.templating.syntax import Block, Expression, Literal, Node, Output, parse
from mockserver.templating.values import Headers, Several, UrlPath, Value, from_json

__all__ = ["Template", "TemplateError", "compile_template", "render", "request_model"]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text; `unknown_helpers` names those it calls that do not exist here."""

    text: str
    nodes: tuple[Node, ...]
    unknown_helpers: tuple[str, ...]


def compile_template(text: str) -> Template:
    """Read `text`. Raises `TemplateError` with the place of a syntax error."""
    nodes = parse(text)
    return Template(text, nodes, tuple(dict.fromkeys(_unknown(nodes))))


def render(
    template: Template,
    model: Mapping[str, Value],
    *,
    dice: random.Random,
    now: datetime,
) -> str:
    """The text `template` gives for `model`. `now` carries a time zone. Raises `TemplateError`."""
    rendering = Rendering(HELPERS, dice, now)
    return rendering.render(template.nodes, Scope(dict(model), {}, {}, None))


def request_model(
    request: Request, path_variables: Mapping[str, str], parameters: Mapping[str, Json]
) -> dict[str, Value]:
    """What templates can read: `request` and `parameters`."""
    path = UrlPath(request.path, request.segments, path_variables)
    return {
        "request": {
            "id": request.id,
            "method": request.method,
            "url": request.url,
            "path": path,
            "pathSegments": path,
            "query": {name: Several(values) for name, values in request.query.items()},
            "headers": Headers(
                {name: Several(values) for name, values in request.header_values.items()}
            ),
            "cookies": {name: Several(values) for name, values in request.cookies.items()},
            "body": request.text,
            "bodyAsBase64": base64.b64encode(request.body).decode(),
            "baseUrl": request.base_url,
            "scheme": request.scheme,
            "host": request.host,
            "port": request.port,
            "clientIp": request.client_ip,
        },
        "parameters": {name: from_json(value) for name, value in parameters.items()},
    }


def _unknown(nodes: tuple[Node, ...]) -> list[str]:
    """Names that are given arguments, so must be helpers, and are none."""
    found: list[str] = []
    for node in nodes:
        if isinstance(node, Output):
            found += _unknown_in(node.expression)
        elif isinstance(node, Block):
            found += _unknown_in(node.call) + _unknown(node.body) + _unknown(node.inverse)
    return found


def _unknown_in(expression: Expression) -> list[str]:
    if isinstance(expression, Literal):
        return []
    arguments = [*expression.arguments, *(value for _, value in expression.options)]
    found = [name for argument in arguments for name in _unknown_in(argument)]
    if arguments and expression.target.text not in HELPERS:
        found.append(expression.target.text)
    return found
