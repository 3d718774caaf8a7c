"""Below a sub-path: how a path is read, and that no page or script knows where it is served."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from web.base_path import below

WEB = Path(__file__).parents[3] / "web"
ABSOLUTE_LINK = re.compile(r"""\b(?:href|src|action|content)=["']/""")
ABSOLUTE_ADDRESS = re.compile(r"""(?<!address\()["'`]/(?:api|s|ws|admin|static|docs|openapi)\b""")
COMMENT = re.compile(r"/\*.*?\*/|(?<!:)//.*?$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("/stocks/s/AAPL", "/stocks/s/AAPL"),
        ("/s/AAPL", "/stocks/s/AAPL"),  # the proxy took it off
        ("/stocks", "/stocks/"),
        ("/stocks/", "/stocks/"),
        ("/", "/stocks/"),
        ("/stocksx", "/stocks/stocksx"),
        ("/stocks/stocks", "/stocks/stocks"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_path_is_taken_with_the_base_and_without_it(
    asked: str, served: str, kind: str
) -> None:
    """The app is told the whole path and what of it is the base, as ASGI has it."""
    seen = await scope_seen({"type": kind, "path": asked, "root_path": ""})
    assert (seen["path"], seen["root_path"]) == (served, "/stocks")


async def test_the_start_of_the_app_has_no_path() -> None:
    """It passes as it is."""
    assert await scope_seen({"type": "lifespan"}) == {"type": "lifespan"}


def test_without_a_base_nothing_stands_between() -> None:
    async def app(*given: Any) -> None: ...

    assert below("", app) is app


def test_no_template_has_a_link_of_its_own() -> None:
    """`url_for` and `request.root_path` know the base; an address from `/` on would leave it."""
    templates = sorted((WEB / "templates").iterdir())
    assert templates
    assert [t.name for t in templates if ABSOLUTE_LINK.search(t.read_text("utf-8"))] == []


def test_no_module_has_an_address_of_its_own() -> None:
    """Each goes through `address`; comments may name them."""
    modules = sorted((WEB / "static" / "js").rglob("*.js"))
    texts = {str(module): COMMENT.sub("", module.read_text("utf-8")) for module in modules}
    assert sum(text.count("address(") for text in texts.values()) >= 9
    assert [name for name, text in texts.items() if ABSOLUTE_ADDRESS.search(text)] == []


async def scope_seen(scope: dict[str, Any]) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    await below("/stocks", app)(scope, None, None)
    return seen[0]
