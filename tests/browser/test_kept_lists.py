"""What becomes of a list: one in each window, nothing lost in silence, all of it brought back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.dashboard import Dashboard, tab_beside
from tests.browser.test_alerts import add_alert
from tests.browser.test_lists import chosen, is_patch, make_list
from tests.browser.waiting import until
from tests.support.database import psql
from tests.support.programs import Server, running
from tests.support.server import NO_DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.conftest import Visit

MANY = [f"S{number:03}" for number in range(1, 896)]
"""What somebody pasted, and of which 228 were gone without a word."""
FILL = """() => {
  localStorage.setItem("filler", "");
  for (let piece = "x".repeat(2 ** 20); piece !== ""; ) {
    try { localStorage.setItem("filler", localStorage.getItem("filler") + piece); }
    catch { piece = piece.slice(1, piece.length / 2); }
  }
}"""

LISTEN = """() => {
  const live = document.querySelector("#live");
  const note = () => { document.documentElement.dataset.said += live.textContent; };
  new MutationObserver(note).observe(live, {childList: true, characterData: true, subtree: true});
}"""
"""What the live region says is soon followed by something else."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of 1,200 symbols, S0001 and so on, without a database."""
    settings = {
        "DATABASE_URL": NO_DATABASE,
        "STOCK_API_URL": "sim://?symbols=1200&interval=1",
    }
    server = Server(tmp_path_factory.mktemp("many"), settings)
    with running(server):
        yield server


def test_two_windows_show_two_lists_and_each_keeps_its_own(keeping: Server, visit: Visit) -> None:
    """Choosing in one leaves the other alone, over a reload too; a change is seen in both."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    make_list(me, "First")
    make_list(me, "Second", copy=False)
    me.subscribe("TSLA")
    me.expect_rows("TSLA")
    other = Dashboard(tab_beside(me.page))
    other.page.goto(keeping.url)
    expect(chosen(other)).to_have_text("Second")
    other.page.get_by_test_id("list").select_option(label="First")
    other.expect_rows("AAPL")
    with me.page.expect_response("**/api/v1/watchlists"):
        me.page.reload()
    expect(chosen(me)).to_have_text("Second")
    me.expect_rows("TSLA")
    other.page.reload()
    expect(chosen(other)).to_have_text("First")
    other.expect_rows("AAPL")
    other.page.get_by_test_id("list").select_option(label="Second")
    other.expect_rows("TSLA")
    with me.page.context.expect_event("response", is_patch):
        me.subscribe("MSFT")
    other.expect_rows("TSLA", "MSFT")
    other.page.get_by_test_id("list").select_option(label="First")
    other.page.get_by_role("button", name="Delete list").click()
    me.expect_rows("TSLA", "MSFT")
    me.page.get_by_role("button", name="Delete list").click()
    expect(chosen(other)).to_have_text("This browser")


def test_a_list_that_a_full_browser_does_not_keep_says_so(keeping: Server, visit: Visit) -> None:
    """As long as it is so; a list of the server's is kept, and nothing is said of it."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    me.expect_rows("AAPL")
    told = me.page.get_by_test_id("list-note")
    expect(told).to_have_text("")
    me.page.evaluate(FILL)
    me.page.evaluate(LISTEN)
    me.subscribe("MSFT TSLA")
    me.expect_rows("AAPL", "MSFT", "TSLA")
    expect(told).to_have_text(
        "The storage of this browser is full: what you change is lost when you leave this page."
        " A new list is kept by the server."
    )
    expect(told).to_have_attribute("data-kind", "warning")
    said = re.compile("what you change is lost")
    expect(me.page.locator("html")).to_have_attribute("data-said", said)
    make_list(me, "Kept")
    me.expect_rows("AAPL", "MSFT", "TSLA")
    expect(told).to_have_text("")
    me.page.get_by_test_id("list").select_option(label="This browser")
    me.expect_rows("AAPL", "MSFT", "TSLA")
    expect(told).to_contain_text("is full")
    me.page.evaluate("localStorage.removeItem('filler')")
    me.remove("AAPL").click()
    expect(told).to_have_text("")
    me.page.reload()
    me.expect_rows("MSFT", "TSLA")


def test_a_long_paste_is_not_cut(many: Server, visit: Visit) -> None:
    """895 symbols are 895, whatever stands between them; what has no room stays in the field."""
    me = visit(many.url)
    listed = me.page.request.get(f"{many.url}/api/v1/symbols").json()["symbols"]
    symbols = [item["symbol"] for item in listed]
    assert len(symbols) == 1200
    me.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for separator in ("\n", "\t"):
        me.page.evaluate("text => navigator.clipboard.writeText(text)", separator.join(MANY))
        me.field.focus()
        me.page.keyboard.press("Control+v")
        until(me.page, lambda: me.field.input_value().split() == MANY, me.field.input_value)
        me.field.fill("")
    me.subscribe(", ".join(symbols[:895]))
    expect(me.page.locator("#summary")).to_contain_text("895 symbols")
    expect(me.field).to_have_value("")
    me.subscribe(", ".join(symbols))
    expect(me.page.locator("#summary")).to_contain_text("1000 symbols")
    expect(me.hint).to_have_text(
        "The list is full: it holds 1,000 symbols. 200 did not fit and stay here."
    )
    expect(me.field).to_have_value(", ".join(symbols[1000:]))


