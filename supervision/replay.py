"""Messages that wait beside the channel: postponed ones, and those that came while suspended.

An actor gets a replay when it first needs one. It stands in the place of the mailbox's own
`receive` and `receive_nowait`, so that the receive loop of everybody else knows nothing of it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from .mailbox import Envelope, Mailbox, Token


class LeaveBatch(Exception):
    """Raised by the runtime's own code to end the batch of messages that is handled now.

    What is not handled of it stays in the channel.
    """


class Postponed(LeaveBatch):
    """The message that is handled now is to be kept for later."""


class Inspection:
    """A token that is redeemed although its actor is suspended."""

    def redeem(self) -> Envelope | None:
        """Look at the actor; nothing is to be handled."""
        raise NotImplementedError


class Wake(Inspection):
    """Has a receive loop that waits in the channel look again."""

    def redeem(self) -> Envelope | None:
        """Nothing is to be handled."""
        return None


class Replay:
    """What waits beside the channel of `mailbox`, in the order in which it will be handled."""

    __slots__ = ("_again", "_mailbox", "_postponed", "_receive", "_receive_nowait", "suspended")

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._postponed: list[Envelope] = []
        self._again: deque[Envelope | Token | None] = deque()
        self._receive = mailbox.receive
        self._receive_nowait = mailbox.receive_nowait
        self.suspended = False
        mailbox.receive = self.receive
        mailbox.receive_nowait = self.receive_nowait

    def postpone(self, envelope: Envelope) -> bool:
        """Keep a message until `retry`; it counts against the bound as long as it waits.

        So does a timer's message or a DOWN, which did not while it was queued; False when there is
        no room for it, and it is dropped. A timer would fill the memory else: it sends on.
        """
        message, call, correlation, counted = envelope
        if not counted and self._mailbox.queued >= self._mailbox.bound:
            self._mailbox.dropped += 1
            return False
        self._mailbox.queued += 1
        if call is not None:
            call.kept = False  # nobody has it now
        self._postponed.append((message, call, correlation, True))
        return True

    def open(self) -> None:
        """Hold nothing back any more: the actor ends, and takes out what is left."""
        self.suspended = False
        self.retry()

    def retry(self) -> bool:
        """Have the postponed messages handled next, the oldest first; False when there are none."""
        if not self._postponed:
            return False
        self._again.extendleft(reversed(self._postponed))
        self._postponed.clear()
        return True

    def receive_nowait(self) -> Envelope | Token | None:
        """As the channel's, after what waits here.

        Raises:
            trio.WouldBlock: nothing waits, or the actor is suspended.
        """
        if self.suspended:
            raise trio.WouldBlock
        return self._again.popleft() if self._again else self._receive_nowait()

    async def receive(self) -> Envelope | Token | None:
        """As the channel's, after what waits here, and not before the actor is resumed.

        A stop is seen while it is suspended, and so is who looks at it.
        """
        while self.suspended and self._mailbox.stop_reason is None:
            item = await self._receive()
            if isinstance(item, Inspection):
                item.redeem()
            else:
                self._again.append(item)
        if self._again:
            await trio.lowlevel.checkpoint()
            return self._again.popleft()
        return await self._receive()
