"""The admin page in a real Chromium: it follows the server, and its switches work."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser import chromium
from tests.integration.mockserver.conftest import started_stub_api

pytestmark = [pytest.mark.browser, pytest.mark.proves("M16")]


@pytest.fixture
def stub_url() -> Iterator[str]:
    with started_stub_api() as (_, url):
        yield url


@pytest.fixture
def page(stub_url: str) -> Iterator[Page]:
    """A narrow, dark window on the page; any error or refused resource fails the test."""
    path = chromium.find()
    if path is None:
        pytest.skip("the admin page's browser test IS SKIPPED: there is no Chromium here")
    complaints: list[str] = []
    with chromium.launched(path) as browser:
        context = browser.new_context(
            viewport={"width": 360, "height": 800}, color_scheme="dark", reduced_motion="reduce"
        )
        opened = context.new_page()
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(f"{stub_url}/__admin")
        yield opened
    assert complaints == []


def test_the_page_follows_the_server(page: Page, stub_url: str) -> None:
    """New requests appear by themselves; what is open stays open and has the focus."""
    stub = page.locator("[data-live=stubs] summary")
    stub.focus()
    page.keyboard.press("Enter")
    httpx.get(f"{stub_url}/api/stock-prices?symbol=AAPL")
    httpx.get(f"{stub_url}/nothing/here")
    rows = page.locator("[data-live=requests] summary")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("no match")
    expect(rows.nth(1)).to_contain_text("stock prices")
    rows.nth(0).click()
    expect(page.locator("[data-live=requests] details[open] pre")).to_contain_text("Closest stub")
    httpx.post(
        f"{stub_url}/__admin/mappings",
        json={"name": "second", "request": {"urlPath": "/b"}, "response": {}},
    )
    expect(page.locator("[data-live=stubs]")).to_contain_text("second")
    expect(page.locator("[data-live=stubs] details[open]")).to_have_count(1)
    assert page.evaluate("document.activeElement.matches('summary')")
    page.get_by_role("button", name="Clear journal").click()
    expect(rows).to_have_count(0)


def test_the_switches_work(page: Page, stub_url: str) -> None:
    """An outage is switched on and off, and seen; a scenario is put into a state.

    Both stand above the requests, however many those are.
    """
    for _ in range(30):
        httpx.get(f"{stub_url}/nothing")
    expect(page.locator("[data-live=requests] summary")).to_have_count(30)
    button = page.get_by_role("button", name="Apply").bounding_box()
    assert button is not None
    assert button["y"] + button["height"] < 1_000  # a page and a bit of this narrow window
    page.get_by_label("Errors, %").fill("100")
    page.get_by_label("Error status").fill("502")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert")).to_contain_text("100 % answer 502")
    assert httpx.get(f"{stub_url}/api/stock-prices").status_code == 502
    page.get_by_role("button", name="All off").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert httpx.get(f"{stub_url}/api/stock-prices").status_code == 200
    httpx.post(
        f"{stub_url}/__admin/mappings",
        json={"scenarioName": 'a/b "c"', "newScenarioState": "x y", "request": {}, "response": {}},
    )
    state = page.get_by_role("button", name="x y")
    state.click()
    expect(state).to_have_attribute("aria-pressed", "true")
    (scenario,) = httpx.get(f"{stub_url}/__admin/scenarios").json()["scenarios"]
    assert scenario["state"] == "x y"


def test_the_page_fits_a_phone(page: Page, stub_url: str) -> None:
    """Nothing is wider than 360 px, also with long URLs and open rows."""
    httpx.get(f"{stub_url}/{'a' * 300}?{'b' * 300}")
    page.locator("[data-live=stubs] summary").click()
    row = page.locator("[data-live=requests] summary")
    row.click()
    expect(page.locator("[data-live=requests] details[open]")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
