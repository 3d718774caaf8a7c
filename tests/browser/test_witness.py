"""The witness that every other test relies on sees what it should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.witness import Witness

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.programs import Server


def test_console_messages_exceptions_and_csp_violations_are_seen(
    server: Server, browser: Browser
) -> None:
    """An inline script, an inline style, a foreign image, an error and a warning are all noted."""
    context = browser.new_context()
    page = context.new_page()
    witness = Witness(page, server_goes_away=True)
    page.goto(server.url)
    assert witness.troubles == []
    page.evaluate(
        """async () => {
          const violated = (directive) => new Promise((resolve) =>
            document.addEventListener("securitypolicyviolation", (event) =>
              event.effectiveDirective === directive && resolve()));
          const add = (tag, properties) =>
            document.body.append(Object.assign(document.createElement(tag), properties));
          const all = ["script-src-elem", "style-src-elem", "img-src"].map(violated);
          add("script", {textContent: "window.ran = true"});
          add("style", {textContent: "body { color: red }"});
          add("img", {src: "http://example.com/x.png"});
          await Promise.all(all);
          console.warn("a warning of the page");
          setTimeout(() => { throw new Error("nobody caught this"); });
          await new Promise((resolve) => addEventListener("error", resolve));
        }"""
    )
    assert page.evaluate("window.ran") is None
    context.close()
    troubles = "\n".join(witness.troubles)
    for seen in (
        "violates the CSP: script-src-elem inline",
        "violates the CSP: style-src-elem inline",
        "violates the CSP: img-src http://example.com/x.png",
        "console warning: a warning of the page",
        "uncaught: nobody caught this",
    ):
        assert seen in troubles, troubles
