"""The helpers of WireMock's templates: those that work here, and those that do not."""

from collections.abc import Mapping
from typing import Final

from mockserver.templating.evaluation import Helper
from mockserver.templating.json_helpers import JSON
from mockserver.templating.list_helpers import LISTS
from mockserver.templating.logic_helpers import LOGIC
from mockserver.templating.number_helpers import NUMBERS
from mockserver.templating.random_helpers import RANDOM
from mockserver.templating.text_helpers import TEXT
from mockserver.templating.times import TIMES

HELPERS: Final[Mapping[str, Helper]] = {
    **LOGIC,
    **TEXT,
    **LISTS,
    **JSON,
    **NUMBERS,
    **RANDOM,
    **TIMES,
}
UNSUPPORTED: Final = frozenset({
    # XML
    "xPath", "soapXPath", "formatXml",
    # of the machine that it runs on; WireMock too refuses it unless it is started with leave
    "systemValue",
    # templates of files, and texts in other languages
    "include", "partial", "block", "embedded", "precompile", "i18n", "i18nJs",
    "dateFormat", "jsonRemove", "log",
})  # fmt: skip
"""Helpers that WireMock has. A stub whose template calls one of them never matches."""
