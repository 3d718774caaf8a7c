"""How many messages wait in the mailboxes, read from memory without a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .dynamic import DynamicSupervisor
from .supervising import Supervising

if TYPE_CHECKING:
    from .cell import Cell
    from .system import System


class MailboxDepth(NamedTuple):
    """So many casts and calls wait; `most` ever waited since the actor started."""

    queued: int
    most: int


NOTHING_WAITS = MailboxDepth(0, 0)


def mailbox_depths(system: System) -> dict[str, MailboxDepth]:
    """The depth of each mailbox, by path, parents before children.

    The children of a dynamic supervisor are one, `…/#`, with the highest figures of them all: so
    the paths are as few as the specs, however many children there are.
    """
    depths: dict[str, MailboxDepth] = {}
    if system.root is not None:
        _note(system.root, system.root.path, depths)
    return depths


def _note(cell: Cell, place: str, depths: dict[str, MailboxDepth]) -> None:
    mailbox = cell.mailbox
    queued, most = depths.get(place, NOTHING_WAITS)
    here = mailbox.queued
    depths[place] = MailboxDepth(max(queued, here), max(most, mailbox.high_water, here))
    actor = None if cell.ended else cell.actor
    if isinstance(actor, Supervising):
        numbered = isinstance(actor, DynamicSupervisor)
        for child in actor.children.values():
            if child.cell is not None:
                below = actor.child_path("#" if numbered else child.id)
                _note(child.cell, _under(place, actor.path, below), depths)


def _under(place: str, path: str, below: str) -> str:
    """The place of the child at `below`, whose parent at `path` is shown as `place`."""
    return below if place == path else place + below.removeprefix(path)
