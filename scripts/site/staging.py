"""The pages as the site's builder wants them: a copy of docs/, with what is made beside it.

Our Markdown is GitHub's. Python-Markdown, which builders use, wants an empty line before a list and
four blanks for one inside another. Some files beside docs/ are pages, too. A link to any other file
leads to the repository where its address is given, and is plain text where it is not.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONFIG = "mkdocs.yml"
PAGES = "pages"
SITE = "site"
GUIDES = "Guides"
BESIDE = {
    "supervision/README.md": "reference/runtime.md",
    "bench/README.md": "explanation/benchmarking.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Files of the repository that are pages of the site, and where."""
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_ITEM = re.compile(r"( *)([-*]|\d+\.) +\S")
_FENCE = re.compile(r" *(```|~~~)")
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:|#")


def stage(root: Path, folder: Path, made: Mapping[str, str], source_url: str) -> list[str]:
    """Fill the folder; the answer is what somebody should know of it."""
    pages = folder / PAGES
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(root / "docs", pages)
    beside = {name: (root / source).read_text(encoding="utf-8") for source, name in BESIDE.items()}
    for name, text in {**made, **beside}.items():
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        (pages / name).write_text(text, encoding="utf-8")
    sources = {name: PurePosixPath(source) for source, name in BESIDE.items()}
    for path in pages.rglob("*.md"):
        name = path.relative_to(pages).as_posix()
        place = sources.get(name, PurePosixPath("docs", name))
        text = path.read_text(encoding="utf-8")
        path.write_text(for_builder(text, place, source_url), encoding="utf-8")
    config = yaml.safe_load((root / CONFIG).read_text(encoding="utf-8"))
    added = _add_the_rest(config, pages)
    config |= {"docs_dir": PAGES, "site_dir": SITE}
    (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return [
        f"{name} is not in the navigation of {CONFIG}: it is the last of the guides"
        for name in added
    ]


def named(navigation: object) -> Iterator[str]:
    """The pages of a navigation, in order."""
    if isinstance(navigation, str):
        yield navigation
    elif isinstance(navigation, dict):
        for part in navigation.values():
            yield from named(part)
    elif isinstance(navigation, list):
        for part in navigation:
            yield from named(part)


def _add_the_rest(config: dict[str, Any], pages: Path) -> list[str]:
    """Pages that nobody has given a place yet are guides. Decisions are found by their index."""
    known = set(named(config["nav"]))
    rest = [path.relative_to(pages).as_posix() for path in sorted(pages.rglob("*.md"))]
    rest = [name for name in rest if name not in known and not name.startswith("adr/")]
    for group in config["nav"]:
        group.get(GUIDES, []).extend(rest)
    return rest


def for_builder(text: str, place: PurePosixPath, source_url: str) -> str:
    """A page's text; `place` is where it stands in the repository."""
    lines: list[str] = []
    fenced, before = False, ""
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            line = _LINK.sub(lambda found: _link(found, place, source_url), line)  # noqa: PLW2901
            item = _ITEM.match(line)
            if item is not None:
                if before.strip() and not before.startswith(" ") and not _ITEM.match(before):
                    lines.append("")
                if 2 <= len(item[1]) < 4:
                    line = f"    {line.lstrip()}"  # noqa: PLW2901
        lines.append(line)
        before = line
    return "\n".join(lines) + "\n"


def _link(found: re.Match[str], place: PurePosixPath, source_url: str) -> str:
    """The link as the site has it, or to the repository, or its text alone."""
    shown, target = found[1], found[2]
    if _ABSOLUTE.match(target):
        return found[0]
    path, _, anchor = target.partition("#")
    behind = f"#{anchor}" if anchor else ""
    named = posixpath.normpath((place.parent / path).as_posix())
    there = _page_of(named)
    if there is not None:
        here = PurePosixPath(_page_of(place.as_posix()) or "").parent.as_posix()
        return f"[{shown}]({posixpath.relpath(there, here)}{behind})"
    return f"[{shown}]({source_url.rstrip('/')}/{named}{behind})" if source_url else shown


def _page_of(named: str) -> str | None:
    """Where the site has a file of the repository; None where it has it not."""
    if named in BESIDE:
        return BESIDE[named]
    return named.removeprefix("docs/") if named.startswith("docs/") else None
