"""axe-core on a page as it is at the moment, in both themes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

ALL = {
    "resultTypes": ["violations"],
    # Not on of itself: what is said by voice is what is to be read.
    "rules": {"label-content-name-mismatch": {"enabled": True}},
}
COLOURS = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
"""What else axe looks at does not depend on the theme."""


def expect_accessible(page: Page) -> None:
    """Fail with axe's report when something of the page breaks one of its rules."""
    schemes: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
    for scheme, options in zip(schemes, (ALL, COLOURS), strict=True):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options=options)
        assert found.violations_count == 0, f"{page.url}, {scheme}: {found.generate_report()}"
