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
    if isinstance(actor, DynamicSupervisor):
        crowd = _below(actor, "#", place)
        depths[crowd] = _of_crowd(actor, crowd, depths)
    elif isinstance(actor, Supervising):
        for child in actor.children.values():
            if child.cell is not None:
                _note(child.cell, _below(actor, child.id, place), depths)


def _of_crowd(actor: Supervising, place: str, depths: dict[str, MailboxDepth]) -> MailboxDepth:
    """The highest figures of all children. There may be ten thousand, so each costs little."""
    queued, most = depths.get(place, NOTHING_WAITS)
    for child in actor.children.values():
        cell = child.cell
        if cell is None:
            continue
        if isinstance(cell.actor, Supervising):
            _note(cell, place, depths)
        mailbox = cell.mailbox
        if mailbox.queued > queued:  # noqa: PLR1730 - a call for each would take three times as long
            queued = mailbox.queued
        if mailbox.high_water > most:  # noqa: PLR1730
            most = mailbox.high_water
    return MailboxDepth(queued, max(most, queued))


def _below(parent: Supervising, child_id: str, place: str) -> str:
    """The place of a child, whose parent is shown as `place`: that is its path, or has a `#`."""
    below = parent.child_path(child_id)
    return below if place == parent.path else place + below.removeprefix(parent.path)
