"""The reference of the API as a page: what it shows, that the policy lets it, how it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.test_looks import CONTRASTS, NARROW, READABLE, expect_no_sideways_scroll

if TYPE_CHECKING:
    from tests.browser.conftest import Visit
    from tests.support.programs import Server


def test_every_route_of_the_document_is_shown(server: Server, visit: Visit) -> None:
    """With its summary, under an anchor that the contents lead to; nothing violates the policy."""
    page = visit(f"{server.url}/docs").page
    document = page.request.get(f"{server.url}/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            article = page.locator(f"#{operation['operationId']}")
            expect(article.get_by_role("heading", level=2)).to_have_text(operation["summary"])
            expect(article.locator(".docs-address")).to_have_text(f"{method.upper()} {path}")
            for parameter in operation.get("parameters", ()):
                term = article.get_by_role("term").filter(has_text=parameter["name"])
                expect(term.first).to_be_visible()
    for name in document["components"]["schemas"]:
        expect(page.locator(f'[id="model-{name}"]')).to_be_visible()


def test_it_is_ours_alone_and_needs_no_script(server: Server, visit: Visit) -> None:
    """No request leaves the server's address; without JavaScript the page is whole."""
    me = visit("about:blank", java_script_enabled=False)
    asked: list[str] = []
    me.page.on("request", lambda request: asked.append(request.url))
    answer = me.page.goto(f"{server.url}/docs")
    assert answer is not None
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    expect(me.page.get_by_role("heading", name="Candles of a symbol")).to_be_visible()
    assert asked
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(server.url).netloc}


def test_the_keyboard_leads_to_a_route_and_to_its_objects(server: Server, visit: Visit) -> None:
    """Past the skip link to the contents, from there to the route, from there to its answer."""
    page = visit(server.url).page
    page.get_by_role("link", name="API", exact=True).click()
    expect(page).to_have_url(f"{server.url}/docs")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the routes")).to_be_focused()
    page.keyboard.press("Enter")
    # Chromium goes to a fragment some moments after the key; a person's Tab comes later still.
    expect(page).to_have_url(f"{server.url}/docs#routes")
    page.keyboard.press("Tab")  # the WebSocket's
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/docs#get_quotes")
    page.keyboard.press("Tab")
    expect(page.locator("#get_quotes").get_by_role("link", name="QuotesAnswer")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_is_readable_in_both_themes(scheme: str, server: Server, visit: Visit) -> None:
    """Every text has a contrast of 4.5 to 1."""
    page = visit(f"{server.url}/docs", color_scheme=scheme).page
    expect(page.locator("#get_quotes")).to_be_visible()
    contrasts = page.evaluate(CONTRASTS)
    assert {"StockStream", "/api/v1/quotes", "422"} <= {text for text, _ratio in contrasts}
    assert [(text, ratio) for text, ratio in contrasts if ratio < READABLE] == []


def test_at_360_pixels_nothing_is_cut_off_or_scrolls_sideways(server: Server, visit: Visit) -> None:
    """Long addresses and names wrap."""
    expect_no_sideways_scroll(visit(f"{server.url}/docs", viewport=NARROW, is_mobile=True))


def test_a_message_can_be_sent_from_the_page_and_its_answers_seen(
    server: Server, visit: Visit
) -> None:
    """The first command subscribes; the console shows the welcome, the answer and prices."""
    page = visit(f"{server.url}/docs").page
    log = page.locator("#console-log")
    page.get_by_role("button", name="Send").click()
    for kind in ("welcome", "subscriptions", "snapshot", "prices"):
        expect(log.locator("li").filter(has_text=f'"type":"{kind}"').first).to_be_visible()
    page.get_by_role("button", name="ping", exact=True).click()
    page.get_by_role("button", name="Send").click()
    expect(log.locator("li").filter(has_text='"type":"pong"').first).to_be_visible()
    page.get_by_role("button", name="Disconnect").click()
    expect(log.locator("li").first).to_have_text("ended1000")
    expect(page.locator("#console-state")).to_have_text("Closed.")


def test_its_examples_are_messages_that_the_server_takes(server: Server, visit: Visit) -> None:
    """Each command on the page, sent as it stands, is served."""
    page = visit(f"{server.url}/docs").page
    commands = page.locator("#console [data-command]")
    for command in commands.all():
        command.click()
        page.get_by_role("button", name="Send").click()
        name = command.inner_text()
        answer = "pong" if name == "ping" else "subscriptions"
        line = page.locator("#console-log li").filter(has_text=f'"type":"{answer}"')
        expect(line.first).to_be_visible()
    expect(page.locator("#console-log").get_by_text('"type":"error"')).to_have_count(0)
