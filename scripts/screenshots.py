"""Take the pictures of the documentation from a really running server.

`.venv/bin/python -m scripts.screenshots` writes those of the README, docs/images/SCENE-THEME.png,
and those of docs/pages.md, docs/images/pages/PAGE-WIDTH-THEME.png. With a folder behind it, every
page in every state goes there instead, at three widths in both themes, to be looked at.
"""

from __future__ import annotations

import math
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import expect

from tests.browser import chromium
from tests.browser.chart import Answers, ChartPage
from tests.browser.conftest import until_rows_are_kept
from tests.browser.dashboard import Dashboard
from tests.browser.test_admin import Operations, inject
from tests.browser.test_alerts import add_alert
from tests.support.programs import Server, Stub, running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playwright.sync_api import Browser, Page

Theme = Literal["light", "dark"]

IMAGES = Path(__file__).parent.parent / "docs" / "images"
THEMES: tuple[Theme, ...] = ("light", "dark")
MOST_BYTES = 200_000
README_SIZE = (920, 560)
WIDTHS = {1280: 800, 768: 1024, 360: 740}
"""And the heights of the windows."""
COMMITTED = ("dashboard", "chart", "admin")
COMMITTED_WIDTHS = (1280, 360)
TREND = 40  # price changes, enough for a line
CANDLES = 48
SETTINGS = {
    "FETCH_INTERVAL": "0.4",
    "BREAKER_WAIT": "20",
    "BREAKER_JITTER": "0",
    "CHAOS_ENABLED": "true",
}


