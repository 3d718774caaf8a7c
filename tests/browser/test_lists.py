"""Named lists: made, chosen, changed, deleted and brought back, with and without a database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.dashboard import A_MOVE, Dashboard, same_kept, tab_beside
from tests.browser.network import late_answer
from tests.browser.test_looks import CONTRASTS, NARROW, READABLE, expect_no_sideways_scroll
from tests.support.programs import Server, Stub
from tests.support.server import NO_DATABASE

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Response, Route

    from tests.browser.conftest import Serving, Visit


def chosen(me: Dashboard) -> Locator:
    return me.page.locator("#list option:checked")


def is_patch(response: Response) -> bool:
    return response.request.method == "PATCH"


def make_list(me: Dashboard, name: str, *, copy: bool = True) -> None:
    me.page.get_by_role("button", name="New list").click()
    field = me.page.get_by_label("Name of the list")
    expect(field).to_be_focused()
    field.fill(name)
    box = me.page.get_by_label("with the symbols shown")
    if box.is_visible():
        box.set_checked(copy)
    field.press("Enter")
    expect(chosen(me)).to_have_text(name)


def test_lists_are_made_chosen_and_changed_and_are_there_after_a_reload(
    keeping: Server, visit: Visit
) -> None:
    """Each keeps its own symbols; prices of the chosen one move."""
    me = visit(keeping.url)
    me.subscribe("AAPL MSFT")
    me.expect_rows("AAPL", "MSFT")
    make_list(me, "Tech")
    me.expect_rows("AAPL", "MSFT")
    make_list(me, "Cars", copy=False)
    me.expect_rows()
    with me.page.expect_response(is_patch) as saved:
        me.subscribe("TSLA")
    assert saved.value.ok
    me.expect_changes("TSLA", 1)
    me.page.get_by_test_id("list").select_option(label="Tech")
    me.expect_rows("AAPL", "MSFT")
    with me.page.expect_response(is_patch):
        me.remove("MSFT").click()
    me.page.reload()
    expect(chosen(me)).to_have_text("Tech")
    me.expect_rows("AAPL")
    me.expect_changes("AAPL", 1)
    me.page.get_by_test_id("list").select_option(label="This browser")
    me.expect_rows("AAPL", "MSFT")
    me.page.evaluate("localStorage.clear()")
    me.page.reload()
    expect(me.page.locator("#list option")).to_have_text(["This browser", "Cars", "Tech"])
    me.page.get_by_test_id("list").select_option(label="Cars")
    me.expect_rows("TSLA")


def test_another_server_on_the_same_host_takes_no_lists_away(
    keeping: Server, stub: Stub, tmp_path: Path, serving: Serving, visit: Visit
) -> None:
    """A browser sends it the cookies of all ports; it leaves those alone that it did not give."""
    me = visit(keeping.url)
    make_list(me, "Mine")
    settings = {"STOCK_API_URL": stub.url, "DATABASE_URL": NO_DATABASE}
    other = serving(Server(tmp_path, settings))
    me.page.goto(other.url)
    expect(me.page.get_by_test_id("list")).to_be_attached()
    me.page.goto(keeping.url)
    expect(chosen(me)).to_have_text("Mine")
    me.page.evaluate("localStorage.clear()")
    me.page.reload()
    expect(me.page.locator("#list option")).to_have_text(["This browser", "Mine"])


def test_a_list_is_renamed_deleted_and_brought_back(keeping: Server, visit: Visit) -> None:
    """A name that is taken is refused beside the field; Undo brings a deleted list back."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    make_list(me, "One")
    make_list(me, "Two")
    me.page.get_by_role("button", name="Rename").click()
    field = me.page.get_by_label("Name of the list")
    expect(field).to_have_value("Two")
    field.fill("one")
    field.press("Enter")
    expect(me.page.get_by_test_id("list-note")).to_have_text(
        "Not saved: another list has this name."
    )
    expect(field).to_be_focused()
    field.fill("Three")
    field.press("Enter")
    expect(chosen(me)).to_have_text("Three")
    me.page.get_by_role("button", name="Delete list").click()
    expect(chosen(me)).to_have_text("This browser")
    expect(me.page.locator("#live")).to_contain_text("List “Three” removed.")
    me.page.keyboard.press("Control+z")
    expect(chosen(me)).to_have_text("Three")
    me.expect_rows("AAPL")