def test_over_a_thousand_rows_a_link_leads_to_the_alerts(many: Server, visit: Visit) -> None:
    """By keyboard as the second thing on the page, and by a click beside the list's name."""
    me = visit(many.url)
    listed = me.page.request.get(f"{many.url}/api/v1/symbols").json()["symbols"]
    me.subscribe(" ".join(item["symbol"] for item in listed[:1000]))
    expect(me.page.locator("#summary")).to_contain_text("1000 symbols")
    # By selector: Playwright takes ten seconds to find a role among so many.
    form = me.page.locator("#alert-form")
    expect(form).not_to_be_in_viewport()
    me.page.locator("a.link[href='#alerts-title']").click()
    expect(form).to_be_in_viewport()
    me.page.goto(many.url)
    expect(me.page.locator("#summary")).to_contain_text("1000 symbols")
    expect(form).not_to_be_in_viewport()
    me.page.keyboard.press("Tab")
    me.page.keyboard.press("Tab")
    expect(me.page.locator("a.skip[href='#alerts-title']")).to_be_focused()
    me.page.keyboard.press("Enter")
    expect(form).to_be_in_viewport()
    me.page.keyboard.press("Tab")
    expect(me.page.locator("#alert-symbol")).to_be_focused()


def test_a_removal_can_be_taken_back_after_its_toast_has_gone(server: Server, visit: Visit) -> None:
    """One after the other, by keyboard; and Backspace, which leads back elsewhere, removes none."""
    me = visit(server.url)
    me.subscribe("AAPL MSFT TSLA")
    me.expect_price("TSLA")
    me.row("MSFT").focus()
    me.page.keyboard.press("Backspace")
    me.expect_rows("AAPL", "MSFT", "TSLA")
    me.page.clock.install()
    me.page.keyboard.press("Delete")
    me.expect_rows("AAPL", "TSLA")
    expect(me.undo).to_be_visible()
    me.page.mouse.move(0, 0)
    me.page.clock.fast_forward(19_000)
    expect(me.undo).to_be_visible()
    me.page.clock.fast_forward(2_000)
    expect(me.undo).to_be_hidden()
    me.page.keyboard.press("Delete")
    me.expect_rows("AAPL")
    me.page.keyboard.press("Control+z")
    me.expect_rows("AAPL", "TSLA")
    me.page.keyboard.press("Control+z")
    me.expect_rows("AAPL", "MSFT", "TSLA")


TWENTY_MORE_DELETED = """
INSERT INTO watchlists (owner, name, symbols, deleted_at)
SELECT owner, 'List ' || n, '{}', now()
FROM (SELECT owner FROM watchlists WHERE name = 'mine' ORDER BY id DESC LIMIT 1) the_last,
     generate_series(1, 20) n
"""


def test_what_was_deleted_days_ago_comes_back_from_the_page(keeping: Server, visit: Visit) -> None:
    """A list and a rule, without the toast; a name that is taken by now is told."""
    me = visit(keeping.url)
    me.subscribe("AAPL MSFT")
    make_list(me, "Mine")
    add_alert(me, "AAPL", "rises to", "100,000")
    expect(me.page.get_by_test_id("rules")).to_contain_text("AAPL rises to 100,000.00")
    me.page.get_by_role("button", name="Remove the alert").click()
    expect(me.page.get_by_test_id("rules")).to_be_hidden()
    me.page.get_by_role("button", name="Delete list").click()
    expect(chosen(me)).to_have_text("This browser")
    me.page.reload()
    me.page.get_by_text("Deleted rules").click()
    rules = me.page.get_by_test_id("rules-deleted")
    expect(rules.get_by_role("listitem")).to_contain_text("AAPL rises to 100,000.00")
    rules.get_by_role("button", name="Bring back").click()
    expect(me.page.get_by_test_id("rules")).to_contain_text("AAPL rises to 100,000.00")
    expect(rules).to_contain_text("None of late.")
    make_list(me, "mine", copy=False)
    me.page.get_by_text("Deleted lists").click()
    lists = me.page.get_by_test_id("lists-deleted")
    expect(lists.get_by_role("listitem")).to_contain_text("Mine, 2 symbols")
    lists.get_by_role("button", name="Bring back").click()
    told = me.page.get_by_test_id("list-note")
    expect(told).to_have_text("Not brought back: another list has this name.")
    me.page.get_by_role("button", name="Delete list").click()
    expect(lists.get_by_role("listitem")).to_have_count(2)
    expect(lists.get_by_role("button", name="Older")).to_be_hidden()
    lists.get_by_role("button", name="Bring back Mine, 2 symbols").click()
    expect(chosen(me)).to_have_text("Mine")
    me.expect_rows("AAPL", "MSFT")
    url = keeping.folder / ".stockstream" / "postgres.url"
    psql(url.read_text(encoding="utf-8").strip(), TWENTY_MORE_DELETED)
    me.page.reload()
    me.page.get_by_text("Deleted lists").click()
    expect(lists.get_by_role("listitem")).to_have_count(20)
    lists.get_by_role("button", name="Older").press("Enter")
    expect(lists.get_by_role("listitem")).to_have_count(21)
    expect(lists.get_by_role("button", name="Bring back mine, 0 symbols")).to_be_focused()
    expect(lists.get_by_role("button", name="Older")).to_be_hidden()
