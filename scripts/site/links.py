"""What is wrong with the links of a built site: dead ones, and what comes from foreign hosts."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

_LOADED = {
    ("script", "src"), ("img", "src"), ("source", "srcset"), ("iframe", "src"), ("video", "src"),
    ("audio", "src"), ("object", "data"), ("embed", "src"),
}  # fmt: skip
"""What a browser fetches without being asked; a link is followed by a person."""
_LINKS_THAT_LOAD = {"stylesheet", "preload", "modulepreload", "preconnect", "dns-prefetch", "icon"}
_IN_STYLES = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")


class _Page(HTMLParser):
    """The anchors of a page, what it links to, what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in one element."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if tag == "link" and _LINKS_THAT_LOAD & set(given.get("rel", "").split()):
            self.loads.add(given.get("href", ""))
        self.loads |= {given[name] for element, name in _LOADED if element == tag and name in given}


def faults(site: Path) -> list[str]:
    """One line for each, with the page it stands on."""
    paths = sorted(site.rglob("*.html"))
    found = [] if paths else [f"{site}: there are no pages"]
    for path in paths:
        page, name = _read(path), path.relative_to(site)
        found += [f"{name}: loads {url}" for url in sorted(page.loads) if _is_foreign(url)]
        if path.name == "404.html":
            continue  # served from anywhere: its links are those of the root
        for link in sorted(page.links | page.loads):
            why = _why_dead(link, path, site)
            if why:
                found.append(f"{name}: {link}: {why}")
    for path in sorted(site.rglob("*.css")):
        loads = _IN_STYLES.findall(path.read_text(encoding="utf-8", errors="replace"))
        found += [f"{path.relative_to(site)}: loads {url}" for url in loads]
    return found


def _is_foreign(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.netloc) and parts.scheme != "data"


def _why_dead(link: str, page: Path, site: Path) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not link:
        return ""
    target = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site.resolve()) and target != page:
        return "leaves the site"
    if not target.exists():
        return "is not there"
    if parts.fragment and target.suffix == ".html":
        anchors = _read(target).anchors
        if unquote(parts.fragment) not in anchors and not parts.fragment.startswith("__"):
            return "has no such anchor"
    return ""


@cache
def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page
