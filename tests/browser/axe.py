"""axe-core on a page as it is at the moment, in one theme or in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

ALL = {
    "resultTypes": ["violations"],
    "preload": False,  # of style sheets and media, for rules on neither
    # Not on of itself: what is said by voice is what is to be read.
    "rules": {"label-content-name-mismatch": {"enabled": True}},
}
COLOURS = {"resultTypes": ["violations"], "preload": False, "runOnly": ["color-contrast"]}
"""What else axe looks at does not depend on the theme."""


def expect_accessible(page: Page, *, dark: bool = True) -> None:
    """Fail with axe's report when something of the page breaks one of its rules.

    `dark=False` leaves the other theme out, where the same colours are looked at elsewhere.
    """
    looks: list[tuple[Literal["light", "dark"], dict[str, object]]] = [("light", ALL)]
    if dark:
        looks.append(("dark", COLOURS))
    for scheme, options in looks:
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options=options)
        assert found.violations_count == 0, f"{page.url}, {scheme}: {found.generate_report()}"
