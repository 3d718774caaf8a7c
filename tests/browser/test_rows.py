"""What a row says of its price: how old it is by this page's own clock, and why it is not live.

The provider tells exactly what a test wants; the network is a wire that a test may cut.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import until_rows_are_kept
from tests.browser.telling import item, moving, subscribe
from tests.support.cut_wire import CutWire, cut_wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, WebSocketRoute

    from tests.browser.conftest import Visit
    from tests.browser.dashboard import Dashboard
    from tests.browser.provider import Provider
    from tests.support.programs import Server

HOURS_3 = 3 * 3_600_000
BIG = 123_456_789.12
LOOK = (Path(__file__).parent / "rows.js").read_text(encoding="utf-8")


@pytest.fixture
def wire(exact: Server) -> Iterator[CutWire]:
    """The network between the browser and that server."""
    with cut_wire(exact.url) as wire:
        yield wire


def stood_still(me: Dashboard, seconds: float) -> None:
    """Have the page hear that each price last changed so many seconds earlier than it did."""

    def earlier(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        moved = re.compile(r'"changed":(\d+)')
        server.on_message(
            lambda text: route.send(
                moved.sub(lambda at: f'"changed":{int(at[1]) - round(seconds * 1000)}', str(text))
            )
        )

    me.page.route_web_socket("**/ws*", earlier)
    me.page.reload()


def note(me: Dashboard, symbol: str) -> Locator:
    """What stands beside a symbol."""
    return me.row(symbol).locator('[data-part="note"]')


def age(me: Dashboard, symbol: str) -> Locator:
    """How old its price is said to be."""
    return me.page.get_by_test_id(f"age-{symbol}").locator('[data-part="age"]')


@pytest.mark.alone
@pytest.mark.proves("W21")
def test_what_the_provider_no_longer_tells_is_stale_with_its_reason(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """Left out, 0, null, below 0, a word, an older time: each says so; the other one is live."""
    fine = ["GONE", "ZERO", "NULL", "MINUS", "WORD", "BACK", "FINE"]
    provider.tell_items([item(symbol) for symbol in fine])
    me = visit(exact.url)
    subscribe(me, exact, " ".join(fine))
    for symbol in fine:
        expect(me.row(symbol)).to_have_attribute("data-state", "live")
    me.page.evaluate(LOOK)
    me.page.evaluate("look.listen()")

    wrong = [
        item("ZERO", 0),
        item("NULL", None),
        item("MINUS", -37.63),
        item("WORD", "n/a"),
        item("BACK", at=-600),
    ]
    with moving(provider, lambda turn: [*wrong, item("FINE", 100 + turn % 5)]):
        for symbol, why in {
            "GONE": "not listed any more",
            "ZERO": "price was 0 or less",
            "MINUS": "price was 0 or less",
            "NULL": "price",
            "WORD": "price was unreadable",
            "BACK": "time went back",
        }.items():
            expect(me.row(symbol)).to_have_attribute("data-state", "stale")
            expect(note(me, symbol)).to_contain_text(why)
            expect(age(me, symbol)).to_have_text(re.compile(r"^Stale \d+\ss$"))
        expect(me.row("FINE")).to_have_attribute("data-state", "live")
        expect(me.status("feed")).to_have_attribute("data-state", "live")
        expect(me.page).to_have_title("6 stale · Watch list · StockStream")
        me.page.wait_for_function(
            "() => /GONE is stale: it is not in the provider/.test(look.said)"
        )
    provider.tell_items([item(symbol) for symbol in fine])
    for symbol in fine:
        expect(me.row(symbol)).to_have_attribute("data-state", "live")
    expect(me.page).to_have_title(re.compile(r"^GONE [\d.]+( [▲▼]?[\d.]+%)? · StockStream$"))


@pytest.mark.alone
@pytest.mark.proves("W23")
def test_a_providers_clock_that_is_ahead_makes_no_price_young(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """Its time is 280 s ahead and then it is gone: its age grows from its last fetch."""
    provider.tell_items([item("AHEAD", at=280), item("FINE")])
    me = visit(exact.url)
    subscribe(me, exact, "AHEAD FINE")
    expect(me.row("AHEAD")).to_have_attribute("data-state", "live")
    provider.tell_items([item("FINE")])
    expect(me.row("AHEAD")).to_have_attribute("data-state", "stale")
    expect(age(me, "AHEAD")).to_have_text(re.compile(r"^Stale [2-9]\ss$"))
    expect(note(me, "AHEAD")).to_have_text("not listed any more")


def test_a_delayed_price_that_moves_is_live_and_says_by_how_much_at_every_width(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """Times are 15 minutes old, and each price is new: delayed, and not frozen."""
    delayed = {"delayed": True, "delayed_seconds": 900}
    me = visit(exact.url)
    with moving(provider, lambda turn: [item("DLYD", 50 + turn % 7, at=-900, **delayed)]):
        subscribe(me, exact, "DLYD")
        me.expect_changes("DLYD", 2)
        expect(me.row("DLYD")).to_have_attribute("data-state", "live")
        for width in (360, 768, 1280):
            me.page.set_viewport_size({"width": width, "height": 740})
            expect(note(me, "DLYD")).to_have_text("delayed 15\N{NO-BREAK SPACE}min")
            expect(note(me, "DLYD")).to_be_visible()


def test_a_session_that_is_closed_or_halted_is_said(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """The provider says so of a symbol; its price stands, and that is no fault of the feed."""
    provider.tell_items(
        [item("SHUT", session="closed"), item("HALT", session="halted"), item("OPEN")]
    )
    me = visit(exact.url)
    subscribe(me, exact, "SHUT HALT OPEN")
    expect(age(me, "SHUT")).to_have_text("Closed")
    expect(age(me, "HALT")).to_have_text("Halted")
    expect(me.row("OPEN")).to_have_attribute("data-state", "live")


def test_a_price_that_stands_is_frozen_and_no_text_lies_over_another(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """Nine digits, fifteen minutes without a change, and a reason: at 360, 768 and 1280 pixels."""
    big = {"previous_close": BIG * 0.9, "delayed": True, "delayed_seconds": 900}
    provider.tell_items([item("BIG", BIG, **big), item("FROZEN", 12.5)])
    me = visit(exact.url)
    stood_still(me, 15 * 60)
    subscribe(me, exact, "BIG FROZEN")
    for symbol in ("BIG", "FROZEN"):
        expect(me.row(symbol)).to_have_attribute("data-state", "frozen")
        expect(age(me, symbol)).to_have_text("Frozen 15\N{NO-BREAK SPACE}min")
    me.page.evaluate(LOOK)
    for width in (360, 768, 1280):
        me.page.set_viewport_size({"width": width, "height": 740})
        assert me.page.evaluate("look.overlaps()") == [], width
        fits = "document.scrollingElement.scrollWidth <= innerWidth"
        assert me.page.evaluate(fits), width


@pytest.mark.proves("W22")
def test_the_change_of_the_day_says_what_it_is_against(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """The previous close, as the provider told it: in the cell, below the list, on the chart."""
    until_rows_are_kept(exact)
    provider.tell_items([item("BASED", 110, previous_close=100)])
    me = visit(exact.url)
    subscribe(me, exact, "BASED")
    change = me.row("BASED").locator(".c-change")
    expect(change).to_have_text(re.compile(r"^\+10\.00\+10\.00\s%$"))
    expect(change).to_have_attribute("title", "up since the previous close")
    expect(me.page.get_by_test_id("bases")).to_have_text("Change is since the previous close.")
    me.row("BASED").get_by_role("link").click()
    expect(me.page.locator("#headline")).to_contain_text("since the previous close")


def test_the_sum_above_the_list_is_that_of_its_rows_in_each_frame(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """Prices cross their base five times a second; what was painted together agrees."""

    def crossing(turn: int) -> list[dict[str, object]]:
        return [
            item(f"S{n}", 100 + (-1) ** (turn + n) * (n + 1), previous_close=100) for n in range(6)
        ]

    me = visit(exact.url)
    with moving(provider, crossing):
        subscribe(me, exact, " ".join(f"S{n}" for n in range(6)))
        me.expect_changes("S5", 1)
        me.page.evaluate(LOOK)
        assert me.page.evaluate("look.differingSums(100)") == 0


@pytest.mark.alone
@pytest.mark.proves("W23")
def test_a_clock_that_is_set_makes_no_price_old_and_a_dead_network_none_live(
    provider: Provider, exact: Server, wire: CutWire, visit: Visit
) -> None:
    """Three hours ahead or back change nothing; when no word comes any more, nothing is live."""
    with moving(provider, lambda turn: [item("AAA", 100 + turn % 5)]):
        me = visit(wire.url, server_goes_away=True)
        subscribe(me, exact, "AAA")
        me.expect_changes("AAA", 1)
        me.page.evaluate(LOOK)
        me.page.evaluate("look.watchRow('AAA')")
        for ms in (HOURS_3, -HOURS_3):
            me.page.evaluate("(ms) => look.setClock(ms)", ms)
            me.expect_changes("AAA", 5)
        seen = me.page.evaluate("look.seen")
        assert set(seen["states"]) == {"live"}
        assert {text.split("\N{NO-BREAK SPACE}")[1] for text in seen["ages"]} == {"s"}

        me.page.evaluate("look.setClock(0)")
        wire.cut()
        expect(me.row("AAA")).to_have_attribute("data-state", "stale", timeout=5_000)
        expect(age(me, "AAA")).to_have_text(re.compile(r"^Stale [1-9]\ss$"))
        expect(me.banner).to_be_visible()
        expect(me.page).to_have_title("Connection lost · Watch list · StockStream")
        wire.mend()
        me.expect_live()
        me.expect_changes("AAA", 1)


@pytest.mark.alone
def test_offline_is_believed_once_the_server_does_not_answer(
    provider: Provider, exact: Server, wire: CutWire, visit: Visit
) -> None:
    """The browser has no network, it says: soon no row is live, nor is the page connected."""
    with moving(provider, lambda turn: [item("AAA", 100 + turn % 5)]):
        me = visit(wire.url, server_goes_away=True)
        subscribe(me, exact, "AAA")
        me.expect_changes("AAA", 1)
        me.page.evaluate(LOOK)
        me.page.evaluate("dispatchEvent(new Event('offline'))")
        me.page.evaluate("look.watchRow('AAA')")
        me.expect_changes("AAA", 10)
        assert set(me.page.evaluate("look.seen.states")) == {"live"}, "the server is there"

        wire.cut()
        me.page.evaluate("dispatchEvent(new Event('offline'))")
        expect(me.row("AAA")).to_have_attribute("data-state", "stale", timeout=4_000)
        # By now it may be trying again: on this wire that hangs.
        not_connected = re.compile("^(waiting|connecting)$")
        expect(me.status("socket")).to_have_attribute("data-state", not_connected, timeout=4_000)
        wire.mend()
        me.expect_live()


@pytest.mark.alone
def test_an_outage_is_told_to_who_hears_the_page_and_in_its_title(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """Feed, breaker and prices in few sentences, when they go and when they are back."""
    provider.tell_items([item("AAA"), item("BBB")])
    me = visit(exact.url)
    subscribe(me, exact, "AAA BBB")
    me.expect_live()
    me.page.evaluate(LOOK)
    me.page.evaluate("look.listen()")
    provider.switch(down=True)
    me.page.wait_for_function("() => /All 2 prices are stale: nothing newer/.test(look.said)")
    me.page.wait_for_function("() => /The price feed is (stale|down)/.test(look.said)")
    expect(me.page).to_have_title(re.compile("^(Prices stale|Feed down) · Watch list"))
    me.page.wait_for_function(
        "() => /The circuit breaker is open: requests to the/.test(look.said)"
    )
    provider.switch(down=False)
    me.expect_live()
    me.page.wait_for_function("() => look.said.includes('Prices are live again.')")
    expect(me.page).to_have_title(re.compile(r"^AAA [\d.]+( [▲▼]?[\d.]+%)? · StockStream$"))
    said = [line for line in me.page.evaluate("look.said").split("\n") if line.strip()]
    assert len(said) <= 4, said


def test_the_trend_is_told_in_words(provider: Provider, exact: Server, visit: Visit) -> None:
    """Who does not see the line hears where it began, where it is, and how far it went."""
    me = visit(exact.url)
    with moving(provider, lambda turn: [item("TRND", 100 + 3 * (turn % 2))]):
        subscribe(me, exact, "TRND")
        trend = me.row("TRND").locator(".trend")
        course = r"from 10[03]\.00 to 10[03]\.00, lowest 100\.00, highest 103\.00"
        expect(trend).to_have_accessible_name(re.compile(f"^{course}, in the last minute$"))
        expect(trend).to_have_role("img")


def test_a_symbol_that_its_provider_refuses_says_who_refuses_it(
    exact: Server, visit: Visit
) -> None:
    """In its row, which stays, and aloud; a page that is loaded again is told again."""
    me = visit(exact.url)
    me.subscribe("NO-SUCH NO-SUCH2 NO-SUCH3 NO-SUCH4")
    row = me.row("NO-SUCH")
    expect(row).to_have_attribute("data-state", "refused")
    expect(row).to_contain_text("crypto does not know it")
    expect(row).to_contain_text("Not served")
    expect(me.price("NO-SUCH")).to_have_text("\N{EN DASH}")
    live = me.page.locator("#live")
    expect(live).to_contain_text("NO-SUCH is not served: crypto does not know it.")
    expect(live).to_contain_text("1 more is not served.")
    me.page.reload()
    expect(row).to_have_attribute("data-state", "refused")
    expect(row).to_contain_text("crypto does not know it")
