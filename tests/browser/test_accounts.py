"""Logins in a real browser: by keyboard, ended everywhere, by role, and ended under a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest
from argon2 import PasswordHasher
from playwright.sync_api import expect

from tests.browser.axe import expect_accessible
from tests.browser.conftest import FAST, until_rows_are_kept
from tests.browser.dashboard import A_PRICE, Dashboard
from tests.browser.test_lists import chosen, is_patch, make_list
from tests.browser.test_looks import NARROW, expect_no_sideways_scroll
from tests.browser.waiting import WAIT_SECONDS
from tests.support.database import psql
from tests.support.mock_provider import running_mock_provider
from tests.support.people import PASSWORD
from tests.support.programs import Server, Stub, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.support.database import PostgresServer

INTERNET = re.compile(r"https://.*")
ROLES = {"vera": "viewer", "otto": "operator", "ada": "admin", "paul": "viewer", "zoe": "viewer"}


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> str:
    """A database of this module's own."""
    return postgres_server.create_database()


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """An identity provider that others have written, and that knows Ann."""
    ann = {"sub": "u-ann", "preferred_username": "ann", "groups": ["sre"]}
    with running_mock_provider(ann) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def door(
    stub: Stub, database: str, issuer: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server where all log in, with an account of each kind, or by an identity provider."""
    own = {
        "STOCK_API_URL": stub.url,
        "DATABASE_URL": database,
        "DASHBOARD": "login",
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": "stockstream",
        "OIDC_CLIENT_SECRET": "of-no-matter-there",
        "OIDC_NAME": "Example",
        "OIDC_ROLES": "sre=operator",
        # Nobody listens there: what waits to be mailed waits.
        "SMTP_URL": "smtp://127.0.0.1:1",
        "MAIL_FROM": "alerts@example.com",
        "PUBLIC_URL": "https://stocks.example",
    }
    server = Server(tmp_path_factory.mktemp("door"), FAST | own | {"CHAOS_ENABLED": "true"})
    hashed = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    with running(server):
        until_rows_are_kept(server)
        for name, role in ROLES.items():
            psql(
                database,
                "INSERT INTO user_accounts (name, role, password_hash) "
                f"VALUES ('{name}', '{role}', '{hashed}')",
            )
        yield server


@pytest.fixture
def person(browser: Browser, door: Server) -> Iterator[Callable[..., Page]]:
    """Opens a page as somebody in a browser of their own, logged in."""
    contexts: list[BrowserContext] = []

    def come(name: str, path: str = "/", **options: object) -> Page:
        context = browser.new_context(reduced_motion="reduce", base_url=door.url, **options)
        contexts.append(context)
        context.set_default_timeout(WAIT_SECONDS * 1000)
        page = context.new_page()
        page.goto(path)
        log_in(page, name)
        return page

    yield come
    for context in contexts:
        context.close()


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Through the form, by keyboard alone: the focus is in it, behind a name that stands there."""
    field = page.get_by_label("Name", exact=True)
    if field.input_value() == "":
        expect(field).to_be_focused()
        page.keyboard.type(name)
        page.keyboard.press("Tab")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(password)
    page.keyboard.press("Enter")


def test_a_login_by_keyboard_leads_to_the_page_that_was_asked_for(
    person: Callable[..., Page],
) -> None:
    """A wrong one is told; with the right one prices move, and the page says who one is."""
    page = person("vera, or so", "/s/AAPL?range=1d", viewport=NARROW)
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    expect(page.get_by_label("Password")).to_be_focused()
    expect_no_sideways_scroll(Dashboard(page))
    expect_accessible(page)
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").focus()
    log_in(page, "vera")
    expect(page).to_have_url(re.compile(r"/s/AAPL\?range=1d$"))
    expect(page.get_by_test_id("chart-price")).to_have_text(A_PRICE)
    page.get_by_role("link", name="vera").click()
    expect(page.get_by_role("heading", name="Where you are logged in")).to_be_visible()
    expect_no_sideways_scroll(Dashboard(page))
    expect_accessible(page)
    page.get_by_role("link", name="Change the password").click()
    expect_accessible(page)
    expect_no_sideways_scroll(Dashboard(page))


def test_mail_addresses_are_asked_and_removed_without_scripts(
    person: Callable[..., Page], database: str
) -> None:
    """Each with how it stands and since when; what cannot be asked is told."""
    page = person("otto", "/account", java_script_enabled=False, viewport=NARROW)
    lines = page.get_by_test_id("mail").get_by_role("listitem")
    expect(lines).to_have_text("There is none.")
    page.get_by_label("Another address").fill("me@localhost")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Not done: “me@localhost”")
    expect(page.get_by_label("Another address")).to_have_value("me@localhost")
    page.get_by_label("Another address").fill(
        "otto.with.a.long.name.and.more@departments.example.org"
    )
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Press the link in it")
    expect(lines).to_contain_text(re.compile(r"not confirmed yet; asked \d+ \w+ 20\d\d"))
    page.get_by_role("button", name="Ask again otto").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Press the link in it")
    expect_no_sideways_scroll(Dashboard(page))
    psql(database, "UPDATE mail_addresses SET confirmed_at = now()")
    page.reload()
    expect(lines).to_contain_text("confirmed")
    expect(page.get_by_role("button", name="Ask again")).to_have_count(0)
    page.get_by_role("button", name="Remove otto").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("nothing is mailed there any more")
    expect(lines).to_have_text("There is none.")
    told = psql(database, "SELECT action FROM audit WHERE what = 'mail_addresses' ORDER BY id")
    assert told.split() == ["create", "change", "delete"]


def test_a_token_is_made_shown_once_and_revoked_without_scripts(
    person: Callable[..., Page],
) -> None:
    """On a narrow page; a reload of the page that shows it makes no other one."""
    page = person("vera", "/account", java_script_enabled=False, viewport=NARROW)
    expect(page.get_by_role("checkbox")).to_have_count(3)
    page.get_by_label("What it is for").fill("nightly export")
    page.get_by_label("Days until it ends").fill("30")
    page.get_by_label("history:read").check()
    page.get_by_role("button", name="Make a token").click()
    expect(page.get_by_label("Token")).to_have_value(re.compile(r"ss_\w{8}_\w{38}"))
    assert "ss_" not in page.url
    expect_no_sideways_scroll(Dashboard(page))
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("was made before")
    tokens = page.get_by_test_id("tokens").get_by_role("listitem")
    expect(tokens).to_contain_text(["nightly export"])
    expect(tokens).to_contain_text(["not used yet"])
    expect_no_sideways_scroll(Dashboard(page))
    page.get_by_role("button", name="Revoke nightly export").click()
    expect(page.get_by_role("status")).to_contain_text("lets nobody in any more")
    expect(tokens).to_have_text(["There is none."])


def test_logged_out_everywhere_a_page_says_so_and_loses_nothing(
    person: Callable[..., Page],
) -> None:
    """What was changed before the next login is saved with it."""
    phone, desk = person("paul"), person("paul", "/account")
    me = Dashboard(phone)
    expect(me.status("socket")).to_have_attribute("data-state", "open")
    me.subscribe("AAPL")
    me.expect_rows("AAPL")
    make_list(me, "Mine")
    desk.get_by_role("button", name="Log out everywhere else").click()
    expect(desk.get_by_test_id("sessions").get_by_role("listitem")).to_have_count(1)
    expect(me.banner).to_contain_text("Your login has ended.")
    me.subscribe("MSFT")
    expect(phone.locator("#list-note")).to_contain_text("saved when you have logged in again")
    me.banner.get_by_role("button", name="Log in").click()
    expect(phone.get_by_role("status")).to_contain_text("Your login has ended")
    with phone.expect_response(is_patch) as saved:
        log_in(phone, "paul")
    assert saved.value.ok
    expect(chosen(me)).to_have_text("Mine")
    me.expect_rows("AAPL", "MSFT")
    expect(me.banner).to_be_hidden()


def test_a_page_shows_what_the_role_allows(person: Callable[..., Page]) -> None:
    """A viewer no way to operations; an operator no button that breaks; an admin all of it."""
    viewer, operator = person("vera", "/account"), person("otto", "/account")
    expect(viewer.get_by_role("button", name="Log out", exact=True)).to_be_visible()
    expect(viewer.get_by_role("link", name="Operations")).to_have_count(0)
    for path in ("/admin", "/admin/users"):
        viewer.goto(path)
        expect(viewer.get_by_text("Error 403")).to_be_visible()
    operator.get_by_role("link", name="Operations").click()
    expect(operator.get_by_test_id("actor-market/streamer")).to_be_visible()
    expect(operator.get_by_test_id("read-only")).to_contain_text("Your role does not allow faults")
    expect(operator.get_by_role("button", name="Kill market/streamer")).to_be_hidden()
    expect(operator.get_by_role("link", name="Accounts")).to_have_count(0)
    admin = person("ada", "/admin/users", viewport={"width": 1280, "height": 800})
    expect(admin.get_by_role("heading", name="Add an account")).to_be_visible()
    admin.goto("/admin")
    expect(admin.get_by_role("button", name="Kill market/streamer", exact=True)).to_be_visible()
    admin.get_by_role("link", name="Accounts").click()
    admin.get_by_label("Name", exact=True).fill("new")
    admin.keyboard.press("Enter")
    password = admin.get_by_test_id("password").inner_text()
    expect_accessible(admin)
    admin.set_viewport_size(NARROW)
    expect_no_sideways_scroll(Dashboard(admin))
    page = admin.context.browser.new_page()  # type: ignore[union-attr]
    page.goto(f"{admin.url.split('/admin')[0]}/login")
    log_in(page, "new", password)
    expect(page.get_by_role("heading", name="Change the password")).to_be_visible()
    page.context.close()


def test_a_login_that_ends_under_an_open_page(
    person: Callable[..., Page], door: Server, database: str
) -> None:
    """It is told before, goes on when it is wanted, and then ends: prices stop at once."""
    page = person("zoe")
    me = Dashboard(page)
    expect(me.status("socket")).to_have_attribute("data-state", "open")
    me.subscribe("AAPL")
    me.expect_changes("AAPL", 1)

    def look_anew() -> None:
        """Have the server look at the account again, as it does within five seconds anyway."""
        with httpx.Client(base_url=door.url, headers={"Origin": door.url}) as admin:
            admin.post("/login", data={"name": "ada", "password": PASSWORD})
            people = admin.get("/admin/users").text
            csrf = re.search(r'name="csrf_token" value="(\w+)"', people)
            number = psql(database, "SELECT id FROM user_accounts WHERE name = 'zoe'")
            assert csrf is not None
            form = {"csrf_token": csrf[1], "do": "role", "role": "viewer"}
            assert admin.post(f"/admin/users/{number}", data=form).status_code == 200

    of_zoe = "account_id = (SELECT id FROM user_accounts WHERE name = 'zoe')"
    psql(database, f"UPDATE user_sessions SET expires_at = now() + interval '50 s' WHERE {of_zoe}")
    look_anew()
    notice = page.get_by_test_id("expiring")
    expect(notice).to_contain_text(re.compile(r"Your login ends in \d+ s\."))
    expect_accessible(page)
    psql(database, f"UPDATE user_sessions SET expires_at = now() + interval '1 h' WHERE {of_zoe}")
    notice.get_by_role("button", name="Stay logged in").click()
    expect(notice).to_be_hidden()
    psql(database, f"UPDATE user_sessions SET expires_at = now() WHERE {of_zoe}")
    look_anew()
    expect(me.banner).to_contain_text("Your login has ended.")
    page.reload()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_person_comes_in_by_the_provider_and_back_to_the_page(
    browser: Browser, door: Server
) -> None:
    """By a link, which no policy stops; with the role that the provider's claim gives; and out."""
    with browser.new_context(base_url=door.url) as context:
        context.set_default_timeout(WAIT_SECONDS * 1000)
        # The provider's page wants a style sheet of the internet's.
        context.route(INTERNET, lambda route: route.fulfill(body="", content_type="text/css"))
        page = context.new_page()
        page.goto("/s/AAPL?range=1d")
        page.get_by_role("link", name="Log in by Example").click()
        page.get_by_placeholder("sub").fill("u-ann")
        page.get_by_role("button", name="Authorize").click()
        expect(page).to_have_url(f"{door.url}/s/AAPL?range=1d")
        expect(page.get_by_test_id("chart-price")).to_have_text(A_PRICE)
        page.get_by_role("banner").get_by_role("link", name="ann").click()
        expect(page.get_by_text("operator").first).to_be_visible()
        cookies = {cookie["name"]: cookie for cookie in context.cookies()}
        (session,) = [one for name, one in cookies.items() if "stockstream_session" in name]
        assert (session["httpOnly"], session["sameSite"]) == (True, "Lax")
        assert not any("stockstream_oidc" in name for name in cookies)
        page.get_by_role("button", name="Log out", exact=True).click()
        expect(page.get_by_role("link", name="Log in by Example")).to_be_visible()
