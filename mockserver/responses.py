"""What a stub answers: the definition as it was read, and the rendering of one answer. Pure."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from mockserver.delays import DelayDistribution, Dribble
from mockserver.faults import Fault
from mockserver.incoming import Request
from mockserver.json_types import Json
from mockserver.limits import TooMuchWork
from mockserver.templating import Template, TemplateError, Walk, render, request_model

if TYPE_CHECKING:
    from mockserver.templating.values import Value

BODILESS: Final = frozenset({204, 205, 304})


@dataclass(frozen=True, slots=True)
class Broken:
    """A template that cannot be read, and why: it is answered with its error."""

    error: TemplateError


Part = Template | Broken | bytes  # a template, one that failed to compile, or bytes as they are


@dataclass(frozen=True, slots=True)
class BodyChoice:
    """A body from the file that a template names, out of those that its name can be."""

    name: Part
    files: Mapping[str, Part]


@dataclass(frozen=True, slots=True)
class ResponseDefinition:
    """A stub's `response`."""

    status: int = 200
    reason: str | None = None
    headers: tuple[tuple[str, Part | str], ...] = ()
    body: Part | BodyChoice = b""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    walk_seed: int | None = None
    fixed_delay_seconds: float | None = None
    delay_distribution: DelayDistribution | None = None
    dribble: Dribble | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes on the wire, how late and in how many pieces."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    reason: str | None = None
    delay_seconds: float = 0.0
    dribble: Dribble | None = None
    fault: Fault | None = None


def text_answer(status: int, text: str) -> Answer:
    """An answer of plain text."""
    return Answer(status, (("Content-Type", "text/plain;charset=UTF-8"),), text.encode())


def error_answer(error: Exception) -> Answer:
    """The answer where a stub's own expression fails."""
    return text_answer(500, f"[ERROR] {error}")


def respond(
    definition: ResponseDefinition,
    request: Request,
    path_variables: Mapping[str, str],
    *,
    dice: random.Random,
    now: datetime,
    walk: Walk | None = None,
) -> Answer:
    """The answer to `request`: a template that fails makes it a 500 that begins `[ERROR]`."""
    model: dict[str, Value] | None = None

    def written(part: Part) -> bytes:
        if isinstance(part, Broken):
            raise part.error
        if isinstance(part, bytes):
            return part
        nonlocal model
        if model is None:
            model = request_model(request, path_variables, definition.parameters)
        return render(part, model, dice=dice, now=now, walk=walk).encode()

    def chosen(body: Part | BodyChoice) -> Part:
        if not isinstance(body, BodyChoice):
            return body
        name = written(body.name).decode()
        if name not in body.files:
            raise TemplateError(f"there is no file {name!r} (as of the last reset)")
        return body.files[name]

    try:
        headers = tuple(
            (name, part if isinstance(part, str) else written(part).decode())
            for name, part in definition.headers
        )
        body = written(chosen(definition.body))
    except (TemplateError, TooMuchWork, UnicodeError) as error:
        return error_answer(error)
    return Answer(
        definition.status,
        headers,
        b"" if definition.status in BODILESS else body,
        definition.reason,
        dribble=definition.dribble,
        fault=definition.fault,
    )
