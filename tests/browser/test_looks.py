"""How the page fits: narrow screens, themes, reduced motion, screen readers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.conftest import Visit
    from tests.browser.dashboard import Dashboard
    from tests.support.programs import Server

NARROW = {"width": 360, "height": 740}
READABLE = 4.5
"""Contrast ratio of text, WCAG 2.2, 1.4.3 (AA)."""
CONTRASTS = (Path(__file__).parent / "contrasts.js").read_text(encoding="utf-8")


def expect_no_sideways_scroll(me: Dashboard) -> None:
    widths = me.page.evaluate(
        "[document.scrollingElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert widths[0] <= widths[1] == NARROW["width"]
    outside = me.page.evaluate(
        """[...document.querySelectorAll("body *")].filter((element) => {
          const box = element.getBoundingClientRect();
          const unseen = element.closest(".sr-only, .skip, [aria-hidden]");
          const seen = element.checkVisibility() && box.width > 0 && !unseen;
          return seen && (box.left < 0 || box.right > innerWidth);
        }).map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert outside == []


def test_at_360_pixels_nothing_is_cut_off_or_scrolls_sideways(server: Server, visit: Visit) -> None:
    """Empty, with an error, with six rows, with the toast, and with the help open."""
    me = visit(server.url, viewport=NARROW, has_touch=True, is_mobile=True)
    expect(me.page.get_by_role("button", name="Add all 6")).to_be_visible()
    expect_no_sideways_scroll(me)
    me.subscribe("THIS-IS-ONE-THAT-IS-LONGER-THAN-ANY, %%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%")
    expect(me.hint).to_contain_text("longer than 32 characters")
    expect_no_sideways_scroll(me)
    me.field.fill("")
    me.page.get_by_role("button", name="Add all 6").tap()
    for symbol in me.shown():
        me.expect_price(symbol)
    expect_no_sideways_scroll(me)
    me.remove("GOOGL").tap()
    expect(me.undo).to_be_visible()
    expect_no_sideways_scroll(me)
    me.undo.tap()
    me.page.locator("#help-open").tap()
    expect(me.page.locator("#help")).to_be_visible()
    expect_no_sideways_scroll(me)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_is_readable_in_both_themes(scheme: str, server: Server, visit: Visit) -> None:
    """The system's theme is followed, and every text has a contrast of 4.5 to 1 or more."""
    me = visit(server.url, color_scheme=scheme)
    me.subscribe("AAPL GOOGL MSFT")
    me.expect_changes("AAPL", 1)
    me.expect_live()
    me.remove("GOOGL").click()
    me.field.fill("$")
    contrasts = me.page.evaluate(CONTRASTS)
    texts = [text for text, _ratio in contrasts]
    assert {"StockStream", "AAPL", "Undo", "Subscribe"} <= set(texts), texts
    assert [(text, ratio) for text, ratio in contrasts if ratio < READABLE] == []
    brightness = me.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ("250" in brightness) == (scheme == "light"), brightness


def test_a_chosen_theme_wins_over_the_system_and_is_kept(server: Server, visit: Visit) -> None:
    """Dark chosen on a light system is dark at once, and after a reload before anything is seen."""
    me = visit(server.url, color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = me.page.evaluate(background)
    me.page.get_by_title("Dark", exact=True).click()
    dark = me.page.evaluate(background)
    assert dark != light
    me.page.reload(wait_until="commit")
    me.page.wait_for_function("() => document.body !== null")
    assert me.page.evaluate(background) == dark
    expect(me.page.get_by_role("radio", name="Dark")).to_be_checked()
    me.page.get_by_title("Follow the system").click()
    assert me.page.evaluate(background) == light


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_changed_digits_flash_unless_reduced_motion_is_asked_for(
    motion: str, server: Server, visit: Visit
) -> None:
    """Three changes start animations, or none where the system asks for less motion."""
    me = visit(server.url, reduced_motion=motion)
    me.page.add_init_script(
        "window.animations = [];"
        "addEventListener('animationstart', (event) => animations.push(event.animationName));"
    )
    me.page.reload()
    me.subscribe("AAPL")
    me.expect_changes("AAPL", 3)
    started = me.page.evaluate("animations.filter((name) => name.startsWith('flash'))")
    running = me.page.evaluate("document.getAnimations().length")
    if motion == "reduce":
        assert (started, running) == ([], 0)
        assert me.page.evaluate("animations") == []
    else:
        assert started


def test_there_is_one_polite_live_region_and_prices_never_go_through_it(
    server: Server, visit: Visit
) -> None:
    """Adding a symbol is said once; its prices are in no live region and change nothing there."""
    me = visit(server.url)
    me.subscribe("AAPL")
    live = me.page.locator("#live")
    expect(live).to_have_text("AAPL added.")
    regions = me.page.evaluate(
        """[...document.querySelectorAll(
          "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log], output"
        )].filter((element) => !element.closest("dialog:not([open])"))
        .map((element) => [element.id, element.getAttribute("aria-live")])"""
    )
    assert regions == [["live", "polite"]]
    assert (
        me.page.evaluate(
            "document.querySelector('#live').contains(document.querySelector('#watchlist'))"
        )
        is False
    )
    me.page.evaluate(
        """() => {
          window.spoken = 0;
          const all = {childList: true, characterData: true, subtree: true};
          const count = new MutationObserver(() => (window.spoken += 1));
          count.observe(document.querySelector("#live"), all);
        }"""
    )
    me.expect_changes("AAPL", 3)
    assert me.page.evaluate("window.spoken") == 0
    me.remove("AAPL").click()
    expect(live).to_contain_text("AAPL removed.")
    assert me.page.evaluate("window.spoken") > 0
