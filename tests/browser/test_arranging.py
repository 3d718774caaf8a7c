"""A list arranged by hand: rows and sections moved by keys, a mouse and a finger, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.dashboard import tab_beside
from tests.browser.test_lists import chosen, is_patch, make_list
from tests.browser.test_looks import expect_no_sideways_scroll

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

    from tests.browser.conftest import Visit
    from tests.browser.dashboard import Dashboard
    from tests.support.programs import Server

LINES = "rows => rows.map(row => row.dataset.symbol ?? '#' + row.dataset.section)"


def expect_lines(page: Page, *lines: str) -> None:
    """Wait until the list is these rows; `#Tech` is the name of a section."""
    rows = page.locator("#watchlist tbody tr")
    expect(rows).to_have_count(len(lines))
    for place, line in enumerate(lines):
        kind = "section" if line.startswith("#") else "symbol"
        expect(rows.nth(place)).to_have_attribute(f"data-{kind}", line.removeprefix("#"))


def section(me: Dashboard, name: str) -> Locator:
    return me.page.locator(f'tr[data-section="{name}"]')


def make_section(me: Dashboard, name: str, first: str) -> None:
    """From a row on."""
    me.row(first).focus()
    me.page.get_by_role("button", name="New section").click()
    me.page.get_by_label("Name of the section", exact=True).fill(name)
    me.page.get_by_label(f"from {first} on").check()
    me.page.keyboard.press("Enter")
    expect(section(me, name)).to_be_focused()


def drag(page: Page, what: Locator, to: Locator, *, after: bool = False) -> None:
    """With the mouse, to the upper or the lower part of a row."""
    what.hover()
    page.mouse.down()
    box = to.bounding_box()
    assert box is not None
    part = 0.8 if after else 0.2
    page.mouse.move(box["x"] + 40, box["y"] + box["height"] * part, steps=4)
    expect(to).to_have_attribute("data-drop", "after" if after else "before")
    page.mouse.up()


def test_rows_and_sections_are_moved_by_keys_and_stay_so(keeping: Server, visit: Visit) -> None:
    """Up and down, into sections and out, with a word for who hears the page; another browser of
    the same user sees the same.
    """
    me = visit(keeping.url)
    me.subscribe("AAPL MSFT TSLA AMZN")
    make_list(me, "Mine")
    make_section(me, "Cars", "TSLA")
    expect_lines(me.page, "AAPL", "MSFT", "#Cars", "TSLA", "AMZN")
    me.row("AMZN").focus()
    for _ in range(3):
        me.page.keyboard.press("Alt+ArrowUp")
        expect(me.row("AMZN")).to_be_focused()
    expect_lines(me.page, "AAPL", "AMZN", "MSFT", "#Cars", "TSLA")
    expect(me.page.locator("#live")).to_contain_text("AMZN: 2 of 3.")
    make_section(me, "Software", "MSFT")
    with me.page.expect_response(is_patch):
        me.page.keyboard.press("Alt+ArrowDown")
    expect_lines(me.page, "AAPL", "AMZN", "#Cars", "TSLA", "#Software", "MSFT")
    expect(section(me, "Software")).to_be_focused()
    with me.page.expect_response(is_patch):
        me.page.keyboard.press("Enter")
    expect_lines(me.page, "AAPL", "AMZN", "#Cars", "TSLA", "#Software")
    me.page.evaluate("localStorage.clear()")
    me.page.reload()
    expect(chosen(me)).to_have_text("Mine")
    expect_lines(me.page, "AAPL", "AMZN", "#Cars", "TSLA", "#Software")
    me.expect_changes("TSLA", 1)
    section(me, "Software").get_by_role("button", expanded=False).click()
    me.row("MSFT").focus()
    me.page.keyboard.press("Delete")
    expect_lines(me.page, "AAPL", "AMZN", "#Cars", "TSLA", "#Software")
    me.page.keyboard.press("Control+z")
    expect_lines(me.page, "AAPL", "AMZN", "#Cars", "TSLA", "#Software", "MSFT")


def test_rows_and_sections_are_dragged(server: Server, visit: Visit) -> None:
    """The list of this browser as well. A sorted list is not moved, and says why."""
    me = visit(server.url)
    me.subscribe("AAPL MSFT TSLA AMZN")
    me.expect_rows("AAPL", "MSFT", "TSLA", "AMZN")
    drag(me.page, me.row("AMZN").get_by_role("link"), me.row("AAPL"))
    expect_lines(me.page, "AMZN", "AAPL", "MSFT", "TSLA")
    make_section(me, "Two", "MSFT")
    make_section(me, "One", "AMZN")
    expect_lines(me.page, "#One", "AMZN", "AAPL", "#Two", "MSFT", "TSLA")
    drag(me.page, section(me, "Two").locator(".c-section .meta"), section(me, "One"))
    expect_lines(me.page, "#Two", "MSFT", "TSLA", "#One", "AMZN", "AAPL")
    drag(me.page, me.row("AAPL").get_by_role("link"), section(me, "Two"), after=True)
    expect_lines(me.page, "#Two", "AAPL", "MSFT", "TSLA", "#One", "AMZN")
    me.page.get_by_role("button", name="Symbol").click()
    expect_lines(me.page, "#Two", "AAPL", "MSFT", "TSLA", "#One", "AMZN")
    me.row("TSLA").focus()
    me.page.keyboard.press("Alt+ArrowUp")
    expect(me.page.get_by_test_id("list-note")).to_contain_text("The list is sorted.")
    me.page.reload()
    expect_lines(me.page, "#Two", "AAPL", "MSFT", "TSLA", "#One", "AMZN")
    assert "/s/" not in me.page.url


def test_a_finger_moves_rows_by_their_grip(server: Server, visit: Visit) -> None:
    """A press elsewhere scrolls, as ever."""
    me = visit(server.url, has_touch=True, viewport={"width": 360, "height": 800})
    me.subscribe("AAPL MSFT TSLA")
    me.expect_rows("AAPL", "MSFT", "TSLA")
    expect(me.page.locator(".grip")).to_have_count(0)
    me.page.get_by_role("button", name="Move rows").click()
    grip = me.row("TSLA").locator(".grip")
    grip.scroll_into_view_if_needed()
    start, end = grip.bounding_box(), me.row("AAPL").bounding_box()
    assert start is not None
    assert end is not None
    touch = me.page.context.new_cdp_session(me.page)
    x, y = start["x"] + 8, start["y"] + start["height"] / 2

    def send(kind: str, *points: dict[str, float]) -> None:
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    send("touchStart", {"x": x, "y": y})
    for part in (0.2, 0.6, 1.0):
        send("touchMove", {"x": x, "y": y + (end["y"] + 4 - y) * part})
    expect(me.row("AAPL")).to_have_attribute("data-drop", "before")
    send("touchEnd")
    me.expect_rows("TSLA", "AAPL", "MSFT")


def test_a_list_has_an_address_which_another_window_opens(keeping: Server, visit: Visit) -> None:
    """Two windows, two lists; going back leads to the list before; one that is gone says so."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    make_list(me, "One")
    first = me.page.url
    make_list(me, "Two", copy=False)
    assert me.page.url != first
    other = tab_beside(me.page)
    other.goto(first)
    expect(other.locator("#list option:checked")).to_have_text("One")
    expect_lines(other, "AAPL")
    me.page.reload()
    expect(chosen(me)).to_have_text("Two")
    me.page.go_back()
    expect(chosen(me)).to_have_text("One")
    me.expect_rows("AAPL")
    me.page.go_forward()
    expect(chosen(me)).to_have_text("Two")
    me.page.evaluate("localStorage.clear(); sessionStorage.clear()")
    me.page.goto(first)
    expect(chosen(me)).to_have_text("One")
    me.page.goto(f"{keeping.url}/?list=999999")
    expect(me.page.get_by_test_id("list-note")).to_contain_text("no list with the number 999999")
    assert "list=999999" not in me.page.url


