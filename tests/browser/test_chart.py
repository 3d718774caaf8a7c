"""The chart of one symbol: ranges, live prices, cursor, table, and what it says when it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.chart import Answers, ChartPage
from tests.browser.conftest import FAST
from tests.browser.dashboard import A_PRICE
from tests.browser.test_looks import CONTRASTS, NARROW, READABLE
from tests.browser.waiting import WAIT_SECONDS, until
from tests.browser.witness import Witness
from tests.support.programs import Server, Stub
from tests.support.server import NO_DATABASE

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.browser.conftest import Serving, Visit

LIGHT_UP = (10, 113, 72)
UNKNOWN = "\N{EN DASH}"
LIGHT_UP_VOLUME = (118, 174, 150)
LIGHT_PAPER = (250, 249, 246)
DARK_PAPER = (16, 18, 20)
COMPARE_LIGHT = (168, 70, 11)
SMA_LIGHT = (26, 92, 191)
LIBRARY = re.compile(r"/static/\w+/vendor/lightweight-charts-[\d.]+/lightweight-charts\.mjs$")
# What Chromium writes of itself when an answer is an error that the test put there, and when a test
# looks at the colours of the picture.
EXPECTED = re.compile(
    r"console error: Failed to load resource: the server responded with a status|"
    r"console warning: Canvas2D: Multiple readback operations"
)

Open = Callable[..., ChartPage]


@pytest.fixture
def open_chart(browser: Browser, serving: Serving) -> Iterator[Open]:
    """Opens the page of a symbol; at the end nothing may have gone wrong but refused answers."""
    contexts = []
    witnesses = []

    def open_page(
        url: str, answers: Answers | None = None, *, server_goes_away: bool = False, **options: Any
    ) -> ChartPage:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(WAIT_SECONDS * 1000)
        page = context.new_page()
        witnesses.append(Witness(page, server_goes_away=server_goes_away))
        if answers is not None:
            answers.install(page)
        page.goto(url)
        return ChartPage(page)

    yield open_page
    for context in contexts:
        context.close()
    troubles = [trouble for witness in witnesses for trouble in witness.troubles]
    assert [trouble for trouble in troubles if not EXPECTED.match(trouble)] == []


def test_the_library_is_loaded_by_a_chart_and_not_by_the_watch_list(
    server: Server, visit: Visit
) -> None:
    """A symbol on the list is the link to its chart; only there is the library asked for."""
    me = visit(server.url)
    asked: list[str] = []
    me.page.on("request", lambda request: asked.append(request.url))
    Answers().install(me.page)
    me.page.reload()
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    assert [url for url in asked if "/vendor/" in url] == []
    me.row("AAPL").get_by_role("link", name="AAPL").click()
    expect(me.page).to_have_url(f"{server.url}/s/AAPL")
    ChartPage(me.page).expect_drawn()
    assert [url for url in asked if LIBRARY.search(url)] != []


def test_enter_on_a_row_opens_its_chart(server: Server, visit: Visit) -> None:
    """The keyboard gets there as the mouse does."""
    me = visit(server.url)
    Answers().install(me.page)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    me.row("AAPL").focus()
    me.page.keyboard.press("Enter")
    expect(me.page).to_have_url(f"{server.url}/s/AAPL")


def test_a_range_is_a_link_that_survives_a_reload_and_the_back_button(
    server: Server, open_chart: Open
) -> None:
    """Each range asks for its own interval and stretch, stands in the address, and comes back."""
    answers, asked = Answers(), ["15m"]

    def intervals() -> list[str]:
        return [each["interval"] for each in answers.asked]

    me = open_chart(f"{server.url}/s/AAPL?range=5d", answers)
    me.expect_drawn()
    current = me.ranges.locator("[aria-current=true]")
    expect(current).to_have_text("5 D")
    for name, interval, key in [
        ("15 min", "1m", "15m"),
        ("1 D", "5m", "1d"),
        ("1 h", "1m", "1h"),
    ]:
        me.ranges.get_by_role("link", name=name, exact=True).click()
        expect(me.page).to_have_url(f"{server.url}/s/AAPL?range={key}")
        me.expect_drawn()
        asked.append(interval)
        until(me.page, lambda: intervals() == asked, intervals)
    me.page.reload()
    me.expect_drawn()
    expect(current).to_have_text("1 h")
    me.page.go_back()
    expect(current).to_have_text("1 D")
    asked += ["1m", "5m"]
    until(me.page, lambda: intervals() == asked, intervals)


def test_going_back_reads_older_candles_and_the_view_comes_back(
    server: Server, open_chart: Open
) -> None:
    """By key, wheel, drag and buttons: nearer, further, beyond the range, and all of it again."""
    answers = Answers(older=tuple(90.0 + n for n in range(200)))
    me = open_chart(f"{server.url}/s/AAPL?range=15m", answers, color_scheme="light")
    me.expect_drawn()
    reset = me.page.get_by_role("button", name="Reset view")
    wider = me.page.get_by_role("button", name=re.compile("Show the last"))
    expect(reset).to_be_hidden()
    me.page.mouse.move(0, 0)
    box = me.chart.bounding_box()
    assert box is not None
    me.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 90)
    top = me.page.evaluate("scrollY")
    me.page.mouse.wheel(0, 300)
    expect(me.chart).to_have_attribute("aria-valuemax", re.compile("^20[3-9]$"))
    assert me.page.evaluate("scrollY") == top
    expect(reset).to_be_visible()
    expect(wider).to_have_text("Show the last day in candles of 5 min")
    # The sums are those of the range, not of all that is drawn.
    expect(me.summary).to_contain_text(re.compile(r"Last 15 minutes: from 27\d\.75"))
    me.chart.focus()
    me.page.keyboard.press("Home")
    assert "close 90.00" in me.said
    me.page.keyboard.press("0")
    expect(reset).to_be_hidden()
    expect(wider).to_be_hidden()
    # What is of the range stays.
    expect(me.chart).to_have_attribute("aria-valuemax", re.compile("^1[4-6]$"))
    # A drag to the right, as with a finger.
    me.page.mouse.down()
    me.page.mouse.move(box["x"] + box["width"] / 2 + 150, box["y"] + 90, steps=5)
    me.page.mouse.up()
    expect(me.chart).to_have_attribute("aria-valuemax", re.compile("^20[3-9]$"))
    # The crosshair stays with the candle that is read, also while the view moves.
    me.page.mouse.move(0, 0)
    me.chart.focus()
    me.page.keyboard.press("End")
    for _ in range(8):
        me.page.keyboard.press("ArrowLeft")
    first = me.said
    for _ in range(9):
        me.page.keyboard.press("-")
    until(me.page, lambda: (me.crosshair() or 0) > 0.85, me.crosshair)
    assert me.said == first
    wider.click()
    expect(me.page).to_have_url(f"{server.url}/s/AAPL?range=1d")
    expect(reset).to_be_hidden()


def test_the_candles_are_chosen_and_stand_in_the_link(server: Server, open_chart: Open) -> None:
    """Each range has those that fit it; all of the history begins with weeks and refines."""
    answers = Answers()

    def asked() -> list[tuple[str, str]]:
        # Once each: a connection that was lost meanwhile has the whole range asked for again.
        whole = [(each["last"], each["interval"]) for each in answers.asked if "last" in each]
        return [each for each, _ in groupby(whole)]

    me = open_chart(f"{server.url}/s/AAPL?range=1mo", answers)
    me.expect_drawn()
    candles = me.page.get_by_label("Candles of")
    expect(candles.locator("option")).to_have_text(["30 min", "1 h", "4 h", "1 day"])
    expect(candles).to_have_value("1h")
    candles.select_option("30 min")
    expect(me.page).to_have_url(f"{server.url}/s/AAPL?range=1mo&interval=30m")
    until(me.page, lambda: asked() == [("1mo", "1h"), ("1mo", "30m")], asked)
    me.page.reload()
    expect(candles).to_have_value("30m")
    me.ranges.get_by_role("link", name="All", exact=True).click()
    expect(me.page).to_have_url(f"{server.url}/s/AAPL?range=all")
    # Four weeks of it.
    until(me.page, lambda: asked()[-2:] == [("all", "1w"), ("all", "30m")], asked)
    expect(candles).to_have_value("30m")


def test_times_are_the_exchanges_the_browsers_or_utc(server: Server, open_chart: Open) -> None:
    """Read-out, table and summary follow the switch, and this browser keeps it."""
    answers = Answers(gap=3)
    me = open_chart(f"{server.url}/s/VOD.L?range=1d", answers, timezone_id="America/New_York")
    me.expect_drawn()
    expect(me.readout).to_contain_text("UTC")
    me.page.get_by_text("Local", exact=True).click()
    expect(me.readout).to_contain_text(re.compile(r"\d\d:\d\d E[SD]T"))
    expect(me.summary).to_contain_text(re.compile(r"to \w{3} \d+ \w{3}, \d\d:\d\d E[SD]T"))
    me.figures.locator("summary").click()
    heads = me.figures.get_by_role("columnheader")
    expect(heads.first).to_have_text("Begins")
    expect(me.rows.last.get_by_role("rowheader")).to_contain_text(re.compile("E[SD]T$"))
    me.page.reload()
    expect(me.page.get_by_role("radio", name="Local")).to_be_checked()
    expect(me.readout).to_contain_text(re.compile("E[SD]T"))
    me.page.get_by_text("Exchange", exact=True).click()
    expect(me.readout).to_contain_text(re.compile(r"\d\d:\d\d (GMT|GMT\+1|BST)"))


def test_the_symbols_before_and_after_on_the_list_are_a_key_away(
    server: Server, visit: Visit
) -> None:
    """In the order of this window's list; the range stays; back there, its row has the focus."""
    me = visit(server.url)
    Answers().install(me.page)
    me.subscribe("AAPL MSFT")
    me.expect_price("MSFT")
    me.page.goto(f"{server.url}/s/AAPL?range=15m")
    chart = ChartPage(me.page)
    chart.expect_drawn()
    expect(me.page.get_by_role("link", name="Symbol before: none on the list")).to_have_attribute(
        "aria-disabled", "true"
    )
    expect(me.page.get_by_role("link", name="Symbol after: MSFT")).to_be_visible()
    me.page.keyboard.press("[")
    me.page.keyboard.press("]")
    expect(me.page).to_have_url(f"{server.url}/s/MSFT?range=15m")
    chart.expect_drawn()
    me.page.get_by_role("link", name="Symbol before: AAPL").click()
    expect(me.page).to_have_url(f"{server.url}/s/AAPL?range=15m")
    chart.expect_drawn()
    me.page.keyboard.press("Escape")
    expect(me.row("AAPL")).to_be_focused()


