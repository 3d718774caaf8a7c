"""Write stockstream/market/calendars.json: when the exchanges trade, to the end of next year.

The hours, holidays and early closes are those of exchange_calendars (Apache-2.0). Neither the
product nor its tests need it, and it brings pandas (189 MB), so it is no development dependency. To
make the file again, in an environment of its own:

    python3 -m venv /tmp/calendars
    /tmp/calendars/bin/pip install exchange_calendars==4.13.2 "pandas<3"
    PYTHONPATH=. /tmp/calendars/bin/python scripts/calendars.py

`tests/unit/market/test_calendars.py` compares the file with exchange_calendars where that is there.
"""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

import exchange_calendars
import pandas

from stockstream.market.exchange_zones import CALENDARS

OUTPUT = Path(__file__).parent.parent / "stockstream/market/calendars.json"
ONE_DAY = timedelta(days=1)
Hours = tuple[tuple[str, str], ...]
"""From and to, in the time of the exchange; two of these where there is a break."""


def days_of(name: str, first: date, last: date) -> dict[date, Hours]:
    """The hours of each day on which there is trade."""
    # Without the year before some have too few holidays for pandas.
    calendar = exchange_calendars.get_calendar(name, start=first - 365 * ONE_DAY, end=last)
    zone = ZoneInfo(CALENDARS[name])

    def local(moment: "pandas.Timestamp") -> str:
        return moment.tz_convert(zone).strftime("%H:%M:%S")

    found: dict[date, Hours] = {}
    for session, row in calendar.schedule.loc[first.isoformat() :].iterrows():
        opens, closes = local(row["open"]), local(row["close"])
        hours: Hours = ((opens, closes),)
        if not pandas.isna(row["break_start"]):
            hours = ((opens, local(row["break_start"])), (local(row["break_end"]), closes))
        found[session.date()] = hours
    return found


def known(name: str, last: date) -> date:
    """The last day until which the holidays are known, or `last`."""
    bound = exchange_calendars.get_calendar(name).bound_max()
    return last if bound is None else min(last, bound.date())


def described(name: str, first: date, last: date) -> dict[str, object]:
    """One market as it stands in the file: what is usual, and the days that are not."""
    until = known(name, last)
    days = days_of(name, first, until)
    weekdays = sorted({day.weekday() for day, _ in days.items() if usual_weekday(days, day)})
    usual = Counter(days.values()).most_common(1)[0][0]
    closed: list[str] = []
    other: dict[str, Hours] = {}
    day = first
    while day <= until:
        hours = days.get(day, ())
        expected = usual if day.weekday() in weekdays else ()
        if hours != expected:
            if hours:
                other[day.isoformat()] = hours
            else:
                closed.append(day.isoformat())
        day += ONE_DAY
    return {
        "zone": CALENDARS[name],
        "until": until.isoformat(),
        "weekdays": weekdays,
        "hours": usual,
        "closed": closed,
        "other": other,
    }


def usual_weekday(days: dict[date, Hours], day: date) -> bool:
    """Whether there is trade on most of these days of the week."""
    return 2 * sum(other.weekday() == day.weekday() for other in days) > len(days) / 7


def written(first: date, last: date) -> str:
    """The file, with a market to a line: changes can be read."""
    head = {
        "made": datetime.now(UTC).date().isoformat(),
        "exchange_calendars": version("exchange_calendars"),
        "first": first.isoformat(),
        "last": last.isoformat(),
    }
    lines = [
        f"  {json.dumps(name)}: {json.dumps(described(name, first, last), separators=(',', ':'))}"
        for name in sorted(CALENDARS)
    ]
    told = json.dumps(head)[1:-1]
    return "{" + told + ', "markets": {\n' + ",\n".join(lines) + "\n}}\n"


def main() -> None:
    """Write the file."""
    today = datetime.now(UTC).date()
    OUTPUT.write_text(written(today.replace(day=1), date(today.year + 1, 12, 31)), "utf-8")


if __name__ == "__main__":
    main()
