"""Which server a command asks, and how it speaks: the options that such commands have alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from stockstream.cli.admin_client import TIMEOUT_SECONDS, AdminClient


@Parameter(name="*")
@dataclass(frozen=True)
class Where:
    """Which server, and how to speak.

    Parameters
    ----------
    url
        Address of the server, else STOCKSTREAM_URL, else port PORT on this machine.
    token
        Its ADMIN_TOKEN or an API token, else STOCKSTREAM_TOKEN, else what DATA_DIRECTORY has.
    as_json
        Print JSON.
    """

    url: str | None = None
    token: str | None = None
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False

    def client(self, *, seconds: float = TIMEOUT_SECONDS) -> AdminClient:
        """The server to talk to, which may take so long for an answer."""
        return AdminClient(self.url, self.token, seconds=seconds)


HERE = Where()
"""The server of this machine."""