def test_another_symbol_is_compared_in_percent_and_removed_again(
    server: Server, open_chart: Open
) -> None:
    """From the first candle that both have; by key, in the link, in read-out, table and words."""
    answers = Answers(closes=(90.0, 100.0, 110.0, 121.0), others={"MSFT": (200.0, 190.0, 210.0)})
    me = open_chart(f"{server.url}/s/AAPL", answers, color_scheme="light")
    me.expect_drawn()
    me.page.keyboard.press("c")
    field = me.page.get_by_label("Compare with")
    expect(field).to_be_focused()
    me.page.keyboard.type("msft")
    me.page.keyboard.press("Enter")
    expect(me.page).to_have_url(f"{server.url}/s/AAPL?range=1h&compare=MSFT")
    expect(me.summary).to_contain_text(
        re.compile(r"In percent since \d\d:\d\d UTC: AAPL .*, MSFT ")
    )
    me.expect_drawn()
    me.expect_colour(COMPARE_LIGHT)
    me.chart.focus()
    me.page.keyboard.press("Home")
    assert me.said.endswith(", AAPL \u221210.00\u00a0%, MSFT no price"), me.said
    me.page.keyboard.press("ArrowRight")
    assert me.said.endswith(", AAPL 0.00\u00a0%, MSFT 0.00\u00a0%"), me.said
    me.page.keyboard.press("ArrowRight")
    assert me.said.endswith(", AAPL +10.00\u00a0%, MSFT \u22125.00\u00a0%"), me.said
    expect(me.readout).to_contain_text("MSFT\u00a0\u22125.00\u00a0%")
    me.figures.locator("summary").click()
    heads = me.figures.get_by_role("columnheader")
    expect(heads.nth(6)).to_have_text("AAPL")
    expect(heads.nth(7)).to_have_text("MSFT")
    # The reload of a link shows the same; a price of the picture is a price again.
    me.page.reload()
    expect(me.summary).to_contain_text("MSFT ")
    me.page.get_by_role("button", name="Remove MSFT").click()
    expect(me.page).to_have_url(f"{server.url}/s/AAPL?range=1h")
    expect(me.summary).not_to_contain_text("MSFT")
    me.expect_no_colour(COMPARE_LIGHT)
    field.fill("ZZZZ")
    answers.others["ZZZZ"] = ()
    me.page.keyboard.press("Enter")
    expect(me.notes).to_contain_text("ZZZZ is not served: ")


