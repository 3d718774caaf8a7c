"""The helpers of dates and times."""

import calendar
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mockserver.templating.errors import TemplateError
from mockserver.templating.evaluation import Helper, HelperCall
from mockserver.templating.formats import format_time
from mockserver.templating.values import Value, text_of

_OPTIONS: Final = frozenset({"format", "offset", "timezone"})
_OFFSET: Final = re.compile(
    r"(?:now )?([+-]?\d{1,9}) (seconds|minutes|hours|days|months|years)", re.IGNORECASE
)
_FIXED_ZONE: Final = re.compile(r"(?:GMT|UTC)?([+-])(\d{1,2}):?(\d{2})?")


def now(call: HelperCall) -> Value:
    """The time: ISO 8601 to the second, or by `format` (a pattern, `epoch` ms or `unix` s).

    `offset` shifts it ('-3 days'), `timezone` names the zone it is written in (UTC).
    """
    if not call.options:
        return call.rendering.now_in_iso()
    return _shown(call, call.rendering.now)


def _date(call: HelperCall) -> Value:
    """A time that `parseDate` read, or now; by the same options."""
    moment = call.argument(0)
    if moment is None:
        return now(call)
    if not isinstance(moment, datetime):
        raise TemplateError(f"{text_of(moment)!r} is not a date; read it with parseDate")
    return _shown(call, moment) if call.options else moment


def _parse_date(call: HelperCall) -> Value:
    """A text as a time: ISO 8601, or by `format` `epoch` (ms) or `unix` (s)."""
    text = text_of(call.argument(0))
    pattern = text_of(call.options.get("format"))
    try:
        if pattern in {"epoch", "unix"}:
            seconds = int(text) / (1000 if pattern == "epoch" else 1)
            return datetime.fromtimestamp(seconds, UTC)
        if pattern:
            raise TemplateError(f"dates in the format {pattern!r} are not read here")
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise TemplateError(f"{text!r} is not a date in ISO 8601") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _truncated(call: HelperCall) -> Value:
    """A time moved to the begin of its minute, hour, day, month or year, or to a last day."""
    moment, where = call.argument(0), text_of(call.argument(1))
    if not isinstance(moment, datetime):
        raise TemplateError("expected a date; read it with parseDate")
    if where not in _TRUNCATIONS:
        raise TemplateError(f"{where!r} is none of {', '.join(_TRUNCATIONS)}")
    return _TRUNCATIONS[where](moment)


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _month(moment: datetime) -> datetime:
    return _day(moment).replace(day=1)


def _year(moment: datetime) -> datetime:
    return _month(moment).replace(month=1)


_TRUNCATIONS: Final[Mapping[str, Callable[[datetime], datetime]]] = {
    "first second of minute": lambda moment: moment.replace(second=0, microsecond=0),
    "first minute of hour": lambda moment: moment.replace(minute=0, second=0, microsecond=0),
    "first hour of day": _day,
    "first day of month": _month,
    "first day of next month": lambda moment: _months_later(_month(moment), 1),
    "last day of month": lambda moment: _months_later(_month(moment), 1) - timedelta(days=1),
    "first day of year": _year,
    "first day of next year": lambda moment: _months_later(_year(moment), 12),
    "last day of year": lambda moment: _months_later(_year(moment), 12) - timedelta(days=1),
}


def _shown(call: HelperCall, moment: datetime) -> Value:
    if "offset" in call.options:
        moment = _shifted(moment, text_of(call.options["offset"]))
    pattern = call.options.get("format")
    if pattern == "epoch":
        return str(int(moment.timestamp() * 1000))
    if pattern == "unix":
        return str(int(moment.timestamp()))
    moment = moment.astimezone(_zone(text_of(call.options.get("timezone", "UTC"))))
    return _iso(moment) if pattern is None else format_time(moment, text_of(pattern))


def _iso(moment: datetime) -> str:
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


TIMES: Final[Mapping[str, Helper]] = {
    "now": Helper(now, _OPTIONS),
    "date": Helper(_date, _OPTIONS),
    "parseDate": Helper(_parse_date, frozenset({"format"})),
    "truncateDate": Helper(_truncated),
}
