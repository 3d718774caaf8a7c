"""The file by which commands find the parent of the nodes that were started in a directory.

The parent holds a lock on it for as long as it lives, and removes it at its end; the file of one
that was killed is nobody's.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import msgspec

from stockstream.decoding import from_json
from stockstream.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from stockstream.nodes.processes import NodeProcess

FILE = "nodes.json"


class Node(msgspec.Struct, frozen=True):
    """A node: its name, its own address, the process it is now (None while there is none)."""

    name: str
    url: str
    pid: int | None
    serving: bool


class Parent(msgspec.Struct, frozen=True):
    """The process of the parent, and its nodes."""

    pid: int
    nodes: list[Node]


class ParentFile:
    """The parent's own hold on it. All of it blocks, for a moment.

    Raises:
        StartError: the nodes of another parent run from this directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StartError(
                f"the nodes of another `serve --nodes` or `cluster up` run from {directory}; stop "
                "it, or set another DATA_DIRECTORY"
            ) from None
        self._descriptor: int | None = descriptor

    def write(self, nodes: Iterable[NodeProcess]) -> None:
        """Tell how the nodes are now."""
        if self._descriptor is None:
            return
        told = [Node(one.name, one.url, one.pid, one.serves) for one in nodes]
        text = msgspec.json.encode(Parent(os.getpid(), told)) + b"\n"
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def remove(self) -> None:
        """Let it go. Idempotent."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def running_parent(directory: Path) -> Parent | None:
    """The parent whose nodes run from `directory`; None where there is none. Blocks.

    Raises:
        StartError: the file cannot be read.
    """
    try:
        descriptor = os.open(directory / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartError(f"{directory / FILE} cannot be read: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        # Somebody holds it, so it is written in a moment at the latest.
        text = os.pread(descriptor, 1 << 20, 0)
    else:
        return None
    finally:
        os.close(descriptor)
    try:
        return from_json(text, Parent)
    except msgspec.MsgspecError:
        return None