def test_an_alert_is_made_where_the_chart_is_asked(keeping: Server, open_chart: Open) -> None:
    """By key at the candle that is read, by a right click at its price; its text is there after."""
    me = open_chart(f"{keeping.url}/s/TSLA", Answers(), color_scheme="light")
    me.expect_drawn()
    expect(me.price).to_have_text(A_PRICE)
    me.chart.focus()
    me.page.keyboard.press("Home")
    me.page.keyboard.press("a")
    form = me.page.get_by_role("dialog", name="Alert")
    expect(form.get_by_label("Symbol")).to_have_value("TSLA")
    expect(form.get_by_label("Price")).to_have_value("150.00")
    expect(form.get_by_label("Price")).to_be_focused()
    form.get_by_label("Price").fill("9,876.50")
    form.get_by_label("When it").select_option("rises to")
    form.get_by_role("button", name="Add alert").click()
    expect(form.get_by_test_id("alert-hint")).to_contain_text("Added. ")
    me.page.keyboard.press("Escape")
    expect(form).to_be_hidden()
    rules = me.page.get_by_test_id("chart-rules")
    expect(rules).to_contain_text("Alert: TSLA rises to 9,876.50")
    me.page.reload()
    me.expect_drawn()
    expect(rules).to_contain_text("TSLA rises to 9,876.50")
    box = me.chart.bounding_box()
    assert box is not None
    me.page.mouse.click(box["x"] + 60, box["y"] + 120, button="right")
    expect(form.get_by_label("Price")).to_have_value(re.compile(r"^[\d,]+\.\d\d$"))
    me.page.keyboard.press("Escape")
    # It closes the dialog, and does not leave the page.
    expect(form).to_be_hidden()
    expect(me.page).to_have_url(f"{keeping.url}/s/TSLA")