def test_two_tabs_show_the_same_and_what_another_browser_did_is_joined(
    keeping: Server, visit: Visit
) -> None:
    """A tab follows the other; a change by the API from elsewhere comes with the next look."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    make_list(me, "Shared")
    other = tab_beside(me.page)
    other.goto(keeping.url)
    expect(other.get_by_test_id("row-AAPL")).to_be_visible()
    # Whichever tab comes first saves it.
    with me.page.context.expect_event("response", is_patch):
        me.subscribe("MSFT")
    expect(other.get_by_test_id("row-MSFT")).to_be_visible()
    me.page.evaluate(
        """async () => {
          const [list] = (await (await fetch("/api/v1/watchlists")).json()).watchlists;
          const body = JSON.stringify({add: ["NFLX"]});
          const headers = {"Content-Type": "application/json"};
          await fetch(`/api/v1/watchlists/${list.id}`, {method: "PATCH", body, headers});
        }"""
    )
    me.page.reload()
    expect(me.row("NFLX")).to_be_visible()


def test_two_windows_with_lists_that_overlap_each_show_their_own(
    keeping: Server, visit: Visit
) -> None:
    """A symbol of both moves in both, also after one of them has let it go; what is changed in one
    list is not in the other, and in the first window when that list is chosen there.
    """
    me = visit(keeping.url)
    me.subscribe("AAPL MSFT")
    make_list(me, "Left")
    page = tab_beside(me.page)
    page.goto(keeping.url)
    other = Dashboard(page)
    make_list(other, "Right")
    other.subscribe("TSLA")
    with page.expect_response(is_patch):
        other.remove("MSFT").click()
    other.expect_rows("AAPL", "TSLA")
    expect(me.page.locator("#list option")).to_have_text(["This browser", "Left", "Right"])
    expect(chosen(me)).to_have_text("Left")
    me.expect_rows("AAPL", "MSFT")
    with me.page.expect_response(is_patch):
        me.remove("AAPL").click()
    me.expect_rows("MSFT")
    other.expect_rows("AAPL", "TSLA")
    expect(chosen(other)).to_have_text("Right")
    other.expect_changes("AAPL", 2)
    me.expect_changes("MSFT", 1)
    me.page.get_by_test_id("list").select_option(label="Right")
    me.expect_rows("AAPL", "TSLA")
    with me.page.expect_response(is_patch):
        me.remove("TSLA").click()
    other.expect_rows("AAPL")
    page.get_by_test_id("list").select_option(label="Left")
    other.expect_rows("MSFT")
    me.expect_rows("AAPL")
    me.expect_changes("AAPL", 1)


def test_what_one_tab_changes_while_another_asks_the_server_is_not_lost(
    keeping: Server, visit: Visit
) -> None:
    """The answer is older than the change, and so is what the asking tab knew of the list."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    make_list(me, "Shared")
    other = tab_beside(me.page)
    held: list[Route] = []
    saving: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    released = False

    def hold_saving(route: Route) -> None:
        if released:
            route.continue_()
        else:
            saving.append(route)

    # The other tab is slow to hear that the list has changed, and this one to save it.
    other.add_init_script(
        "window.addEventListener('storage', (event) => event.stopImmediatePropagation())"
    )
    other.route("**/api/v1/watchlists", hold)
    with other.expect_request("**/api/v1/watchlists"):
        other.goto(keeping.url)
    me.page.route("**/api/v1/watchlists/*", hold_saving)
    me.subscribe("MSFT")
    same_kept(me.page, other)
    with other.expect_response("**/api/v1/watchlists"):
        held[0].continue_()
    expect(other.get_by_test_id("row-MSFT")).to_be_visible()
    with me.page.context.expect_event("response", is_patch) as saved:
        released = True
        while saving:  # sent already, or not yet: the page waits a little for more changes
            saving.pop().continue_()
    assert saved.value.json()["symbols"] == ["AAPL", "MSFT"]
    expect(me.row("MSFT")).to_be_visible()


def test_a_list_that_is_made_while_an_older_answer_is_on_its_way_stays(
    keeping: Server, visit: Visit
) -> None:
    """All lists were told before this one was made; and before the other one was deleted."""
    me = visit(keeping.url)
    make_list(me, "Gone")
    with late_answer(me.page, "**/api/v1/watchlists"):
        me.page.get_by_role("button", name="Delete list").click()
        expect(chosen(me)).to_have_text("This browser")
        make_list(me, "Mine")
    expect(me.page.locator("#list option")).to_have_text(["This browser", "Mine"])
    expect(chosen(me)).to_have_text("Mine")


