"""JSONPath as WireMock's stubs use it: compiled once, then read from documents.

The dialect is Jayway's, which WireMock has. Steps: `.name`, `['name']`, `['a','b']`, `[0]`, `[-1]`,
`[1:3]`, `[0,2]`, `.*`, `[*]`, `..name`, a function at the end (`.length()`), and filters
`[?(@.price > 10 && @.symbol in ['AAPL'])]`. A path without wildcard, slice, filter or `..` is
*definite*: it reads one value; any other reads a list.
"""

from dataclasses import dataclass

from mockserver.json_types import Json
from mockserver.jsonpath.cursor import JsonPathError
from mockserver.jsonpath.parsing import read_path
from mockserver.jsonpath.steps import Document, Path

__all__ = ["JsonPath", "JsonPathError", "compile_path"]


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path."""

    expression: str
    definite: bool
    _path: Path

    def nodes(self, document: Json) -> list[Json]:
        """Every value the path selects, in document order. Raises `TooMuchWork`."""
        return self._path.nodes(document, Document(document))


def compile_path(expression: str) -> JsonPath:
    """Compile `expression`. Raises `JsonPathError`, which names it."""
    path = read_path(expression)
    return JsonPath(expression, path.definite, path)