def test_candles_and_line_are_drawn_in_the_colours_of_the_page(
    server: Server, open_chart: Open
) -> None:
    """Candles have the colours of up and down, a line has neither; the link keeps the choice."""
    me = open_chart(f"{server.url}/s/AAPL", Answers(), color_scheme="light")
    me.expect_drawn()
    me.expect_colour(LIGHT_UP)
    me.page.get_by_text("Line", exact=True).click()
    expect(me.page).to_have_url(re.compile(r"form=line"))
    me.expect_drawn()
    me.expect_no_colour(LIGHT_UP)
    me.page.reload()
    expect(me.page.get_by_role("radio", name="Line")).to_be_checked()
    me.page.get_by_text("Candles", exact=True).click()
    me.expect_colour(LIGHT_UP)


def test_volume_stands_below_the_candles_where_it_is_known(
    server: Server, open_chart: Open
) -> None:
    """In the picture, in words for the keyboard, and in the table; nowhere without it."""
    answers = Answers(volumes=(12_340_000.0, None, 0.5))
    me = open_chart(f"{server.url}/s/AAPL", answers)
    me.expect_drawn()
    me.expect_colour(LIGHT_UP_VOLUME)
    expect(me.readout).to_contain_text("Vol\u00a00.5")
    me.chart.press("End")
    me.chart.press("ArrowLeft")
    assert "volume" not in me.said
    expect(me.readout).to_contain_text(f"Vol\u00a0{UNKNOWN}")
    me.chart.press("ArrowLeft")
    assert "volume 12.3\u00a0M" in me.said
    expect(me.readout).to_contain_text("Vol\u00a012.3\u00a0M")
    me.figures.locator("summary").click()
    expect(me.figures.locator("thead")).to_contain_text("Volume")
    cells = [me.rows.nth(row).locator("td").nth(5) for row in range(4)]
    assert [cell.inner_text() for cell in cells] == ["0.5", UNKNOWN, "12,340,000", UNKNOWN]
    answers.volumes = ()
    me.page.reload()
    me.expect_drawn()
    me.expect_colour(LIGHT_UP)
    expect(me.readout).not_to_contain_text("Vol")
    assert LIGHT_UP_VOLUME not in me.colours()


