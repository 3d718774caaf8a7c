"""Short ways to make what the stub API works on."""

import random
from datetime import UTC, datetime
from pathlib import Path

from mockserver.bodies import BodyFiles
from mockserver.incoming import Request
from mockserver.json_types import Json
from mockserver.mappings import StubMapping, read_mapping
from mockserver.stub_server import StubServer
from mockserver.templating import compile_template, render, request_model

NOW = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)
SEED = 20261122
NO_FILES = BodyFiles(Path("/nonexistent"))


def request(url: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> Request:
    """A request; header names with `_` for `-`."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method, url, pairs, body, host="stub.test", port=1080)


def rendered(text: str, asked: Request | None = None, seed: int = SEED, **parameters: Json) -> str:
    """What a template gives for a request, at `NOW`, with its own dice."""
    model = request_model(asked or request(), {}, parameters)
    return render(compile_template(text), model, dice=random.Random(seed), now=NOW)


def mapping(value: Json) -> StubMapping:
    return read_mapping(value, NO_FILES)


def stub(response: dict[str, Json] | None = None, **fields: Json) -> StubMapping:
    """A mapping whose request is given by keyword."""
    return mapping({"request": fields, "response": response or {}})


def server(*stubs: StubMapping) -> StubServer:
    """A stub server with these stubs, added in this order."""
    made = StubServer(NO_FILES, dice=random.Random(SEED), clock=lambda: NOW)
    for one in stubs:
        made.stubs.add(one)
    return made
