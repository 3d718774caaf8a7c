"""The helpers that draw at random, all from the rendering's dice."""

import math
import string
import uuid
from collections.abc import Mapping
from typing import Final

from mockserver.templating.arguments import number_of, whole_of
from mockserver.templating.errors import TemplateError
from mockserver.templating.evaluation import Helper, HelperCall
from mockserver.templating.values import Value, is_truthy, items_of, member, text_of

MAX_RANDOM_LENGTH: Final = 100_000  # characters
_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1
_DOUBLE_MIN: Final = 5e-324
_DOUBLE_MAX: Final = 1.7976931348623157e308


def random_decimal(call: HelperCall) -> Value:
    """In [lower, upper): uniform, or by the rendering's walk of what `this` is, by its symbol."""
    lower = float(number_of(call.options.get("lower", _DOUBLE_MIN), "lower"))
    upper = float(number_of(call.options.get("upper", _DOUBLE_MAX), "upper"))
    if not lower < upper:
        raise TemplateError(f"lower ({lower}) must be below upper ({upper})")
    if not math.isfinite(upper - lower):
        raise TemplateError(f"the range from {lower} to {upper} is too wide")
    if call.rendering.walk is not None:
        return call.rendering.walk(text_of(member(call.scope.this, "symbol")), lower, upper)
    drawn = lower + (upper - lower) * call.rendering.dice.random()
    # The product can round up to `upper`, which is outside.
    return drawn if drawn < upper else math.nextafter(upper, lower)


def random_int(call: HelperCall) -> Value:
    """Uniform over the whole numbers of [lower, upper)."""
    lower = int(number_of(call.options.get("lower", _INT_MIN), "lower"))
    upper = int(number_of(call.options.get("upper", _INT_MAX), "upper"))
    if not lower < upper:
        raise TemplateError(f"lower ({lower}) must be below upper ({upper})")
    return call.rendering.dice.randrange(lower, upper)


_ALPHABETS: Final = {
    "ALPHANUMERIC": string.ascii_letters + string.digits,
    "ALPHABETIC": string.ascii_letters,
    "NUMERIC": string.digits,
    "HEXADECIMAL": "0123456789ABCDEF",
    "ALPHANUMERIC_AND_SYMBOLS": "".join(map(chr, range(33, 126))),
}


def random_value(call: HelperCall) -> Value:
    """Text of `length` (36) characters of a `type` (ALPHANUMERIC), or a UUID."""
    kind = text_of(call.options.get("type")) or "ALPHANUMERIC"
    dice = call.rendering.dice
    if kind == "UUID":
        drawn = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    elif kind in _ALPHABETS:
        length = whole_of(call.options.get("length", 36), "length", MAX_RANDOM_LENGTH)
        drawn = "".join(dice.choices(_ALPHABETS[kind], k=length))
    else:
        raise TemplateError(f"type {kind!r} is none of UUID, {', '.join(_ALPHABETS)}")
    return drawn.upper() if is_truthy(call.options.get("uppercase")) else drawn.lower()


def pick_random(call: HelperCall) -> Value:
    """One of the arguments, or of the list that is the only argument; `count` of them as a list."""
    choices = items_of(call.argument(0)) if len(call.arguments) == 1 else list(call.arguments)
    if not choices:
        raise TemplateError("there is nothing to pick from")
    if "count" not in call.options:
        return call.rendering.dice.choice(choices)
    count = whole_of(call.options["count"], "count", len(choices))
    return call.rendering.dice.sample(choices, count)


RANDOM: Final[Mapping[str, Helper]] = {
    "randomDecimal": Helper(random_decimal, frozenset({"lower", "upper"})),
    "randomInt": Helper(random_int, frozenset({"lower", "upper"})),
    "randomValue": Helper(random_value, frozenset({"type", "length", "uppercase"})),
    "pickRandom": Helper(pick_random, frozenset({"count"})),
}