def test_live_prices_move_the_newest_stored_candle_and_add_no_second_one(
    server: Server, open_chart: Open
) -> None:
    """Its open is history's and its close the live price; there is one candle per minute."""
    far = 120.0  # where no live price is
    me = open_chart(f"{server.url}/s/AAPL", Answers(closes=(150.0, 151.0, 150.5, far)))
    me.expect_drawn()
    shown = [me.price.inner_text()]
    for _ in range(3):
        expect(me.price).not_to_have_text(shown[-1])
        shown.append(me.price.inner_text())
    me.figures.locator("summary").click()
    expect(me.rows.first).to_be_visible()
    rows = [row.split("\t") for row in me.rows.all_inner_texts()]
    times = [row[0] for row in rows]
    assert len(times) == len(set(times))
    stored = [row for row in rows if row[5] == "7"]
    # A minute may have begun since history was asked: the newest stored one is then closed.
    assert len(rows) - len(stored) <= 1
    assert [row[4] for row in stored[1:]] == ["150.50", "151.00", "150.00"]
    assert stored[0][1] == f"{far - 0.25:.2f}"
    assert rows[0][4] != f"{far:.2f}"


def test_what_was_recorded_comes_back_as_candles(server: Server, open_chart: Open) -> None:
    """Nothing in history's place: live prices go through PostgreSQL and are there on reload."""
    me = open_chart(f"{server.url}/s/AAPL?range=15m")
    me.expect_drawn()
    me.figures.locator("summary").click()
    before = me.price.inner_text()
    expect(me.price).not_to_have_text(before)
    me.page.reload()
    me.expect_drawn()
    me.figures.locator("summary").click()
    oldest = me.rows.last.get_by_role("cell")
    # The number of prices is history's alone to tell.
    expect(oldest.nth(4)).to_have_text(re.compile(r"^\d+$"))
    answer = me.page.request.get(f"{server.url}/api/v1/history/AAPL?interval=1m&limit=15")
    candle = answer.json()["candles"][0]
    expect(oldest.nth(0)).to_have_text(f"{candle['open']:.2f}")
    expect(me.rows.last.get_by_role("rowheader")).to_have_text(candle["start"][11:16])


