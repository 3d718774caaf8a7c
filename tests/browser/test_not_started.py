"""Pages whose script does not come: they say so, and offer to load again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.server import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page, Route

    from tests.support.programs import Server, Stub

UNTRUE = re.compile(r"\b(Connecting|Waiting for|Reading)\b")
"""What only a script can know, or bring to an end."""
BEFORE_THE_FIRST_PAINT = "theme-init.js"
TOLD_WITHIN_MS = 10_000
NOTICE = "#not-started"


@pytest.fixture
def contexts(browser: Browser) -> Iterator[list[BrowserContext]]:
    """Closed in the end."""
    opened: list[BrowserContext] = []
    yield opened
    for context in opened:
        context.close()


def opened(
    browser: Browser, contexts: list[BrowserContext], server: Server, url: str, **options: object
) -> Page:
    """A page that is not loaded yet, of somebody who is logged in where that is needed."""
    context = browser.new_context(**options)
    contexts.append(context)
    if url.endswith("/admin"):
        context.request.post(f"{server.url}/admin/login", form={"token": TOKEN})
    return context.new_page()


def scripts_of(page: Page, url: str) -> list[str]:
    """The addresses of the scripts that it names; what those load later fails for itself."""
    page.goto(url)
    expect(page.locator(NOTICE)).to_have_count(0)
    return list(page.locator("script[src]").evaluate_all("found => found.map(({src}) => src)"))


def test_a_page_says_that_its_script_did_not_come(
    browser: Browser, server: Server, stub: Stub, contexts: list[BrowserContext]
) -> None:
    """Whichever of them fails, and without scripts at all. Loaded again it is as if nothing was."""
    failing, without = [], []
    for url in (
        f"{server.url}/",
        f"{server.url}/s/AAPL",
        f"{server.url}/admin",
        f"{stub.url}/__admin/",
    ):
        scripts = scripts_of(opened(browser, contexts, server, url), url)
        vital = [one for one in scripts if not one.endswith(BEFORE_THE_FIRST_PAINT)]
        assert vital != []
        for script in vital:
            page = opened(browser, contexts, server, url)
            page.route(script, lambda route: route.abort())
            page.goto(url)
            failing.append(page)
        page = opened(browser, contexts, server, url, java_script_enabled=False)
        page.goto(url)
        without.append(page)
    # All wait at once.
    for page in [*failing, *without]:
        expect(page.locator(NOTICE)).to_be_visible(timeout=TOLD_WITHIN_MS)
        told = page.locator("body").inner_text()
        assert "Not started" in told
        assert not UNTRUE.search(told), told
    for page in failing:
        page.unroute_all()
        page.get_by_role("link", name="Load again").click()
        expect(page.locator(NOTICE)).to_have_count(0)
    without[0].get_by_role("link", name="Load again").click()
    expect(without[0].locator(NOTICE)).to_be_visible(timeout=TOLD_WITHIN_MS)


@pytest.mark.parametrize("path", ["/", "/s/AAPL"])
def test_a_page_starts_without_what_only_adorns_it(
    path: str, browser: Browser, server: Server, contexts: list[BrowserContext]
) -> None:
    """The chosen theme, the style sheet, the chart's library: prices come all the same."""
    page = opened(browser, contexts, server, server.url + path)
    for adornment in (BEFORE_THE_FIRST_PAINT, "*.css", "lightweight-charts.mjs"):
        page.route(f"**/{adornment}", lambda route: route.abort())
    page.goto(server.url + path)
    expect(page.get_by_test_id("status-socket")).to_have_attribute("data-state", "open")
    expect(page.locator(NOTICE)).to_have_count(0)


def test_a_script_that_fails_while_it_starts_is_told_as_well(
    browser: Browser, server: Server, contexts: list[BrowserContext]
) -> None:
    """As that of another version, which misses something in the page."""
    page = opened(browser, contexts, server, server.url)

    def without_a_part(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace('id="summary"', ""))

    page.route(f"{server.url}/", without_a_part)
    page.goto(server.url)
    expect(page.locator(NOTICE)).to_be_visible(timeout=TOLD_WITHIN_MS)
