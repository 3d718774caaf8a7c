"""WireMock's response templates: a safe subset of Handlebars with its helpers.

Nothing is escaped on output: WireMock writes values as they are, whatever the body's type.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mockserver.incoming import Request
from mockserver.json_types import Json
from mockserver.templating.checking import Problem, problems
from mockserver.templating.errors import TemplateError
from mockserver.templating.evaluation import Rendering, Scope, Walk, Write, compile_nodes
from mockserver.templating.helpers import HELPERS
from mockserver.templating.request_values import RequestValues
from mockserver.templating.syntax import parse
from mockserver.templating.values import Value, from_json

__all__ = ["Template", "TemplateError", "Walk", "compile_template", "render", "request_model"]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text, and what of it means nothing here."""

    text: str
    write: Write
    problems: tuple[Problem, ...]


def compile_template(text: str) -> Template:
    """Read `text`. Raises `TemplateError` with the place of a syntax error."""
    nodes = parse(text)
    return Template(text, compile_nodes(nodes, HELPERS), tuple(problems(nodes)))


def render(
    template: Template,
    model: Mapping[str, Value],
    *,
    dice: random.Random,
    now: datetime,
    walk: Walk | None = None,
) -> str:
    """The text `template` gives for `model`. `now` carries a time zone. With a `walk`, random
    decimals are its own. Raises `TemplateError`.
    """
    this = dict(model)
    return template.write(Rendering(this, dice, now, walk), Scope(this, {}, {}, None))


def request_model(
    request: Request, path_variables: Mapping[str, str], parameters: Mapping[str, Json]
) -> dict[str, Value]:
    """What templates can read: `request` and `parameters`."""
    return {
        "request": RequestValues(request, path_variables),
        "parameters": {name: from_json(value) for name, value in parameters.items()},
    }