def test_after_a_lost_connection_all_of_the_range_is_asked_for_again(
    tmp_path: Path, stub: Stub, serving: Serving, open_chart: Open
) -> None:
    """What was missed while the server was away is filled from history."""
    answers = Answers()
    settings = {"STOCK_API_URL": stub.url, "DATABASE_URL": NO_DATABASE}
    server = serving(Server(tmp_path, FAST | settings))
    me = open_chart(f"{server.url}/s/AAPL", answers, server_goes_away=True)
    me.expect_drawn()
    server.stop()
    expect(me.page.get_by_test_id("banner")).to_be_visible()
    with me.page.expect_request("**/api/v1/history/**"):
        server.start()
    expect(me.page.get_by_test_id("banner")).to_be_hidden()
    # The whole range, and not only the newest candles.
    assert answers.asked[-1]["last"] == "1h"


def test_arrow_keys_read_the_candles_one_by_one(server: Server, open_chart: Open) -> None:
    """Each key says the whole candle, the readout shows it, and live prices say nothing."""
    me = open_chart(f"{server.url}/s/AAPL", Answers())
    me.expect_drawn()
    expect(me.page.get_by_role("slider", name=re.compile("Prices of AAPL"))).to_be_visible()
    me.chart.focus()
    me.page.keyboard.press("Home")
    assert re.fullmatch(
        r"\d\d:\d\d UTC, close 150.00, open 149.75, high 150.50, low 149.25, 7 prices", me.said
    ), me.said
    expect(me.readout).to_contain_text("150.00")
    me.page.keyboard.press("ArrowRight")
    assert "close 151.00, +1.00 on the one before" in me.said
    expect(me.readout).to_contain_text("+1.00")
    before = me.said
    shown = me.price.inner_text()
    expect(me.price).not_to_have_text(shown)
    assert me.said == before
    me.page.keyboard.press("End")
    assert before != me.said
    me.page.keyboard.press("Escape")
    assert me.said == "No candle chosen"
    assert int(me.chart.get_attribute("aria-valuemax") or "") >= 3
    # Not a way to be caught: Tab leaves it.
    me.page.keyboard.press("Tab")
    expect(me.chart).not_to_be_focused()


def test_the_pointer_shows_the_candle_it_is_over(server: Server, open_chart: Open) -> None:
    """Over the first candle the readout has its figures; away from the chart the newest."""
    me = open_chart(f"{server.url}/s/AAPL", Answers())
    me.expect_drawn()

    def over_the_first() -> bool:
        count = int(me.chart.get_attribute("aria-valuemax") or "") + 1
        plot = me.page.locator("#chart td:nth-child(2) canvas").first.bounding_box()
        assert plot is not None
        last = plot["x"] + plot["width"]
        me.page.mouse.move(last - 40 * (count - 0.5), plot["y"] + 50)
        read = me.readout.inner_text()
        return "149.75" in read and "150.00" in read

    # A minute may begin, and move them all.
    until(me.page, over_the_first, me.readout.inner_text)
    me.page.mouse.move(5, 5)
    expect(me.readout).not_to_contain_text("149.75")


def test_the_table_has_the_same_figures(server: Server, open_chart: Open) -> None:
    """Newest first, a column per figure, and nothing of it is in a live region."""
    me = open_chart(f"{server.url}/s/AAPL?with=sma", Answers())
    me.expect_drawn()
    me.figures.locator("summary").click()
    first = me.rows.last
    expect(first.locator("td")).to_have_text(
        ["149.75", "150.50", "149.25", "150.00", "7", "150.13"]
    )
    heads = me.figures.get_by_role("columnheader")
    expect(heads).to_have_text(["Begins (UTC)", "Open", "High", "Low", "Close", "Prices", "SMA 20"])
    regions = me.page.evaluate(
        """[...document.querySelectorAll(
          "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log], output"
        )].map((element) => element.id)"""
    )
    assert regions == ["live"]


