"""The dashboard as a person uses it, over a Playwright page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from playwright.sync_api import expect

from tests.browser.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_KEPT = "() => JSON.stringify(Object.entries(localStorage).sort())"


def tab_beside(page: Page) -> Page:
    """A new tab of the same browser and site, to which has come what this one keeps."""
    other = page.context.new_page()
    other.goto(urljoin(page.url, "/health/live"))
    same_kept(page, other)
    return other


def same_kept(page: Page, other: Page) -> None:
    """Wait until the other tab knows what this one keeps.

    Tabs are processes of their own: what one of them keeps comes to the others a little later. Both
    are asked each time: the answer to a change that this one saves changes what it keeps once more.
    """

    def kept() -> list[str]:
        return [str(each.evaluate(_KEPT)) for each in (page, other)]

    until(page, lambda: len(set(kept())) == 1, kept)


A_MOVE = "0.003"
"""Percent of AAPL, MSFT or TSLA: each new price of the stub is another one by more than that."""
A_PRICE = re.compile(r"^\d[\d,]*\.\d{2,}$")


class Dashboard:
    """One open page. Methods act and wait; properties locate."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.field = page.get_by_test_id("symbol-input")
        self.hint = page.locator("#symbol-hint")
        self.banner = page.get_by_test_id("banner")
        self.undo = page.get_by_test_id("undo")
        self.rows = page.locator("[data-testid^=row-]")

    def row(self, symbol: str) -> Locator:
        """The row of a symbol."""
        return self.page.get_by_test_id(f"row-{symbol}")

    def price(self, symbol: str) -> Locator:
        """The cell of its price."""
        return self.page.get_by_test_id(f"price-{symbol}")

    def remove(self, symbol: str) -> Locator:
        """The button in its row that unsubscribes it."""
        return self.page.get_by_test_id(f"remove-{symbol}")

    def status(self, name: str) -> Locator:
        """One of the truths: `socket`, `feed` or `breaker`."""
        return self.page.get_by_test_id(f"status-{name}")

    def detail(self, name: str) -> Locator:
        """The small print of one of them."""
        return self.status(name).locator('[data-part="detail"]')

    def subscribe(self, text: str) -> None:
        """Type symbols and press Enter."""
        self.field.fill(text)
        self.field.press("Enter")

    def shown(self) -> list[str]:
        """The symbols on the list, from top to bottom."""
        found = self.rows.evaluate_all("rows => rows.map(row => row.dataset.symbol)")
        return [str(symbol) for symbol in found]

    def expect_rows(self, *symbols: str) -> None:
        """Wait until the list holds these, in this order."""
        expect(self.rows).to_have_count(len(symbols))
        # As many may have been there of another list.
        for place, symbol in enumerate(symbols):
            expect(self.rows.nth(place)).to_have_attribute("data-symbol", symbol)

    def expect_price(self, symbol: str) -> float:
        """Wait for a price and answer it."""
        expect(self.price(symbol)).to_have_text(A_PRICE)
        return float(self.price(symbol).inner_text().replace(",", ""))

    def expect_changes(self, symbol: str, count: int) -> list[float]:
        """Wait for so many changes of a price; answer the prices, the first one included."""
        prices = [self.expect_price(symbol)]
        for _ in range(count):
            expect(self.price(symbol)).not_to_have_text(self.price(symbol).inner_text())
            prices.append(self.expect_price(symbol))
        return prices

    def expect_live(self) -> None:
        """Wait until socket, feed and breaker are all well."""
        expect(self.status("socket")).to_have_attribute("data-state", "open")
        expect(self.status("feed")).to_have_attribute("data-state", "live")
        expect(self.status("breaker")).to_have_attribute("data-state", "closed")
