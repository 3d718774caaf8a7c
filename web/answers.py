"""Answers in JSON: for the API, the admin API, the metrics and the health checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Response
from werkzeug.exceptions import UnprocessableEntity

from stockstream.delivery.protocol import encode

if TYPE_CHECKING:
    from collections.abc import Mapping


class FieldsError(UnprocessableEntity):
    """What was sent cannot be served. `fields` says by name what is wrong with each part of it."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = dict(fields)


def json_answer(value: object, status: int = 200) -> Response:
    """A value as JSON."""
    return encoded_answer(encode(value), status)


def encoded_answer(body: bytes, status: int = 200) -> Response:
    """JSON that is encoded already."""
    return Response(body, status, content_type="application/json")
