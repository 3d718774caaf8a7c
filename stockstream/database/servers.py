"""Where a database server is, and which setting says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stockstream.database.embedded.files import Layout
from stockstream.database.embedded.programs import EmbeddedFailed
from stockstream.database.query import NotYet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Server:
    """A server's address, or a way to find it; `setting` is what an operator would change."""

    setting: str
    url: str | Callable[[], str] = field(repr=False)

    def address(self) -> str:
        """The URL as of now.

        Raises:
            NotYet: it is not known yet.
        """
        return self.url if isinstance(self.url, str) else self.url()


def embedded_server(directory: Path) -> Server:
    """The embedded server under a data directory; any node may run it."""
    layout = Layout(directory.absolute())

    def url() -> str:
        try:
            return layout.url()
        except EmbeddedFailed as error:
            raise NotYet(str(error)) from error

    return Server("DATABASE_URL", url)
