"""The text of a file, whoever encoded it. No I/O."""

from __future__ import annotations

import codecs
import re

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f]")
"""One may be in a text by mistake."""


class NotReadable(ValueError):
    """No list can be read at all; it goes to who gave it."""


def decoded(data: bytes) -> str:
    """The text of a file: UTF-8, UTF-16, or what Windows wrote before.

    Raises:
        NotReadable: it is none.
    """
    name = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    halves = (data[1::2].count(0), data[0::2].count(0))
    if name == "utf-8" and max(halves) * 4 > len(data):
        name = "utf-16-le" if halves[0] > halves[1] else "utf-16-be"
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        if name != "utf-8":
            raise NotReadable("it is no text") from None
        text = data.decode("cp1252", "replace")
    if "\0" in text or len(_CONTROLS.findall(text)) * 50 > len(text):
        raise NotReadable("it is no text")
    return text