def main(arguments: list[str]) -> int:
    """Take the pictures; answer 1 when one is too large for the documentation."""
    path = chromium.find()
    if path is None:
        print("no Chromium on PATH, and CHROMIUM names none", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stub = Stub(folder)
        stack.enter_context(running(stub))
        server = Server(folder, SETTINGS | {"STOCK_API_URL": stub.url})
        stack.enter_context(running(server))
        until_rows_are_kept(server)
        browser = stack.enter_context(chromium.launched(path))
        if arguments:
            taken = list(_everything(browser, server, stub, Path(arguments[0])))
        else:
            taken = [*_readme(browser, server, stub), *_pages(browser, server)]
    for image in taken:
        print(f"{image}  {image.stat().st_size:,} bytes")
    return int(not arguments and any(image.stat().st_size > MOST_BYTES for image in taken))


def _readme(browser: Browser, server: Server, stub: Stub) -> Iterator[Path]:
    pages = {
        theme: _watching(_opened(browser, theme, *README_SIZE, scale=1.5), server)
        for theme in THEMES
    }
    for me in pages.values():
        me.expect_changes("AAPL", TREND)
    for theme, me in pages.items():
        yield _take(me.page, IMAGES / f"dashboard-{theme}.png")
    stub.switch(down=True)
    for theme, me in pages.items():
        _expect_outage(me)
        yield _take(me.page, IMAGES / f"outage-{theme}.png")
    stub.switch(down=False)
    for me in pages.values():
        expect(me.status("feed")).to_have_attribute("data-state", "live", timeout=60_000)
        me.page.context.close()


def _pages(browser: Browser, server: Server) -> Iterator[Path]:
    for theme in THEMES:
        page = _opened(browser, theme)
        for name in COMMITTED:
            _SCENES[name](page, server)
            yield from _at(page, IMAGES / "pages", name, theme, COMMITTED_WIDTHS)
        page.context.close()


def _everything(browser: Browser, server: Server, stub: Stub, folder: Path) -> Iterator[Path]:
    """Every page in every state; the last states cost the server."""
    lost: list[tuple[Page, str, Theme]] = []
    for theme in THEMES:
        page = _opened(browser, theme)
        for name, scene in _SCENES.items():
            scene(page, server)
            yield from _at(page, folder, name, theme, WIDTHS)
        page.goto(f"{stub.url}/__admin")
        expect(page.locator("[data-live=stubs] summary").first).to_be_visible()
        yield from _at(page, folder, "stub", theme, WIDTHS)
        me = _watching(page, server)
        operations = Operations(_opened(browser, theme), server.url)
        operations.open()
        lost += [(page, "dashboard-lost", theme), (operations.page, "admin-lost", theme)]
        stub.switch(down=True)
        _expect_outage(me)
        yield from _at(page, folder, "dashboard-outage", theme, WIDTHS)
        yield from _at(operations.page, folder, "admin-outage", theme, WIDTHS)
        stub.switch(down=False)
        expect(me.status("feed")).to_have_attribute("data-state", "live", timeout=60_000)
    server.end()
    for page, name, theme in lost:
        expect(page.get_by_test_id("banner").or_(page.get_by_test_id("lost"))).to_be_visible()
        yield from _at(page, folder, name, theme, WIDTHS)


# Scenes: each brings a page into a state.


def _empty(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.get_by_role("button", name="Add all 6")).to_be_visible()


def _dashboard(page: Page, server: Server) -> None:
    me = _watching(page, server)
    me.expect_changes("AAPL", 10)


def _busy(page: Page, server: Server) -> None:
    """Much at a time: a symbol that is not there, an alert, an undo."""
    me = _watching(page, server)
    add_alert(me, "AAPL", "moves by", "0.05")
    expect(page.get_by_test_id("fired").get_by_role("listitem").first).to_be_visible()
    me.remove("MSFT").click()
    me.subscribe("NOSUCH")
    expect(me.hint).not_to_have_text("")


def _help(page: Page, server: Server) -> None:
    _watching(page, server)
    page.locator("#help-open").click()


def _chart(page: Page, server: Server) -> None:
    walk = (150 + 2 * math.sin(i / 7) + 0.5 * math.sin(i * 2.3) for i in range(CANDLES))
    Answers(closes=tuple(round(value, 2) for value in walk)).install(page)
    page.goto(f"{server.url}/s/AAPL?range=1h")
    ChartPage(page).expect_drawn()
    expect(page.get_by_test_id("chart-price")).not_to_have_text("")
    page.unroute_all()


def _login(page: Page, server: Server) -> None:
    page.context.clear_cookies()
    Operations(page, server.url).log_in("wrong-token-0123456")
    expect(page.get_by_role("alert")).to_be_visible()


def _admin(page: Page, server: Server) -> None:
    page.context.clear_cookies()
    me = Operations(page, server.url)
    me.open()
    inject(server, "kill", "pubsub")
    inject(server, "crash", "delivery/broadcaster", exception="KeyError", message="lost")
    expect(page.get_by_test_id("crashes").locator("tbody tr").nth(1)).to_be_visible()


def _docs(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/docs")


def _nothing(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/nothing/here")


_SCENES = {
    "empty": _empty,
    "dashboard": _dashboard,
    "busy": _busy,
    "help": _help,
    "chart": _chart,
    "login": _login,
    "admin": _admin,
    "docs": _docs,
    "404": _nothing,
}


def _watching(page: Page, server: Server) -> Dashboard:
    page.goto(server.url)
    page.evaluate("localStorage.clear()")
    page.reload()
    me = Dashboard(page)
    page.get_by_role("button", name="Add all 6").click()
    me.expect_live()
    me.expect_price("AAPL")
    return me


def _expect_outage(me: Dashboard) -> None:
    expect(me.status("breaker")).to_have_attribute("data-state", "open", timeout=60_000)
    expect(me.row("AAPL")).to_have_attribute("data-state", "stale")


def _opened(
    browser: Browser, theme: Theme, width: int = 1280, height: int = 800, scale: float = 1
) -> Page:
    context = browser.new_context(
        color_scheme=theme,
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        reduced_motion="reduce",
    )
    context.set_default_timeout(20_000)
    return context.new_page()


def _at(page: Page, folder: Path, name: str, theme: Theme, widths: Iterable[int]) -> Iterator[Path]:
    for width in widths:
        page.set_viewport_size({"width": width, "height": WIDTHS[width]})
        page.wait_for_timeout(300)  # a chart draws itself anew some frames later
        yield _take(page, folder / f"{name}-{width}-{theme}.png")


def _take(page: Page, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=path)
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
