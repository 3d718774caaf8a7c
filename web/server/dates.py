"""The `Date` header, which changes once a second."""

from email.utils import formatdate
from time import time  # noqa: TID251 - the wall clock is what the header tells

__all__ = ["DATE"]


class _DateHeader:
    __slots__ = ("_header", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._header = (b"date", b"")

    def header(self) -> tuple[bytes, bytes]:
        """The header of now."""
        second = int(time())
        if second != self._second:
            self._second = second
            self._header = (b"date", formatdate(second, usegmt=True).encode())
        return self._header


DATE = _DateHeader()