def test_history_that_cannot_be_read_is_said_plainly_and_comes_back(
    server: Server, open_chart: Open
) -> None:
    """The reason and the next try are told, live prices are drawn, and it heals by itself."""
    answers = Answers(unavailable="the database does not answer.")
    me = open_chart(f"{server.url}/s/AAPL", answers, color_scheme="light")
    expect(me.state).to_contain_text(
        "History cannot be read now (the database does not answer). Live prices are drawn."
    )
    expect(me.live).to_contain_text("History cannot be read now.")
    expect(me.price).to_have_text(A_PRICE)
    expect(me.readout).to_contain_text(me.price.inner_text()[:2])
    expect(me.state.get_by_role("button", name="Try now")).to_be_visible()
    answers.unavailable = None
    me.expect_drawn()
    expect(me.live).to_contain_text("History is back.")
    expect(me.chart).to_have_attribute("aria-valuemax", re.compile("[3-9]"))


def test_no_prices_in_the_range_is_said_plainly(server: Server, open_chart: Open) -> None:
    """A symbol that no provider lists says so; nothing is drawn."""
    me = open_chart(f"{server.url}/s/ZZZZ?range=1d", Answers(closes=()))
    expect(me.state).to_have_text(re.compile("ZZZZ is not served: .*does not list it"))
    assert me.summary.inner_text() == ""
    expect(me.chart).to_have_attribute("aria-disabled", "true")


def test_a_chart_that_moves_under_a_resting_pointer_keeps_the_keyboards_cursor(
    server: Server, open_chart: Open
) -> None:
    """A line above it may become longer at any time; a pointer that moves takes the cursor."""
    # All of the chart is seen: to have the focus it need not scroll.
    tall = {"width": 1280, "height": 1000}
    me = open_chart(f"{server.url}/s/AAPL", Answers(), viewport=tall)
    me.expect_drawn()
    plot = me.page.locator("#chart td:nth-child(2) canvas").first.bounding_box()
    assert plot is not None
    newest = plot["x"] + plot["width"] - 20
    me.page.mouse.move(newest, plot["y"] - 8)
    me.chart.focus()
    me.page.keyboard.press("Home")
    first = me.said
    assert "close" in first
    # Up it goes, under the pointer, as with a line less above it.
    me.page.evaluate("""() => {
      const chart = document.querySelector("#chart");
      window.entered = new Promise((done) => chart.addEventListener("pointerenter", done));
      chart.style.marginTop = "-60px";
    }""")
    me.page.evaluate("() => window.entered")
    me.page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
    assert me.said == first
    me.page.mouse.move(newest + 2, plot["y"])
    expect(me.chart).not_to_have_attribute("aria-valuetext", first)


def test_figures_over_the_prices_are_drawn_named_and_linked(
    server: Server, open_chart: Open
) -> None:
    """Each has its period, its colour, and its place in the readout and the link."""
    answers = Answers()
    me = open_chart(f"{server.url}/s/AAPL", answers, color_scheme="light")
    me.expect_drawn()
    me.page.get_by_label("SMA 20").check()
    me.page.get_by_label("RSI 14").check()
    expect(me.page).to_have_url(re.compile("with=sma,rsi$"))
    me.chart.focus()
    me.page.keyboard.press("Home")
    expect(me.readout).to_contain_text("SMA 20\u00a0150.13")
    expect(me.readout).to_contain_text("RSI 14\u00a061.5")
    assert me.said.endswith("SMA 20 150.13, RSI 14 61.5")
    me.expect_colour(SMA_LIGHT)
    asked = [(a["indicator"], a["period"]) for a in answers.asked if "indicator" in a]
    assert asked[:2] == [("sma", "20"), ("rsi", "14")]
    me.page.get_by_label("EMA 20").check()
    expect(me.state).to_contain_text("EMA 20 cannot be shown: period: not today.")
    me.page.get_by_label("EMA 20").uncheck()
    me.expect_drawn()


