"""How long a client may keep us waiting while it sends the body of a request."""

__all__ = ["BodyAllowance"]


class BodyAllowance:
    """Time that waiting uses up and bytes earn again, up to the longest pause.

    So a long pause is cut off, and so is a client that sends single bytes for ever. Only the time
    in which we waited for the client counts: a slow app is not a slow client.
    """

    __slots__ = ("_left", "_pause", "_rate")

    def __init__(self, *, pause: float, rate: float) -> None:
        """`pause` in seconds; `rate` is the least that a client must send, in bytes a second."""
        self._pause = self._left = pause
        self._rate = rate

    def after(self, waited: float, received: int) -> float:
        """Seconds that the next wait may take, after one of `waited` seconds brought `received`."""
        self._left = min(self._pause, max(0.0, self._left - waited) + received / self._rate)
        return self._left
