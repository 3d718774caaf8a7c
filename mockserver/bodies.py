"""The headers and the body of a stub's response, from its JSON."""

import base64
import re
from pathlib import Path
from typing import Final

from mockserver.json_types import write_json
from mockserver.problems import Reader
from mockserver.responses import Broken, Part
from mockserver.templating import TemplateError, compile_template

MAX_BODY_BYTES: Final = 5_000_000
_BODY_FIELDS: Final = ("body", "jsonBody", "base64Body", "bodyFileName")
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class BodyFiles:
    """The directory that `bodyFileName` names files in. Nothing outside of it is read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, field: Reader) -> bytes:
        """The file that `field` names. Raises `FieldError`."""
        name = field.text()
        root = self.directory.resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise field.fail(f"{name!r} leaves the directory {self.directory}")
        try:
            if path.stat().st_size > MAX_BODY_BYTES:
                raise field.fail(f"{name!r} is larger than {MAX_BODY_BYTES} bytes")
            return path.read_bytes()
        except OSError as error:
            raise field.fail(f"cannot read {path}: {error.strerror}") from error


def read_body(
    members: dict[str, Reader], files: BodyFiles, *, templated: bool
) -> tuple[tuple[tuple[str, Part], ...], Part]:
    """Headers and body of a response's `members`. Raises `FieldError`."""
    given = [name for name in _BODY_FIELDS if name in members and members[name].value is not None]
    if len(given) > 1:
        raise members[given[1]].fail(f"only one of {', '.join(_BODY_FIELDS)}; {given[0]} is given")
    body: Part = b""
    if given:
        field = members[given[0]]
        raw = _bytes(given[0], field, files)
        # WireMock renders what it can read as text, whichever field it came from.
        body = _templated(field, raw) if templated else raw
    headers = _headers(members["headers"], templated=templated) if "headers" in members else ()
    return headers, body


def _bytes(name: str, field: Reader, files: BodyFiles) -> bytes:
    if name == "bodyFileName":
        return files.read(field)
    if name == "jsonBody":
        return write_json(field.value).encode()
    if name == "body":
        return field.text().encode()
    try:
        return base64.b64decode(field.text(), validate=True)
    except ValueError as error:
        raise field.fail("the text is not Base64") from error


def _templated(field: Reader, raw: bytes) -> Part:
    try:
        template = compile_template(raw.decode())
    except UnicodeDecodeError:
        return raw
    except TemplateError as error:
        field.notice(f"the template cannot be read: {error}", grave=True)
        return Broken(error)
    for name in template.unknown_helpers:
        field.notice(f"the helper {name!r} does not exist: every request will be answered 500")
    return template


def _headers(field: Reader, *, templated: bool) -> tuple[tuple[str, Part], ...]:
    headers: list[tuple[str, Part]] = []
    for name, one in field.object().items():
        if _TOKEN.fullmatch(name) is None:
            raise one.fail(f"{name!r} is not a header name")
        if name.lower() in _FRAMING:
            one.notice("the server sets this header itself; it has no effect here")
            continue
        values = list(one.items()) if isinstance(one.value, list) else [one]
        for value in values:
            text = value.text() if isinstance(value.value, str) else write_json(value.value)
            if isinstance(value.value, (dict, list)) or re.search(r"[\r\n\0]", text):
                raise value.fail("expected one line of text")
            raw = text.encode()
            headers.append((name, _templated(value, raw) if templated else raw))
    return tuple(headers)