def test_an_answer_that_breaks_off_takes_no_list_away(keeping: Server, visit: Visit) -> None:
    """As when the page is left while it comes: the list is shown, with what was changed in it."""
    me = visit(keeping.url)
    make_list(me, "Mine")
    broken = re.compile("/api/v1/watchlists$")
    me.page.route(broken, lambda route: route.fulfill(body='{"watchlists": ['))
    me.page.reload()
    expect(me.page.get_by_test_id("list-note")).to_contain_text("kept in this browser")
    expect(chosen(me)).to_have_text("Mine")
    with me.page.expect_response(is_patch):
        me.subscribe("AAPL")
    me.page.unroute(broken)
    me.page.reload()
    expect(chosen(me)).to_have_text("Mine")
    me.expect_rows("AAPL")


@pytest.mark.proves("H10")
def test_without_a_database_lists_go_on_in_the_browser_and_are_saved_later(
    keeping: Server, visit: Visit
) -> None:
    """It says so, keeps what is changed over a reload, and saves it when it can."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    make_list(me, "Later")

    def refuse(route: Route) -> None:
        error = '{"error":{"code":"unavailable","reason":"the database is away"}}'
        route.fulfill(status=503, headers={"Retry-After": "1"}, body=error)

    pattern = re.compile("/api/v1/watchlists")
    me.page.route(pattern, refuse)
    me.subscribe("MSFT")
    me.remove("AAPL").click()
    expect(me.page.get_by_test_id("list-note")).to_contain_text("kept in this browser")
    me.expect_changes("MSFT", 1)
    me.page.reload()
    me.expect_rows("MSFT")
    me.page.get_by_role("button", name="New list").click()
    me.page.get_by_label("Name of the list").fill("No")
    me.page.keyboard.press("Enter")
    expect(me.page.get_by_test_id("list-note")).to_have_text("Not saved: the database is away.")
    with me.page.expect_response(is_patch) as saved:
        me.page.unroute(pattern)
        me.page.reload()
    assert saved.value.json()["symbols"] == ["MSFT"]
    me.expect_rows("MSFT")
    expect(me.page.get_by_test_id("list-note")).to_have_text("")


def test_a_server_without_any_database_says_so_and_shows_prices(
    tmp_path: Path, serving: Serving, visit: Visit
) -> None:
    """From the start on; the list of this browser is all that is needed."""
    settings = {"DATABASE_URL": NO_DATABASE, "STOCK_API_URL": "sim://?interval=0.1"}
    me = visit(serving(Server(tmp_path, settings)).url)
    me.subscribe("AAPL")
    me.expect_changes("AAPL", 2)
    expect(me.page.get_by_test_id("list-note")).to_contain_text("kept in this browser")
    expect(me.page.get_by_test_id("alert-hint")).to_contain_text("cannot be read or changed")
    me.page.reload()
    me.expect_rows("AAPL")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lists_and_alerts_fit_360_pixels_and_can_be_read(
    scheme: str, keeping: Server, visit: Visit
) -> None:
    """With a long name, its form open, rules with a webhook, and an alert that fired."""
    me = visit(keeping.url, viewport=NARROW, color_scheme=scheme, has_touch=True, is_mobile=True)
    me.page.get_by_role("button", name="Add all 6").tap()
    me.expect_price("AAPL")
    make_list(me, "W" * 60)
    expect_no_sideways_scroll(me)
    me.page.get_by_role("button", name="Rename").tap()
    me.page.get_by_role("button", name="Save list").scroll_into_view_if_needed()
    expect_no_sideways_scroll(me)
    me.page.get_by_text("Post it to an address as well").tap()
    me.page.get_by_label("Address", exact=True).fill("https://example.com/" + "a-long-path/" * 20)
    me.page.get_by_label("Symbol", exact=True).fill("AAPL")
    me.page.get_by_label("When it").select_option("move")
    me.page.get_by_label("Percent").fill(A_MOVE)
    me.page.get_by_role("button", name="Add alert").tap()
    me.page.get_by_text("Posted to an address").tap()
    expect(me.page.get_by_test_id("alert-notice")).to_be_visible()
    expect_no_sideways_scroll(me)
    contrasts = me.page.evaluate(CONTRASTS)
    texts = " ".join(text for text, _ratio in contrasts)
    assert "New list" in texts
    assert f"moves {A_MOVE} % within 5 min" in texts
    assert [(text, ratio) for text, ratio in contrasts if ratio < READABLE] == []
