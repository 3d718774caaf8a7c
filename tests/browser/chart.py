"""The page of one symbol as a person uses it, and answers that a test puts in history's place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from tests.browser.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

DAY = 86_400
MONDAY = 4 * DAY
STEPS = {
    "1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14_400, "1d": DAY, "1w": 7 * DAY
}  # fmt: skip
LENGTHS = {
    "15m": 900, "1h": 3600, "1td": DAY, "5td": 7 * DAY, "1mo": 30 * DAY, "3mo": 91 * DAY,
    "6mo": 182 * DAY, "ytd": 300 * DAY, "1y": 365 * DAY, "5y": 1826 * DAY, "all": 9000 * DAY
}  # fmt: skip


def iso(seconds: float) -> str:
    """As the API writes times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class ChartPage:
    """One open page. Methods act and wait; properties locate."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.chart = page.get_by_test_id("chart")
        self.state = page.get_by_test_id("chart-state")
        self.notes = page.get_by_test_id("chart-notes")
        self.readout = page.get_by_test_id("readout")
        self.summary = page.get_by_test_id("chart-summary")
        self.price = page.get_by_test_id("chart-price")
        self.ranges = page.get_by_role("navigation", name="Range")
        self.figures = page.locator("#figures")
        self.rows = page.locator("#figures tbody tr")
        self.live = page.locator("#live")

    def expect_drawn(self) -> None:
        """Wait until the picture is there and nothing is said over it."""
        expect(self.chart.locator("canvas").first).to_be_visible()
        expect(self.state).to_be_hidden()

    def colours(self) -> set[tuple[int, int, int]]:
        """All opaque colours of the picture."""
        found = self.page.evaluate(
            """[...document.querySelectorAll("#chart canvas")].flatMap((canvas) => {
              if (canvas.width === 0 || canvas.height === 0) return [];
              const context = canvas.getContext("2d");
              const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
              const seen = new Set();
              for (let i = 0; i < data.length; i += 4) {
                const [red, green, blue, alpha] = data.subarray(i, i + 4);
                if (alpha === 255) seen.add((red << 16) | (green << 8) | blue);
              }
              return [...seen];
            })"""
        )
        return {(colour >> 16, colour >> 8 & 255, colour & 255) for colour in found}

    def expect_colour(self, wanted: tuple[int, int, int]) -> None:
        """Wait until it is drawn with this colour."""
        until(self.page, lambda: wanted in self.colours(), self.colours)

    def expect_no_colour(self, wanted: tuple[int, int, int]) -> None:
        """Wait until nothing is drawn with this colour."""
        until(self.page, lambda: wanted not in self.colours(), self.colours)

    def system_colour(self, name: str) -> tuple[int, int, int]:
        """What a colour of the system is here, such as `CanvasText`."""
        text: str = self.page.evaluate(
            """(name) => {
              const probe = document.createElement("i");
              probe.style.setProperty("forced-color-adjust", "none");
              probe.style.color = name;
              document.body.append(probe);
              const { color } = getComputedStyle(probe);
              probe.remove();
              return color;
            }""",
            name,
        )
        red, green, blue = map(int, re.findall(r"\d+", text)[:3])
        return red, green, blue

    def crosshair(self) -> float | None:
        """Where the label of the crosshair is on the axis of time: from 0, left, to 1."""
        found: float | None = self.page.evaluate(
            """(ink) => {
              const axis = document.querySelectorAll("#chart tr:last-child td:nth-child(2) canvas");
              for (const canvas of axis) {
                const { data, width, height } = canvas.getContext("2d")
                  .getImageData(0, 0, canvas.width, canvas.height);
                let [left, right] = [width, 0];
                for (let i = 0; i < data.length; i += 4) {
                  const x = (i / 4) % width;
                  if (ink.some((part, at) => data[i + at] !== part)) continue;
                  left = Math.min(left, x);
                  right = Math.max(right, x);
                }
                if (right - left > 40) return (left + right) / 2 / width;
              }
              return null;
            }""",
            [27, 26, 23],
        )
        return found

    @property
    def said(self) -> str:
        """What a screen reader reads of the cursor."""
        return self.chart.get_attribute("aria-valuetext") or ""


def _begin(at: float, step: int) -> float:
    """When the candle begins that a moment belongs to."""
    return (at - MONDAY) // step * step + MONDAY


@dataclass
class Answers:
    """Answers in place of history's: the same candles for every question, of this moment."""

    closes: tuple[float, ...] = (150.0, 151.0, 150.5, 149.5)
    """Closes of the newest candles; the last is of the candle that moves now."""
    unavailable: str | None = None
    refused: str | None = None
    behind: tuple[str, float] | None = None
    """What is told of recording when it is not current: the state, and by how many seconds."""
    gap: int = 0
    """So many candles are left out before the newest."""
    others: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Closes of other symbols, by their names."""
    older: tuple[float, ...] = ()
    """Closes of candles before those, for who goes back to them."""
    volumes: tuple[float | None, ...] = ()
    """Those of the newest candles; of others none is known."""
    warm_up: int = 1
    asked: list[dict[str, str]] = field(default_factory=list)
    _newest: dict[int, float] = field(default_factory=dict)

    def install(self, page: Page) -> None:
        """Answer what this page asks from now on."""
        page.route("**/api/v1/history/**", self._history)
        page.route("**/api/v1/indicators/**", self._indicator)

    def _query(self, route: Route) -> dict[str, str]:
        asked = urlsplit(route.request.url)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        query["path"] = asked.path
        self.asked.append(query)
        return query

    @staticmethod
    def _from(query: dict[str, str], now: float) -> float:
        if "from" in query:
            return datetime.fromisoformat(query["from"]).timestamp()
        step = STEPS[query["interval"]]
        if "last" not in query:
            return 0.0
        return _begin(now - LENGTHS[query["last"]], step)

    def _candles(self, query: dict[str, str]) -> list[tuple[float, float]]:
        """Their starts and closes, oldest first."""
        now = datetime.now(UTC).timestamp()
        step = STEPS[query["interval"]]
        # The same for all questions: one may be asked before a minute ends, the next behind it.
        newest = self._newest.setdefault(step, _begin(now, step))
        closes = self.others.get(query["path"].rpartition("/")[2], self.closes)
        places = [0, *range(self.gap + 1, self.gap + len(closes))]
        starts = [newest - step * back for back in reversed(places[: len(closes)])]
        if "to" in query:
            end = datetime.fromisoformat(query["to"]).timestamp()
            before = [starts[0] - step * back for back in range(len(self.older), 0, -1)]
            pairs = zip(before, self.older, strict=True)
            return [(start, close) for start, close in pairs if start < end]
        pairs = zip(starts, closes, strict=True)
        return [(start, close) for start, close in pairs if start >= self._from(query, now)]

    def _refuse(self, route: Route) -> None:
        error = {"code": "unavailable", "reason": self.unavailable or self.refused}
        status = 503 if self.unavailable is not None else 422
        route.fulfill(status=status, headers={"Retry-After": "1"}, json={"error": error})

    def _history(self, route: Route) -> None:
        query = self._query(route)
        if self.unavailable is not None or self.refused is not None:
            return self._refuse(route)
        now = datetime.now(UTC).timestamp()
        state, behind = self.behind or ("current", 0.0)
        asked = self._candles(query)
        known = () if "to" in query or not asked else self.volumes[-len(asked) :]
        volumes = (None,) * (len(asked) - len(known)) + known
        candles = [
            {
                "start": iso(start),
                "open": close - 0.25,
                "high": close + 0.5,
                "low": close - 0.75,
                "close": close,
                "ticks": 7,
                "volume": volume,
            }
            for (start, close), volume in zip(asked, volumes, strict=True)
        ]
        answer = {
            "symbol": "AAPL",
            "from": iso(self._from(query, now)),
            "to": iso(now),
            "server_time": iso(now),
            "recording": {
                "state": state,
                "complete_to": iso(now - behind),
                "behind_seconds": behind,
            },
            "candles": candles,
        }
        return route.fulfill(json=answer)

    def _indicator(self, route: Route) -> None:
        query = self._query(route)
        if query["indicator"] == "ema":
            error = {"code": "invalid_parameter", "reason": "period: not today."}
            return route.fulfill(status=422, json={"error": error})
        value = {"sma": 150.125, "rsi": 61.5, "volatility": 0.0015}[query["indicator"]]
        points = [{"start": iso(start), "value": value} for start, _ in self._candles(query)]
        # As many candles as it needs first have no value.
        return route.fulfill(
            json={"warm_up": self.warm_up, "points": points[max(0, self.warm_up - 1) :]}
        )
