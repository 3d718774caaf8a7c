"""Take the README's pictures from a really running server.

Run `.venv/bin/python -m scripts.screenshots` at the top of the repository. It starts the server, a
stub API for it and a Chromium to look at it, and writes docs/images/SCENE-THEME.png.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser import chromium
from tests.browser.dashboard import Dashboard
from tests.support.programs import Server, Stub, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES = Path(__file__).parent.parent / "docs" / "images"
MOST_BYTES = 200_000
WIDTH, HEIGHT = 920, 560
TREND = 40  # price changes, enough for a line
SETTINGS = {"FETCH_INTERVAL": "0.4", "BREAKER_WAIT": "20", "BREAKER_JITTER": "0"}


def main() -> int:
    """Take all pictures; answer 1 when one is too large for a README."""
    path = chromium.find()
    if path is None:
        print("no Chromium on PATH, and CHROMIUM names none", file=sys.stderr)
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    taken: list[Path] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        running(stub := Stub(Path(folder))),
        running(server := Server(Path(folder), SETTINGS | {"STOCK_API_URL": stub.url})),
        chromium.launched(path) as browser,
    ):
        pages = {theme: _watching(browser, server, theme) for theme in ("light", "dark")}
        for me in pages.values():
            me.expect_changes("AAPL", TREND)
        taken += [_take(me, "dashboard", theme) for theme, me in pages.items()]
        stub.switch(down=True)
        for theme, me in pages.items():
            expect(me.status("breaker")).to_have_attribute("data-state", "open")
            expect(me.row("AAPL")).to_have_attribute("data-state", "stale")
            taken.append(_take(me, "outage", theme))
    for image in taken:
        print(f"{image.relative_to(IMAGES.parent.parent)}  {image.stat().st_size:,} bytes")
    return int(any(image.stat().st_size > MOST_BYTES for image in taken))


def _watching(browser: Browser, server: Server, theme: str) -> Dashboard:
    context = browser.new_context(
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": WIDTH, "height": HEIGHT},
        device_scale_factor=1.5,
    )
    page = context.new_page()
    page.goto(server.url)
    me = Dashboard(page)
    page.get_by_role("button", name="Add all 6").click()
    me.expect_live()
    return me


def _take(me: Dashboard, scene: str, theme: str) -> Path:
    path = IMAGES / f"{scene}-{theme}.png"
    me.page.mouse.move(0, 0)
    me.page.evaluate("document.activeElement.blur()")
    me.page.screenshot(path=path)
    return path


if __name__ == "__main__":
    sys.exit(main())
