"""Rules, and a pure function that judges a price by a rule.

A rule fires once when the price crosses its threshold, and not again before the price has moved
back by the hysteresis: a price that trembles at the threshold is one crossing. The cool-down
decides how many crossings become one alert.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from stockstream.quotes import Symbol
from stockstream.users.rows import OwnedRow

if TYPE_CHECKING:
    from stockstream.alerts.window import Extremes

USUAL_HYSTERESIS = 0.1
"""Percent. A tenth of it is the noise of a quiet stock; more would swallow real crossings."""


USUAL_COOLDOWN = 60
"""Seconds. Nobody acts on two alerts of one rule in a minute."""


class Kind(StrEnum):
    """What a rule looks at."""

    ABOVE = "above"
    """The price reaches the threshold from below."""
    BELOW = "below"
    """The price reaches the threshold from above."""
    MOVE = "move"
    """The price is so many percent over the lowest, or under the highest, of the last seconds."""


class Rule(OwnedRow, frozen=True):
    """A user's rule.

    `threshold` is a price, or percents for a move; `window` the seconds of a move, None else.
    `hysteresis` is in percent of the threshold, or in percentage points for a move; `cooldown` the
    seconds after an alert in which crossings are gathered for the next one, 0 for none. `revision`
    rises with each change of the rule. `armed` is the standing as the database has it. Prices in
    another `currency` are not compared; None until one was judged that told its own. What it fires
    goes to the address `mail`, too, once that has confirmed.
    """

    owner: str
    revision: int
    symbol: Symbol
    kind: Kind
    threshold: float
    window: int | None
    hysteresis: float
    cooldown: int
    webhook: str | None
    armed: bool | None
    currency: str | None = None
    mail: str | None = None


class Verdict(NamedTuple):
    """A rule's standing after a price. `reference` is what a move is measured from."""

    armed: bool
    fired: bool
    reference: float | None


class Band(NamedTuple):
    """Prices strictly between `low` and `high`."""

    low: float
    high: float


NOWHERE = Band(math.inf, -math.inf)


def quiet(rule: Rule, armed: bool | None) -> Band:
    """The prices that change nothing for a rule in that standing, and need not be judged."""
    if armed is None or rule.kind is Kind.MOVE:
        return NOWHERE
    back = rule.hysteresis / 100
    if rule.kind is Kind.ABOVE:
        if armed:
            return Band(-math.inf, rule.threshold)
        return Band(rule.threshold * (1 - back), math.inf)
    if armed:
        return Band(rule.threshold, math.inf)
    return Band(-math.inf, rule.threshold * (1 + back))


def judge(rule: Rule, armed: bool | None, price: float, extremes: Extremes | None) -> Verdict:
    """Judge `price` by `rule`, whose standing was `armed`, None before its first price.

    A rule whose condition holds from the beginning has not seen a crossing: it is not armed.
    `extremes` are those of the window, `price` included; None for a rule that has no window.
    """
    reference = None
    back = rule.hysteresis / 100
    if rule.kind is Kind.ABOVE:
        holds, is_back = price >= rule.threshold, price <= rule.threshold * (1 - back)
    elif rule.kind is Kind.BELOW:
        holds, is_back = price <= rule.threshold, price >= rule.threshold * (1 + back)
    else:
        if extremes is None:
            raise ValueError(f"rule {rule.id} needs the extremes of its window")
        rise, fall = price / extremes.low - 1, 1 - price / extremes.high
        size = 100 * max(rise, fall)
        reference = extremes.low if rise >= fall else extremes.high
        holds, is_back = size >= rule.threshold, size <= rule.threshold - rule.hysteresis
    if holds:
        return Verdict(armed=False, fired=armed is True, reference=reference)
    return Verdict(armed=armed is not False or is_back, fired=False, reference=reference)