def test_a_list_is_imported_after_a_look_and_saved(
    keeping: Server, visit: Visit, tmp_path: Path
) -> None:
    """What would be added, what is not understood and where; then it is there, in its sections. A
    paste as well as a file; what was saved is what is read.
    """
    me = visit(keeping.url)
    me.subscribe("AAPL")
    make_list(me, "Mine")
    me.page.get_by_text("Files and links", exact=True).click()
    me.page.get_by_role("button", name="Import").click()
    dialog = me.page.get_by_role("dialog", name="Import symbols")
    dialog.get_by_role("button", name="Look at it").click()
    expect(dialog.get_by_role("status")).to_have_text("Choose a file, or paste the symbols.")
    dialog.get_by_label("Or paste it").fill("AAPL,###Tech,NASDAQ:MSFT,XXX:FOO,\n###Cars,TSLA")
    dialog.get_by_role("button", name="Look at it").click()
    expect(dialog.get_by_role("status")).to_have_text(
        "2 symbols would be added, 1 is on the list already, 1 is left out."
    )
    expect(me.page.get_by_test_id("import-told")).to_have_text(
        "Line 1: XXX:FOO: the exchange XXX is not known here"
    )
    with me.page.expect_response(is_patch):
        dialog.get_by_role("button", name="Add 2 symbols").click()
    expect_lines(me.page, "AAPL", "#Tech", "MSFT", "#Cars", "TSLA")
    me.expect_changes("MSFT", 1)
    with me.page.expect_download() as saved:
        me.page.get_by_role("button", name="Save as CSV").click()
    file = tmp_path / saved.value.suggested_filename
    assert file.name == "Mine.csv"
    saved.value.save_as(file)
    make_list(me, "Again", copy=False)
    me.page.get_by_role("button", name="Import").click()
    dialog.get_by_label("File").set_input_files(file)
    dialog.get_by_role("button", name="Add 3 symbols").click()
    expect_lines(me.page, "AAPL", "#Tech", "MSFT", "#Cars", "TSLA")
    with me.page.expect_download() as saved:
        me.page.get_by_role("button", name="Save for TradingView").click()
    assert saved.value.path().read_text() == "AAPL,###Tech,MSFT,###Cars,TSLA\n"