def test_without_the_library_the_table_is_opened_instead(
    server: Server, browser: Browser, open_chart: Open
) -> None:
    """A chart that cannot be loaded costs the picture, not the figures."""
    context = browser.new_context()
    try:
        page = context.new_page()
        Answers().install(page)
        page.route(LIBRARY, lambda route: route.abort())
        page.goto(f"{server.url}/s/AAPL")
        me = ChartPage(page)
        expect(me.state).to_contain_text("The chart could not be loaded. The table below")
        expect(me.rows.last.locator("td").nth(3)).to_have_text("150.00")
    finally:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_and_picture_follow_the_theme_and_are_readable(
    scheme: str, server: Server, open_chart: Open
) -> None:
    """Every text has a contrast of 4.5 to 1; a theme chosen on the page recolours the picture."""
    me = open_chart(f"{server.url}/s/AAPL?with=sma,rsi,volatility", Answers(), color_scheme=scheme)
    me.expect_drawn()
    me.figures.locator("summary").click()
    expect(me.rows.first).to_be_visible()
    contrasts = me.page.evaluate(CONTRASTS)
    assert {"AAPL", "YTD", "Close", "www.tradingview.com"} <= {text for text, _ in contrasts}
    assert [(text, ratio) for text, ratio in contrasts if ratio < READABLE] == []
    papers = [LIGHT_PAPER, DARK_PAPER]
    ours = papers[scheme == "dark"]
    me.expect_colour(ours)
    me.page.get_by_title("Dark" if scheme == "light" else "Light", exact=True).click()
    other = papers[scheme == "light"]
    me.expect_colour(other)
    me.expect_no_colour(ours)


def test_at_360_pixels_nothing_is_cut_off_or_scrolls_sideways(
    server: Server, open_chart: Open
) -> None:
    """With all figures, the table open, and a state shown; only the table may scroll by itself."""
    answers = Answers()
    url = f"{server.url}/s/AAPL?range=5d&with=sma,ema,rsi,volatility"
    me = open_chart(url, answers, viewport=NARROW, has_touch=True, is_mobile=True)
    expect(me.state).to_contain_text("EMA 20 cannot be shown")
    me.figures.locator("summary").tap()
    expect(me.rows.first).to_be_visible()
    widths = me.page.evaluate(
        "[document.scrollingElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert widths == [360, 360]
    outside = me.page.evaluate(
        """[...document.querySelectorAll("body *")].filter((element) => {
          const box = element.getBoundingClientRect();
          const hidden = ".sr-only, .skip, [aria-hidden], .chart-figures-scroll table";
          const unseen = element.closest(hidden);
          const seen = element.checkVisibility() && box.width > 0 && !unseen;
          return seen && (box.left < 0 || box.right > innerWidth);
        }).map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    # The table has the page's width, and begins under what opens it.
    # Both at one moment: between two the page may scroll.
    table, opener = me.figures.evaluate(
        """(figures) => ["[role=region]", "summary"].map(
          (part) => figures.querySelector(part).getBoundingClientRect().toJSON())"""
    )
    assert table["width"] >= NARROW["width"] - 2 * 16
    assert table["top"] >= opener["bottom"]


def test_the_library_is_named_with_its_notice_and_link(server: Server, open_chart: Open) -> None:
    """What its licence asks for, since its logo is off: the notice, and a link to its makers."""
    me = open_chart(f"{server.url}/s/AAPL", Answers())
    me.expect_drawn()
    foot = me.page.get_by_role("contentinfo")
    expect(foot).to_contain_text("TradingView Lightweight Charts™")
    expect(foot).to_contain_text("Copyright © 2025 TradingView, Inc.")
    link = foot.get_by_role("link", name="www.tradingview.com")
    expect(link).to_have_attribute("href", "https://www.tradingview.com/")
    assert me.page.locator("#tv-attr-logo").count() == 0


def test_an_address_is_of_one_symbol_in_one_spelling(server: Server, open_chart: Open) -> None:
    """Small letters lead to the symbol's own address, range and all; what is no symbol is named."""
    me = open_chart(f"{server.url}/s/aapl?range=1d", Answers())
    expect(me.page).to_have_url(f"{server.url}/s/AAPL?range=1d")
    answer = me.page.goto(f"{server.url}/s/%3Cb%3E")
    assert answer is not None
    assert answer.status == 404
    expect(me.page.get_by_text("“<b>” is no symbol")).to_be_visible()
