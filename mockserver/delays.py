"""How late an answer comes: fixed, drawn from a distribution, or dribbled in pieces. Pure.

Times are seconds here and milliseconds in stub files, as in WireMock.
"""

import math
import random
from dataclasses import dataclass
from typing import Final

from mockserver.problems import Reader, refuse_unknown

MAX_DELAY_MILLISECONDS: Final = 3_600_000  # an hour; more is a slip of the finger


@dataclass(frozen=True, slots=True)
class Lognormal:
    """A delay with a long tail: `sigma` is of its logarithm; above `highest` it is drawn again."""

    median: float
    sigma: float
    highest: float | None

    def draw(self, dice: random.Random) -> float:
        """One delay in seconds."""
        for _ in range(100):
            drawn = self.median * math.exp(self.sigma * dice.gauss(0, 1))
            if self.highest is None or drawn <= self.highest:
                return min(drawn, MAX_DELAY_MILLISECONDS / 1000)
        return self.highest or self.median


@dataclass(frozen=True, slots=True)
class Uniform:
    """A delay anywhere from `lower` to `upper`."""

    lower: float
    upper: float

    def draw(self, dice: random.Random) -> float:
        """One delay in seconds."""
        return dice.uniform(self.lower, self.upper)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same delay."""

    seconds: float

    def draw(self, dice: random.Random) -> float:  # noqa: ARG002 - the distributions' interface
        """One delay in seconds."""
        return self.seconds


DelayDistribution = Lognormal | Uniform | Fixed


@dataclass(frozen=True, slots=True)
class Dribble:
    """The body in `chunks` pieces, spread over `seconds`."""

    chunks: int
    seconds: float

    def pieces(self, body: bytes) -> list[bytes]:
        """`body` in pieces of nearly equal size, none empty."""
        count = max(1, min(self.chunks, len(body)))
        size, longer = divmod(len(body), count)
        pieces, at = [], 0
        for index in range(count):
            end = at + size + (1 if index < longer else 0)
            pieces.append(body[at:end])
            at = end
        return pieces


def read_distribution(field: Reader) -> DelayDistribution | None:
    """The `delayDistribution` at `field`; None, with a notice, for a type that is not known."""
    members = field.object()
    if "type" not in members:
        raise field.fail("expected a type: lognormal, uniform or fixed")
    kind = members["type"].text()
    known: dict[str, tuple[str, ...]] = {
        "lognormal": ("median", "sigma"),
        "uniform": ("lower", "upper"),
        "fixed": ("milliseconds",),
    }
    if kind not in known:
        members["type"].disable(f"there is no distribution {kind!r}")
        return None
    missing = [name for name in known[kind] if name not in members]
    if missing:
        raise field.fail(f"{kind} needs {' and '.join(missing)}")
    refuse_unknown(members, frozenset({"type", "maxValue", *known[kind]}))
    if kind == "lognormal":
        sigma = members["sigma"].number(0, 100)
        highest = _milliseconds(members["maxValue"]) if "maxValue" in members else None
        return Lognormal(_milliseconds(members["median"]), sigma, highest)
    if kind == "fixed":
        return Fixed(_milliseconds(members["milliseconds"]))
    lower, upper = _milliseconds(members["lower"]), _milliseconds(members["upper"])
    if lower > upper:
        raise field.fail("lower is above upper")
    return Uniform(lower, upper)


def read_dribble(field: Reader) -> Dribble:
    """The `chunkedDribbleDelay` at `field`."""
    members = field.object()
    missing = [name for name in ("numberOfChunks", "totalDuration") if name not in members]
    if missing:
        raise field.fail(f"expected {' and '.join(missing)}")
    refuse_unknown(members, frozenset({"numberOfChunks", "totalDuration"}))
    return Dribble(
        members["numberOfChunks"].whole(1, 10_000), _milliseconds(members["totalDuration"])
    )


def _milliseconds(field: Reader) -> float:
    return field.number(0, MAX_DELAY_MILLISECONDS) / 1000
