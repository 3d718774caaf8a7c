"""A real Chromium looking at a really started server.

Everything here lives as long as this package's tests and no longer: while Playwright's synchronous
API is open it holds the thread's asyncio loop, and the trio tests of other folders should find the
thread as they left it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NoReturn

import httpx
import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.browser import chromium, firefox
from tests.browser.dashboard import Dashboard
from tests.browser.provider import Provider
from tests.browser.waiting import WAIT_SECONDS
from tests.browser.witness import Witness
from tests.support.programs import Server, Stub, running

FAST = {
    "FETCH_INTERVAL": "0.2",
    "FETCH_INTERVAL_IDLE": "0.2",
    "BREAKER_WINDOW": "4",
    "BREAKER_MINIMUM_CALLS": "2",
    "BREAKER_WAIT": "3",
    "BREAKER_MAX_WAIT": "3",
    "BREAKER_JITTER": "0",
    "BREAKER_PROBES": "1",
}

Visit = Callable[..., Dashboard]
Serving = Callable[[Server], Server]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the browser."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def skip_for_lack_of(told: str) -> NoReturn:
    """Skip what needs a browser, or fail where the scripts can and must have installed it."""
    apt = shutil.which("apt-get") is not None
    if os.environ.get("CI") == "true" and os.geteuid() == 0 and apt:
        pytest.fail(told)
    pytest.skip(told)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    # Its own program may lack a library of the system where no browser is installed either.
    if chromium.find() is None and firefox.find() is None:
        skip_for_lack_of("no Chromium and no Firefox on PATH, and CHROMIUM and FIREFOX name none")
    expect.set_options(timeout=WAIT_SECONDS * 1000)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = chromium.find()
    if path is None:
        skip_for_lack_of("no Chromium on PATH, and CHROMIUM names none")
    with chromium.launched_by(playwright, path) as launched:
        yield launched


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Starts a server of a test's own, which stays until the pages of the test are closed.

    A page goes on asking after the last thing that a test waits for, and says so when nobody
    answers. Whatever opens pages asks for this fixture, so that it ends first.
    """
    with ExitStack() as stack:

        def serve(server: Server) -> Server:
            stack.enter_context(running(server))
            return server

        yield serve


@pytest.fixture
def visit(browser: Browser, serving: Serving) -> Iterator[Visit]:
    """Opens a dashboard as somebody who was never here; at the end nothing may have gone wrong.

    `server_goes_away=True` is for a test that stops the server; other options are those of
    `Browser.new_context`.
    """
    contexts = []
    witnesses = []

    def open_page(url: str, *, server_goes_away: bool = False, **options: Any) -> Dashboard:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(WAIT_SECONDS * 1000)
        page = context.new_page()
        witnesses.append(Witness(page, server_goes_away=server_goes_away))
        page.goto(url)
        return Dashboard(page)

    yield open_page
    for context in contexts:
        context.close()
    assert [trouble for witness in witnesses for trouble in witness.troubles] == []


@pytest.fixture(scope="package")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    """A stub API that nobody switches off."""
    stub = Stub(tmp_path_factory.mktemp("stub"))
    with running(stub):
        yield stub


@pytest.fixture(scope="package")
def server(stub: Stub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that nobody stops; new prices five times a second."""
    folder = tmp_path_factory.mktemp("server")
    server = Server(folder, FAST | {"STOCK_API_URL": stub.url})
    with running(server):
        yield server


@pytest.fixture(scope="package")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider(tmp_path_factory.mktemp("provider"), {"AAA": 100.0, "BBB": 50.0})
    with running(provider):
        yield provider


@pytest.fixture(scope="package")
def exact(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with what that provider tells; of symbols that begin with NO-, what a tape does."""
    tape = f"{provider.url.replace('http', 'ws', 1)}/__streams/kraken"
    settings = FAST | {
        "PROVIDERS": f"exact={provider.url}, crypto=kraken://?url={tape}",
        "ROUTES": "NO-*=crypto, *=exact",
    }
    server = Server(tmp_path_factory.mktemp("exact"), settings)
    with running(server):
        yield server


@pytest.fixture
def keeping(server: Server) -> Server:
    """The same, once its database takes lists and alerts."""
    until_rows_are_kept(server)
    return server


def until_rows_are_kept(server: Server) -> None:
    """Wait until the database takes lists and alerts; initdb alone takes long on a busy machine."""
    give_up = time.monotonic() + 4 * WAIT_SECONDS
    while True:
        history = httpx.get(f"{server.url}/health/ready", timeout=10).json()["checks"]["history"]
        if (history["connections"] or {}).get("rows"):
            return
        assert time.monotonic() < give_up, history
        time.sleep(0.05)
