"""A page's modules as one script with a source map, joined line by line.

Each module but the page's own becomes a function, so names of two modules do not meet. It takes
what our modules are written with, and refuses the rest by file and line: it parses no JavaScript.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_IMPORT = re.compile(r'import\s*(?:\{(?P<names>[^}]*)\}\s*from\s*)?"(?P<path>\.[^"]*)";')
_EXPORT = re.compile(r"export (?=(?:async )?function\*? (\w+)|class (\w+)|const (\w+))")
_TYPES_ONLY = "export {};"
_CAST = re.compile(r"/\*\* @type .*?\*/ ?")
_PRIVATE = re.compile(r"(?P<before>\.|^(?:(?:static|async|get|set) |\*)*)#(?P<name>\w+)")
_ADDRESS = re.compile(r"\bimport(?:\.meta\b|\()")
_AWAIT = re.compile(r"(?:await|(?:const|let) [^=]+ = await)\b")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

Place = tuple[str, int]
"""A module, and a line of it from 0 on."""


class BundleError(ValueError):
    """A module is written in a way that cannot be joined; the message says where and how."""

    def __init__(self, path: str, line: int, why: str) -> None:
        super().__init__(f"{path}:{line + 1}: {why}")


@dataclass(slots=True)
class _Module:
    """`lines` are code without comments, with their places in the source."""

    imports: list[tuple[str, str]] = field(default_factory=list)
    """Paths, and the names taken from each, as they stand between the braces."""
    exports: list[str] = field(default_factory=list)
    lines: list[tuple[str, int]] = field(default_factory=list)


class _Shorter:
    """Gives the private names of classes, which nobody else can mean, short ones: `#a`, `#b`."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __call__(self, found: re.Match[str]) -> str:
        high, low = divmod(len(self._names), len(_LETTERS))
        short = f"{_LETTERS[low]}{high or ''}"
        return f"{found['before']}#{self._names.setdefault(found['name'], short)}"


def bundle(contents: Mapping[str, bytes], entry: str) -> dict[str, bytes]:
    """The script for `entry`, as `js/main.js`, and its map: `js/main.bundle.js` and `.js.map`.

    It has to lie in the folder of the entry, to which addresses in modules are relative.

    Raises:
        BundleError: a module is missing, or cannot be joined.
    """
    modules: dict[str, _Module] = {}
    _collect(contents, entry, modules, [])
    names = {path: f"${number}" for number, path in enumerate(modules)}
    script: list[str] = []
    places: list[Place | None] = []
    for path, module in modules.items():
        shorter = _Shorter()  # of each module anew: the same few names compress best
        lines = _takes(module, names) if path == entry else _function(module, path, names)
        for line, where in lines:
            script.append(_PRIVATE.sub(shorter, line.strip()))
            places.append(None if where is None else (path, where))
    if exports := modules[entry].exports:
        script.append(f"export {{ {', '.join(exports)} }};")
        places.append(None)
    target = f"{entry.removesuffix('.js')}.bundle.js"
    script.append(f"//# sourceMappingURL={posixpath.basename(target)}.map\n")
    return {
        target: "\n".join(script).encode(),
        f"{target}.map": _source_map(places, list(modules), posixpath.dirname(entry)),
    }


def _collect(
    contents: Mapping[str, bytes], path: str, modules: dict[str, _Module], above: list[str]
) -> None:
    """Add a module after all that it imports, as they would run; `above` are who import it."""
    module = _read(path, contents[path].decode())
    if above:
        _check_place(module, path, posixpath.dirname(above[0]))
    for imported, _ in module.imports:
        if imported in (*above, path):
            raise BundleError(path, 0, f"it and {imported} import each other")
        if imported not in contents:
            raise BundleError(path, 0, f"it imports {imported}, which is not there")
        if imported not in modules:
            _collect(contents, imported, modules, [*above, path])
    modules[path] = module


def _check_place(module: _Module, path: str, folder: str) -> None:
    """Refuse what means something else inside a function, or in the page's `folder`."""
    for line, where in module.lines:
        if _AWAIT.match(line):
            raise BundleError(path, where, "only the page's own module can wait")
        if _ADDRESS.search(line) and posixpath.dirname(path) != folder:
            raise BundleError(path, where, f"only modules in {folder} can say where they are")


def _takes(module: _Module, names: Mapping[str, str]) -> Iterable[tuple[str, int | None]]:
    """A module's code, after what it takes from those before it."""
    for imported, taken in module.imports:
        if taken:
            yield f"const {{ {taken.replace(' as ', ': ')} }} = {names[imported]};", None
    yield from module.lines


def _function(
    module: _Module, path: str, names: Mapping[str, str]
) -> Iterable[tuple[str, int | None]]:
    yield f"const {names[path]} = (() => {{", None
    yield from _takes(module, names)
    yield f"return {{ {', '.join(module.exports)} }};", None
    yield "})();", None


def _read(path: str, text: str) -> _Module:
    module = _Module()
    pending = ""
    for where, line in _code(path, text):
        code = f"{pending} {line.strip()}" if pending else line
        if code.startswith("import ") and not code.endswith(";"):
            pending = code
            continue
        pending = ""
        if code.startswith("import "):
            found = _IMPORT.fullmatch(code)
            if found is None:
                raise BundleError(
                    path, where, 'imports are written `import { a, b as c } from "./d.js";`'
                )
            imported = posixpath.normpath(posixpath.join(posixpath.dirname(path), found["path"]))
            taken = [name.strip() for name in (found["names"] or "").split(",")]
            module.imports.append((imported, ", ".join(filter(None, taken))))
            continue
        if code.startswith("export ") and code != _TYPES_ONLY:
            exported = _EXPORT.match(code)
            if exported is None:
                raise BundleError(
                    path, where, "what is exported is a function, a class or one constant"
                )
            module.exports.append(exported[1] or exported[2] or exported[3])
            code = code[exported.end() :]
        if code != _TYPES_ONLY:
            module.lines.append((code, where))
    return module


def _code(path: str, text: str) -> Iterable[tuple[int, str]]:
    """The lines that are no comments, with their numbers, and with their margin, which tells
    statements of the module from what is in them.
    """
    in_comment = False
    for where, line in enumerate(text.splitlines()):
        bare = line.strip()
        if in_comment:
            in_comment = "*/" not in bare
            continue
        if bare.startswith("/*") and "*/" not in bare:
            in_comment = True
            continue
        if not bare or bare.startswith("//") or (bare.startswith("/*") and bare.endswith("*/")):
            continue
        if bare.count("`") % 2:
            raise BundleError(path, where, "a template literal over several lines")
        yield where, _CAST.sub("", line).rstrip()


def _source_map(places: list[Place | None], sources: list[str], folder: str) -> bytes:
    mappings = []
    last_source = last_line = 0
    for place in places:
        if place is None:
            mappings.append("")
            continue
        source, line = sources.index(place[0]), place[1]
        steps = (0, source - last_source, line - last_line, 0)
        mappings.append("".join(map(_digits, steps)))
        last_source, last_line = source, line
    return json.dumps(
        {
            "version": 3,
            "sources": [posixpath.relpath(source, folder) for source in sources],
            "names": [],
            "mappings": ";".join(mappings),
        }
    ).encode()


def _digits(number: int) -> str:
    """A number as source maps have it: its sign in the lowest bit, five bits a digit."""
    rest = abs(number) << 1 | (number < 0)
    told = ""
    while True:
        rest, digit = rest >> 5, rest & 31
        told += _DIGITS[digit | (32 if rest else 0)]
        if not rest:
            return told
