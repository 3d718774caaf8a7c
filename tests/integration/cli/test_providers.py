"""`stockstream providers`: what a person at a shell sees of them."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.cli.providers.status import status
from stockstream.cli.providers.trying import try_one
from stockstream.cli.where import Where
from stockstream.errors import ConfigurationError
from tests.support.client import connected
from tests.support.kraken import kraken
from tests.support.tree import running_tree
from web.admin.overview import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no `.env` of the checkout


async def test_one_is_tried_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    """What comes is printed as it comes, what is refused, too; 1 says that no price came."""
    async with kraken() as server:
        assert await try_one(server.provider, "btc/usd", "NO-SUCH", seconds=1) == 0
        said = capsys.readouterr().out
        assert "subscribed: BTC-USD" in said
        assert "BTC-USD 97000.5 USD 20" in said
        assert "refused: NO-SUCH (unknown_symbol)" in said
        server.reject = 403
        assert await try_one(server.provider, "BTC-USD", seconds=1) == 1
        assert "ended: the server answered 403 Forbidden" in capsys.readouterr().out


async def test_one_of_the_settings_is_tried_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its address; without a symbol, by those that the provider begins with."""
    async with kraken() as server:
        monkeypatch.setenv("PROVIDERS", f"mine={server.provider}")
        assert await try_one("mine", seconds=1) == 0
        assert "ETH-USD 3600.25" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "what"),
    [("tiingo", "set TIINGO_API_KEY or"), ("x y", "is unknown")],
)
async def test_what_cannot_be_tried_is_said(name: str, what: str) -> None:
    """In one line, before anything is connected."""
    with pytest.raises(ConfigurationError, match=what):
        await try_one(name)


async def test_those_of_a_server_are_listed(
    nursery: trio.Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    """With their state and routes, for people and as JSON; 4 says that one is away."""
    async with (
        kraken() as server,
        running_tree(providers=f"crypto={server.provider}", symbols="BTC-USD") as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["BTC-USD"])
        await me.wait_for(lambda: me.status.get("feed") == "live")
        token = tree.settings.admin_token.get_secret_value()
        ask = partial(status, where=Where(tree.url, token))
        assert await trio.to_thread.run_sync(ask) == 0
        said = capsys.readouterr().out
        assert "crypto" in said
        assert "connected" in said
        await trio.to_thread.run_sync(partial(status, where=Where(tree.url, token, as_json=True)))
        document = json.loads(capsys.readouterr().out)
        assert document["schema_version"] == SCHEMA_VERSION
        assert document["routes"] == [{"symbols": "*", "providers": ["crypto"], "now": "crypto"}]
