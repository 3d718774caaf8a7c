"""What the Python peers share: their options, and a message that carries the time."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """A port on 127.0.0.1, seconds between two broadcasts, and the message to broadcast.

    Each `placeholder` in `template` stands for the time of the broadcast. The first one is due
    when there are `clients`, so that connecting is not slowed down by it.
    """

    port: int
    clients: int
    interval: float
    template: str
    placeholder: str

    def message(self) -> str:
        """The message as of now; made once per broadcast, whatever the number of clients."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return self.template.replace(self.placeholder, now.replace("+00:00", "Z"))


def options() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("interval", type=float)
    parser.add_argument("template", type=Path)
    parser.add_argument("placeholder")
    given = parser.parse_args()
    template = given.template.read_text()
    return Options(given.port, given.clients, given.interval, template, given.placeholder)
