"""Loads the stub mappings of a directory.

A directory of `*.json` files (at any depth), with bodies under `__files`; or a WireMock root,
which has its mappings under `mappings`. A file holds one mapping, a list of them, or
`{"mappings": […]}`. Later files and later mappings win ties, so the order is the files' names'.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from mockserver.bodies import BodyFiles
from mockserver.json_lines import line_of, repeated_key
from mockserver.json_types import Json, NotJson, read_json
from mockserver.mappings import StubMapping, read_mapping
from mockserver.problems import FieldError, Pointer, dotted

BODIES: Final = "__files"
MAX_FILE_BYTES: Final = 20_000_000
Fingerprint: TypeAlias = frozenset[tuple[str, int, int]]


class StubFileError(ValueError):
    """A stub file cannot be used. Its text names the file, the line and the field."""


@dataclass(frozen=True, slots=True)
class StubFiles:
    """A directory of stub files: where they are, and what they hold now.

    With `strict`, what is not supported is an error, as is what is wrong.
    """

    directory: Path
    strict: bool = False

    @property
    def mappings_directory(self) -> Path:
        """Where the `*.json` files are."""
        inside = self.directory / "mappings"
        return inside if inside.is_dir() else self.directory

    @property
    def bodies(self) -> BodyFiles:
        """Where `bodyFileName` looks."""
        return BodyFiles(self.directory / BODIES)

    def load(self) -> list[StubMapping]:
        """Every mapping, in order. Raises `StubFileError` for the first thing that is wrong."""
        if not self.directory.is_dir():
            raise StubFileError(f"{self.directory}: there is no such directory")
        mappings: list[StubMapping] = []
        places: dict[str, str] = {}
        for path in self._paths():
            for mapping in _load_file(path, self.bodies, strict=self.strict):
                if mapping.id in places:
                    raise StubFileError(
                        f"{path}: the id {mapping.id} is already that of {places[mapping.id]}"
                    )
                places[mapping.id] = f"{mapping.title!r} in {mapping.source}"
                mappings.append(mapping)
        return mappings

    def fingerprint(self) -> Fingerprint:
        """Changes when a file does: path, time of change in ns and size of each."""
        found = set()
        for path in [*self._paths(), *self.bodies.directory.rglob("*")]:
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # gone between the listing and now; the next look sees it
            found.add((str(path), status.st_mtime_ns, status.st_size))
        return frozenset(found)

    def _paths(self) -> Iterator[Path]:
        for path in sorted(self.mappings_directory.rglob("*.json")):
            if BODIES not in path.relative_to(self.mappings_directory).parts and path.is_file():
                yield path


def _load_file(path: Path, bodies: BodyFiles, *, strict: bool) -> Iterator[StubMapping]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise StubFileError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise StubFileError(f"{path}: the file is not UTF-8 text") from error
    except OSError as error:
        raise StubFileError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        document = read_json(text)
    except NotJson as error:
        raise StubFileError(
            f"{path}:{error.line}:{error.column}: not JSON: {error.problem}"
        ) from error
    repeated = repeated_key(text)
    if repeated is not None:
        key, line = repeated
        raise StubFileError(f"{path}:{line}: the key {key!r} is there twice in one object")
    for pointer, value in _mappings_in(document):
        try:
            mapping = read_mapping(value, bodies, pointer=pointer, source=str(path))
        except FieldError as error:
            raise _located(path, text, error.pointer, error.problem) from error
        if strict and mapping.notices:
            first = mapping.notices[0]
            raise _located(path, text, first.pointer, first.problem)
        yield mapping


def _mappings_in(document: Json) -> list[tuple[Pointer, Json]]:
    if isinstance(document, list):
        return [((index,), value) for index, value in enumerate(document)]
    if isinstance(document, dict) and "mappings" in document:
        inner = document["mappings"]
        if isinstance(inner, list):
            return [(("mappings", index), value) for index, value in enumerate(inner)]
        return [(("mappings",), inner)]
    return [((), document)]


def _located(path: Path, text: str, pointer: Pointer, problem: str) -> StubFileError:
    return StubFileError(f"{path}:{line_of(text, pointer)}: {dotted(pointer)}: {problem}")
