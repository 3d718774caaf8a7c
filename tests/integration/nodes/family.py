"""The processes of a parent with several nodes, found in /proc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from tests.support.server import Server

_NODE = re.compile(r"^ +(?:nodes +)?(\S+-\d+)  (http://127\.0\.0\.1:\d+)$", re.MULTILINE)


def node_urls(server: Server) -> dict[str, str]:
    """Each node's own address, as the start has announced it."""
    return dict(_NODE.findall(server.text))


@dataclass(frozen=True)
class Process:
    """One that ran; `started` tells it from a later one of the same id."""

    pid: int
    started: str
    command: str

    def runs(self) -> bool:
        """Whether it is still there, and no zombie."""
        stat = _stat(self.pid)
        return stat is not None and stat[19] == self.started and stat[0] != "Z"


def family(pid: int) -> list[Process]:
    """All descendants of a process, the server of PostgreSQL and its helpers among them."""
    found: list[Process] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            stat = _stat(child)
            command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if stat is not None:
                found += [Process(child, stat[19], command), *family(child)]
    return found


def nodes(pid: int) -> list[Process]:
    """Those of them that are nodes."""
    return [process for process in family(pid) if "--inherited" in process.command]


async def until_all_have_ended(processes: list[Process], seconds: float) -> None:
    """Wait for the ends of processes that are no children of ours."""
    with trio.move_on_after(seconds):
        while any(process.runs() for process in processes):  # noqa: ASYNC110 - not our children
            await trio.sleep(0.02)
    left = [process for process in processes if process.runs()]
    assert left == []


def _stat(pid: int) -> list[str] | None:
    """The fields behind the name: the state, …, the start time (19)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()
