"""The headers and the body of a stub's response, from its JSON."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mockserver.json_types import write_json
from mockserver.problems import Reader, given
from mockserver.responses import BodyChoice, Broken, Part
from mockserver.templating import TemplateError, compile_template

MAX_BODY_BYTES: Final = 5_000_000
MAX_CHOICE_BYTES: Final = 50_000_000  # of all files that the name of one stub's body may become
_BODY_FIELDS: Final = ("body", "jsonBody", "base64Body", "bodyFileName")
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)


class BodyFiles:
    """The directory that `bodyFileName` names files in. Nothing outside of it is read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, field: Reader, name: str) -> Path:
        """Where the file `name` is. Raises `FieldError` for a name that leads out."""
        root = self.directory.resolve()
        try:
            path = (root / name).resolve()
        except (OSError, ValueError) as error:
            raise field.fail(f"{name!r} is not the name of a file") from error
        if not path.is_relative_to(root):
            raise field.fail(f"{name!r} leaves the directory {self.directory}")
        return path

    def read(self, field: Reader) -> bytes:
        """The file that `field` names; one that cannot be read has the stub never match.

        One such stub need not stop the rest. Raises `FieldError` for a name that leads out.
        """
        name = field.text()
        path = self.path(field, name)
        try:
            if path.stat().st_size > MAX_BODY_BYTES:
                raise field.fail(f"{name!r} is larger than {MAX_BODY_BYTES} bytes")
            return path.read_bytes()
        except OSError as error:
            hint = " (a template in a name needs a transformer)" if "{{" in name else ""
            field.disable(f"cannot read {path}: {error.strerror}{hint}")
            return b""

    def fitting(self, field: Reader) -> Iterator[tuple[str, bytes]]:
        """Names and contents of the files that the name at `field`, a template, may become."""
        pieces = _EXPRESSION.split(field.text().lstrip("/"))
        left = MAX_CHOICE_BYTES
        for path in sorted(self.directory.rglob("*")):
            name = path.relative_to(self.directory).as_posix()
            if not _fits(name, pieces) or not path.is_file():
                continue
            content = self.read(Reader(name, field.pointer, field.notices))
            left -= len(content)
            if left < 0:
                raise field.fail(f"files of more than {MAX_CHOICE_BYTES} bytes have such a name")
            yield name, content


def _fits(name: str, pieces: list[str]) -> bool:
    """Whether `name` is the `pieces` with anything between them.

    By hand, and each piece as early as it can be: a regular expression of many `.*` would try
    every way to part the name.
    """
    first, *between, last = pieces
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for piece in between:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def read_body(
    members: dict[str, Reader], files: BodyFiles, *, templated: bool, named_by_template: bool
) -> Part | BodyChoice:
    """The body of a response's `members`. Raises `FieldError`.

    `templated`: it is a template; `named_by_template`: the name of its file may be one.
    """
    found = [name for name in _BODY_FIELDS if given(members, name)]
    if len(found) > 1:
        raise members[found[1]].fail(f"only one of {', '.join(_BODY_FIELDS)}; {found[0]} is given")
    if not found:
        return b""
    field = members[found[0]]
    if found[0] == "bodyFileName" and named_by_template and "{{" in field.text():
        name = _templated(field, field.text().lstrip("/").encode())
        choice = {
            file: _templated(field, content) if templated else content
            for file, content in files.fitting(field)
        }
        if not choice:
            field.notice(f"no file in {files.directory} has such a name")
        return BodyChoice(name, choice)
    raw = _bytes(found[0], field, files)
    # WireMock renders what it can read as text, whichever field it came from.
    return _templated(field, raw) if templated else raw


def _bytes(name: str, field: Reader, files: BodyFiles) -> bytes:
    if name == "bodyFileName":
        return files.read(field)
    if name == "jsonBody":
        return write_json(field.value).encode()
    if name == "body":
        return field.scalar().encode()
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
        field.notice(f"the template cannot be read, so every request will be answered 500: {error}")
        return Broken(error)
    for problem in template.problems:
        if problem.fails:
            field.notice(f"{problem.text}: every request that comes by it will be answered 500")
        else:
            field.disable(problem.text)
    return template


def read_headers(
    members: dict[str, Reader], *, templated: bool
) -> tuple[tuple[str, Part | str], ...]:
    """The headers of a response's `members`. Raises `FieldError`."""
    field = given(members, "headers")
    headers: list[tuple[str, Part | str]] = []
    for name, one in field.object().items() if field else ():
        if _TOKEN.fullmatch(name) is None:
            raise one.fail(f"{name!r} is not a header name")
        if name.lower() in _FRAMING:
            one.notice("the server sets this header itself; it has no effect here")
            continue
        values = list(one.items()) if isinstance(one.value, list) else [one]
        for value in values:
            text = value.text() if isinstance(value.value, str) else write_json(value.value)
            if isinstance(value.value, (dict, list)):
                raise value.fail("expected a text")
            if templated and "{{" in text:
                headers.append((name, _templated(value, text.encode())))
            else:
                headers.append((name, text))
    return tuple(headers)