def test_a_list_is_shared_by_a_link_which_is_ended(keeping: Server, visit: Visit) -> None:
    """Somebody else takes a copy, even if they have a list of that name; an ended link says so."""
    me = visit(keeping.url)
    me.subscribe("AAPL TSLA")
    make_list(me, "Ideas")
    long = "W" * 60
    make_section(me, long, "TSLA")
    with me.page.expect_response(is_patch):
        me.page.keyboard.press("Alt+ArrowUp")
        me.row("AAPL").focus()
        me.page.keyboard.press("Alt+ArrowDown")
    me.page.get_by_text("Files and links", exact=True).click()
    me.page.get_by_role("button", name="Share", exact=True).click()
    dialog = me.page.get_by_role("dialog", name="Share “Ideas”")
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.get_by_role("textbox", name="The link")
    expect(link).to_be_focused()
    address = link.input_value()
    expect(me.page.get_by_test_id("shares").get_by_role("listitem")).to_contain_text("Ideas")
    other = visit(address, viewport={"width": 360, "height": 740})
    expect(other.page.get_by_role("heading", name="Ideas")).to_be_visible()
    expect_no_sideways_scroll(other)
    for name in ("Ideas", "Ideas (2)"):
        other.page.goto(address)
        other.page.get_by_role("button", name="Add to my lists").click()
        expect(chosen(other)).to_have_text(name)
        expect_lines(other.page, f"#{long}", "AAPL", "TSLA")
    dialog.get_by_role("button", name="End the link to Ideas").click()
    expect(dialog.get_by_role("status")).to_contain_text("The link is ended")
    expect(me.page.get_by_test_id("shares").get_by_role("listitem")).to_have_count(0)
    stranger = other.page.context.request.get(address)
    assert stranger.status == 410
    assert "has ended its link" in stranger.text()
    expect_lines(other.page, f"#{long}", "AAPL", "TSLA")
