"""The helper `now`."""

import calendar
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mockserver.templating.errors import TemplateError
from mockserver.templating.evaluation import HelperCall
from mockserver.templating.formats import format_time
from mockserver.templating.values import Value, text_of

_OPTIONS: Final = {"format", "offset", "timezone"}
_OFFSET: Final = re.compile(
    r"(?:now )?([+-]?\d{1,9}) (seconds|minutes|hours|days|months|years)", re.IGNORECASE
)
_FIXED_ZONE: Final = re.compile(r"(?:GMT|UTC)?([+-])(\d{1,2}):?(\d{2})?")


def now(call: HelperCall) -> Value:
    """The time: ISO 8601 to the second, or by `format` (a pattern, `epoch` ms or `unix` s).

    `offset` shifts it ('-3 days'), `timezone` names the zone it is written in (UTC).
    """
    unknown = sorted(set(call.options) - _OPTIONS)
    if unknown:
        raise TemplateError(f"the option {unknown[0]!r} is not supported")
    moment = call.rendering.now
    if "offset" in call.options:
        moment = _shifted(moment, text_of(call.options["offset"]))
    pattern = call.options.get("format")
    if pattern == "epoch":
        return str(int(moment.timestamp() * 1000))
    if pattern == "unix":
        return str(int(moment.timestamp()))
    moment = moment.astimezone(_zone(text_of(call.options.get("timezone", "UTC"))))
    if pattern is not None:
        return format_time(moment, text_of(pattern))
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _shifted(moment: datetime, offset: str) -> datetime:
    if offset.lower() == "now":
        return moment
    found = _OFFSET.fullmatch(offset)
    if found is None:
        raise TemplateError(
            f"offset {offset!r} is not an amount and one of seconds, minutes, hours, days, "
            "months, years, such as '-3 days'"
        )
    amount, unit = int(found.group(1)), found.group(2).lower()
    try:
        if unit in {"months", "years"}:
            return _months_later(moment, amount * (12 if unit == "years" else 1))
        return moment + timedelta(**{unit: amount})
    except (OverflowError, ValueError) as error:
        raise TemplateError(f"offset {offset!r} leaves the calendar") from error


def _months_later(moment: datetime, months: int) -> datetime:
    """The same day of another month, or its last day when that month is shorter."""
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def _zone(name: str) -> tzinfo:
    if name in {"UTC", "GMT", "Z"}:
        return UTC
    fixed = _FIXED_ZONE.fullmatch(name)
    if fixed is not None:
        sign, hours, minutes = fixed.groups(default="00")
        shift = timedelta(hours=int(hours), minutes=int(minutes))
        if shift < timedelta(hours=24):
            return timezone(-shift if sign == "-" else shift)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TemplateError(f"unknown time zone {name!r}") from error
