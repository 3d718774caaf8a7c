"""Rules, from the API over the stream to the socket and the database, with all that is real."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trio

from stockstream import paths
from stockstream.alerts import rule_rows
from stockstream.alerts.rule_rows import MOST_RULES
from tests.integration.alerts.support import FIRED, RULES, Me, listening, user_of
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.asyncapi import faults, payload_schema
from tests.support.client import connected
from tests.support.users import ODD_NEIGHBOURS, fields_of, visitor

if TYPE_CHECKING:
    import httpx

    from tests.support.client import Client
    from tests.support.database import PostgresServer


def alerts_of(client: Client) -> list[dict[str, Any]]:
    return [message for message in client.messages if message["type"] == "alert"]


async def test_a_crossing_is_told_on_the_users_sockets_and_stored_with_what_triggered_it(
    price_api: PriceApi, database_url: str, nursery: trio.Nursery
) -> None:
    """On all of the user's connections, no other's; described by the protocol's document."""
    async with user_of(price_api, database_url) as me, visitor(me.tree) as somebody:
        other = Me(me.tree, price_api, somebody)
        number = await me.add_rule("above", 100.0, hysteresis=1.0)
        async with (
            listening(me, nursery) as mine,
            listening(me, nursery) as mine_too,
            listening(other, nursery) as theirs,
            connected(me.tree.websocket_url, nursery) as nobodys,
        ):
            await me.price(AAPL=100.5)
            told = await mine.message("alert")
            assert await mine_too.message("alert") == told
            assert faults(told, payload_schema("alert")) == []
            assert (told["rule"], told["symbol"], told["price"]) == (number, "AAPL", 100.5)
            (stored,) = await me.until_fired(1)
            assert {**stored, "type": "alert"} == {
                **told,
                "read": False,
                "delivery": None,
                "mail": None,
            }
            for price in (99.5, 101.0, 98.0, 100.0):
                await me.price(AAPL=price)
            await mine.message("alert", 2)
            assert [alert["price"] for alert in alerts_of(mine)] == [100.5, 100.0]
            assert [alert["price"] for alert in await me.until_fired(2)] == [100.5, 100.0]
            until = {"until": (await me.until_fired(2))[-1]["fired_at"]}
            assert (await me.http.post(f"{FIRED}/read", json=until)).status_code == 204
            for socket in (mine, mine_too):  # also the one whose page has done it
                changed = await socket.message("alerts_changed")
                assert faults(changed, payload_schema("alerts_changed")) == []
            assert [m for m in theirs.messages if m["type"] == "alerts_changed"] == []
            assert alerts_of(theirs) + alerts_of(nobodys) == []
            assert await other.fired() == []


async def test_a_rule_compares_no_prices_in_another_currency(
    price_api: PriceApi, database_url: str, nursery: trio.Nursery
) -> None:
    """It is of the currency that the price is in when it is made, or changed, and stays so."""
    async with user_of(price_api, database_url) as me, listening(me, nursery) as mine:
        price_api.currency = "GBP"
        await me.price(AAPL=7.4)
        number = await me.add_rule("above", 8.0, hysteresis=1.0)
        price_api.currency = "GBX"
        await me.price(AAPL=740.0)
        assert (await me.http.get(f"{RULES}/{number}")).json()["trouble"]["code"] == "currency"
        price_api.currency = "GBP"
        await me.price(AAPL=8.1)
        await mine.message("alert")
        (alert,) = await me.until_fired(1)
        said = alert["price"], alert["exchange"], alert["currency"], alert["source"]
        assert said == (8.1, "TEST", "GBP", "api")
        price_api.currency = "GBX"
        await me.price(AAPL=741.0)
        body = {"symbol": "AAPL", "kind": "above", "threshold": 8.0, "cooldown": 0}
        for threshold, currency in ((8.0, "GBP"), (800.0, "GBX")):
            answer = await me.http.put(f"{RULES}/{number}", json={**body, "threshold": threshold})
            assert answer.json()["currency"] == currency


async def test_the_cookies_of_other_applications_do_not_silence_alerts(
    price_api: PriceApi, database_url: str, nursery: trio.Nursery
) -> None:
    """A socket whose handshake brings them beside ours is the user's all the same."""
    async with user_of(price_api, database_url) as me, AsyncExitStack() as stack:
        await me.add_rule("above", 100.0)
        ours = me.cookie[0][1]
        sockets = {}
        for neighbour in ODD_NEIGHBOURS:
            headers = [(b"Cookie", f"{neighbour}; {ours}".encode("latin-1"))]
            opened = connected(me.tree.websocket_url, nursery, headers)
            sockets[neighbour] = await stack.enter_async_context(opened)
        await me.price(AAPL=100.5)
        for neighbour, socket in sockets.items():
            told = await socket.message("alert")
            assert told["price"] == 100.5, neighbour


async def test_crossings_within_a_cooldown_are_told_in_one_alert(
    price_api: PriceApi, database_url: str, nursery: trio.Nursery
) -> None:
    """A minute unless the rule says otherwise; told on the socket as it is stored, and counted."""
    async with user_of(price_api, database_url) as me, listening(me, nursery) as mine:
        usual = await me.http.post(
            RULES, json={"symbol": "AAPL", "kind": "below", "threshold": 1.0}
        )
        assert usual.json()["cooldown"] == 60
        number = await me.add_rule("above", 100.0, hysteresis=0.0, cooldown=4)
        told = await me.http.get(f"{RULES}/{number}")
        assert told.json()["cooldown"] == 4
        for price in (101.0, 99.0, 102.0, 99.0, 103.0):
            await me.price(AAPL=price)
        await mine.message("alert", 2)
        first, second = alerts_of(mine)
        assert (first["price"], first["crossings"]) == (101.0, 1)
        assert (second["price"], second["crossings"]) == (103.0, 2)
        assert faults(second, payload_schema("alert")) == []
        stored = await me.until_fired(2)
        assert [{**alert, "type": "alert"} for alert in stored] == [
            {**alert, "read": False, "delivery": None, "mail": None} for alert in (first, second)
        ]
        await me.until_told("alerts", withheld=2)


async def test_below_and_a_move_fire_too(
    price_api: PriceApi, database_url: str, nursery: trio.Nursery
) -> None:
    """A move tells from where it is measured."""
    async with user_of(price_api, database_url) as me, listening(me, nursery) as mine:
        await me.add_rule("below", 80.0)
        await me.add_rule("move", 5.0, symbol="MSFT", window=60)
        await me.price(AAPL=79.0, MSFT=310.0)
        await mine.message("alert")
        await me.price(MSFT=320.0)
        await mine.message("alert", 2)
        below, move = alerts_of(mine)
        assert (below["kind"], below["window"], below["reference"]) == ("below", None, None)
        assert (move["kind"], move["window"], move["reference"]) == ("move", 60, 300.0)


@pytest.mark.proves("H15")
async def test_rules_are_rows_that_are_deleted_softly_and_audited(
    price_api: PriceApi, database_url: str
) -> None:
    """Made, changed, deleted and brought back; each with its entry; another user sees nothing."""
    async with user_of(price_api, database_url) as me, visitor(me.tree) as other:
        answer = await me.http.post(
            RULES, json={"symbol": "aapl", "kind": "above", "threshold": 100}
        )
        it = answer.headers["Location"]
        assert answer.json()["symbol"] == "AAPL"
        body = {"symbol": "AAPL", "kind": "below", "threshold": 50}
        assert (await me.http.put(it, json=body)).json()["kind"] == "below"
        assert (await me.http.put(it, json=body)).status_code == 200
        for answer in (
            await other.get(it),
            await other.put(it, json=body),
            await other.delete(it),
            await other.post(f"{it}/restore"),
        ):
            assert answer.status_code == 404
        assert (await other.get(RULES)).json()["rules"] == []
        assert (await me.http.delete(it)).status_code == 200
        assert (await me.http.get(it)).status_code == 404
        assert await me.select("SELECT kind, deleted_at IS NOT NULL FROM alert_rules") == [
            ("below", True)
        ]
        assert (await other.get(f"{RULES}/deleted")).json()["rules"] == []
        (gone,) = (await me.http.get(f"{RULES}/deleted")).json()["rules"]
        assert (gone["kind"], gone["threshold"]) == ("below", 50)
        assert gone["deleted_at"] > "2026"
        assert (await me.http.post(f"{it}/restore")).json()["kind"] == "below"
        assert (await me.http.get(f"{RULES}/deleted")).json()["rules"] == []
        rows = await me.select("SELECT what, action, before, after FROM audit ORDER BY id")
        kinds = [
            (what, action, json.loads(b or "{}").get("kind"), json.loads(a or "{}").get("kind"))
            for what, action, b, a in rows
        ]
        assert kinds == [
            ("alert_rules", "create", None, "above"),
            ("alert_rules", "change", "above", "below"),
            ("alert_rules", "delete", "below", None),
            ("alert_rules", "restore", None, "below"),
        ]


async def test_a_deleted_rule_is_silent_and_a_changed_one_begins_anew(
    price_api: PriceApi, database_url: str, nursery: trio.Nursery
) -> None:
    """Told at once to whoever judges."""
    async with user_of(price_api, database_url) as me, listening(me, nursery) as mine:
        gone = await me.add_rule("above", 100.0)
        stays = await me.add_rule("above", 101.0)
        await me.http.delete(f"{RULES}/{gone}")
        body = {"symbol": "AAPL", "kind": "above", "threshold": 102.0}
        await me.http.put(f"{RULES}/{stays}", json=body)
        with trio.fail_after(20):
            while (await me.http.get(f"{RULES}/{stays}")).json()["armed"] is not True:  # noqa: ASYNC110
                await trio.sleep(0.02)
        await me.price(AAPL=101.5)
        await me.price(AAPL=103.0)
        told = await mine.message("alert")
        assert (told["rule"], told["threshold"], told["price"]) == (stays, 102.0, 103.0)
        assert len(alerts_of(mine)) == 1


async def test_rules_and_standings_survive_a_restart_of_the_server(
    price_api: PriceApi, database_url: str, nursery: trio.Nursery
) -> None:
    """One that had fired does not fire again; one that was crossed meanwhile does."""
    secret = "s" * 40
    async with user_of(price_api, database_url, secret_key_base=secret) as me:
        fired = await me.add_rule("above", 95.0)
        crossed = await me.add_rule("above", 110.0)
        await me.price(AAPL=100.0)
        await me.until_fired(1)
        cookies = dict(me.http.cookies)
    price_api.put(AAPL=111.0)
    async with user_of(price_api, database_url, secret_key_base=secret) as me:
        me.http.cookies.clear()
        me.http.cookies.update(cookies)
        found = await me.until_fired(2)
        assert [alert["rule"] for alert in found] == [fired, crossed]
        await me.price(AAPL=112.0)
        assert len(await me.fired()) == 2


async def test_unread_alerts_come_in_pages_until_they_are_read(
    price_api: PriceApi, database_url: str
) -> None:
    """Newest first, none twice and none left out; read is what fired up to a moment."""
    async with user_of(price_api, database_url) as me:
        for threshold in range(100, 110):
            await me.add_rule("above", float(threshold))
        await me.price(AAPL=120.0)
        all_of_them = await me.until_fired(10)
        found, cursor, unread = [], None, 0
        while True:
            query = {"limit": 4, "unread": "true"} | ({"cursor": cursor} if cursor else {})
            page = (await me.http.get(FIRED, params=query)).json()
            found += page["alerts"]
            unread, cursor = page["unread"], page["next_cursor"]
            if cursor is None:
                break
        assert found == list(reversed(all_of_them))
        assert unread == 10
        until = {"until": all_of_them[-1]["fired_at"]}
        assert (await me.http.post(f"{FIRED}/read", json=until)).status_code == 204
        assert await me.fired(unread="true") == []
        assert [alert["read"] for alert in await me.fired()] == [True] * 10
        far = {"until": "2999-01-01T00:00:00Z"}
        assert (await me.http.post(f"{FIRED}/read", json=far)).status_code == 204
        await me.price(AAPL=95.0)
        await me.price(AAPL=101.0)
        await me.until_fired(11)
        assert (await me.http.get(FIRED)).json()["unread"] > 0


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"symbol": "!!"}, {"symbol"}),
        ({"symbol": None}, {"symbol"}),
        ({"kind": "over"}, {"kind"}),
        ({"threshold": 0}, {"threshold"}),
        ({"threshold": -1}, {"threshold"}),
        ({"threshold": 1e300}, {"threshold"}),
        ({"threshold": "100"}, {"threshold"}),
        ({"window": 60}, {"window"}),
        ({"kind": "move"}, {"window"}),
        ({"kind": "move", "window": 5, "threshold": 101}, {"window", "threshold"}),
        ({"kind": "move", "window": 60, "threshold": 1, "hysteresis": 1}, {"hysteresis"}),
        ({"hysteresis": -1}, {"hysteresis"}),
        ({"hysteresis": 51}, {"hysteresis"}),
        ({"cooldown": -1}, {"cooldown"}),
        ({"cooldown": 86_401}, {"cooldown"}),
        ({"webhook": "http://example.com/"}, {"webhook"}),
        ({"webhook": "https://127.0.0.1/"}, {"webhook"}),
        ({"surprise": 1}, {"surprise"}),
    ],
)
async def test_a_bad_field_of_a_rule_is_named(
    change: dict[str, Any], fields: set[str], price_api: PriceApi
) -> None:
    """422, also without a database."""
    async with fed_by(price_api) as tree, visitor(tree) as http:
        body = {"symbol": "AAPL", "kind": "above", "threshold": 100, **change}
        answer = await http.post(RULES, json=body)
        assert answer.status_code == 422, answer.text
        assert fields_of(answer) == fields


async def test_the_same_rule_twice_and_too_many_are_refused(
    price_api: PriceApi, database_url: str
) -> None:
    """409 names what is in the way."""
    async with user_of(price_api, database_url) as me:

        async def make(threshold: float) -> httpx.Response:
            body = {"symbol": "AAPL", "kind": "above", "threshold": threshold}
            return await me.http.post(RULES, json=body)

        assert (await make(100.0)).status_code == 201
        again = await make(100.0)
        assert (again.status_code, fields_of(again)) == (409, {"threshold"})
        for number in range(1, MOST_RULES):
            assert (await make(100.0 + number)).status_code == 201, number
        over = await make(99.0)
        assert (over.status_code, fields_of(over)) == (409, {"rules"})


async def test_rules_of_all_users_have_limits_too(
    price_api: PriceApi, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users cost nothing: a symbol and a node take so many rules, whoever makes them."""
    monkeypatch.setattr(rule_rows, "MOST_OF_SYMBOL", 3)
    monkeypatch.setattr(rule_rows, "MOST_OF_ALL", 5)
    async with user_of(price_api, database_url) as me, visitor(me.tree) as other:

        async def make(symbol: str, threshold: float) -> httpx.Response:
            body = {"symbol": symbol, "kind": "above", "threshold": threshold}
            return await other.post(RULES, json=body)

        numbers = [await me.add_rule(threshold=100.0 + n) for n in range(3)]
        over = await make("AAPL", 1.0)
        assert (over.status_code, fields_of(over)) == (409, {"symbol"})
        made = await make("MSFT", 1.0)
        assert made.status_code == 201
        body = {"symbol": "AAPL", "kind": "above", "threshold": 1.0}
        moved = await other.put(f"{RULES}/{made.json()['id']}", json=body)
        assert (moved.status_code, fields_of(moved)) == (409, {"symbol"})
        assert (await make("MSFT", 2.0)).status_code == 201
        full = await make("MSFT", 3.0)
        assert (full.status_code, fields_of(full)) == (409, {"rules"})
        changed = await me.http.put(f"{RULES}/{numbers[0]}", json=body)
        assert changed.status_code == 200
        assert (await me.http.delete(f"{RULES}/{numbers[0]}")).status_code == 200
        assert (await make("MSFT", 3.0)).status_code == 201
        back = await me.http.post(f"{RULES}/{numbers[0]}/restore")
        assert (back.status_code, fields_of(back)) == (409, {"rules"})


@pytest.mark.proves("H10")
async def test_without_a_database_rules_wait_and_prices_flow(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """503 with Retry-After for rules and alerts; the socket's prices do not notice."""
    async with fed_by(price_api) as tree, visitor(tree) as http:
        answers = [
            await http.get(RULES),
            await http.get(FIRED),
            await http.post(f"{FIRED}/read", json={"until": "2026-01-01T00:00:00Z"}),
            await http.post(RULES, json={"symbol": "AAPL", "kind": "above", "threshold": 1}),
        ]
        assert {answer.status_code for answer in answers} == {503}
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
        async with connected(tree.websocket_url, nursery) as client:
            await client.send(action="subscribe", symbols=["AAPL"])
            price_api.put(AAPL=91.0)
            await client.wait_for(lambda: client.prices.get("AAPL") == 91.0)


async def test_an_alert_is_told_while_the_database_is_away_and_stored_when_it_is_back(
    price_api: PriceApi,
    database_url: str,
    postgres_server: PostgresServer,
    nursery: trio.Nursery,
) -> None:
    """Telling does not wait for storing, and the other way round."""
    async with user_of(price_api, database_url) as me, listening(me, nursery) as mine:
        await me.add_rule("above", 100.0)
        name = urlsplit(database_url).path.lstrip("/")
        operator = partial(postgres_server.psql, database="template1")
        operator(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        operator(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        await me.price(AAPL=101.0)
        told = await mine.message("alert")
        assert (await me.http.get(FIRED)).status_code == 503
        operator(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        with trio.fail_after(20):
            while (await me.http.get(FIRED)).status_code == 503:  # noqa: ASYNC110
                await trio.sleep(0.1)
        (stored,) = await me.until_fired(1)
        assert stored["id"] == told["id"]


async def test_a_rule_has_its_symbol_fetched_though_nobody_subscribes(
    price_api: PriceApi, database_url: str
) -> None:
    """With `SYMBOLS` set, others are fetched on demand; a rule is a demand, from now on."""
    async with user_of(price_api, database_url, symbols=("MSFT",)) as me:
        await me.price(MSFT=301.0)
        await me.add_rule("above", 100.0)
        with trio.fail_after(20):
            while "AAPL" not in "\n".join(price_api.requests):  # noqa: ASYNC110
                await trio.sleep(0.05)
        await me.price(AAPL=101.0)
        assert len(await me.until_fired(1)) == 1
        me.tree.system.ref(paths.STREAMER).kill()
        await me.price(AAPL=90.0)
        await me.price(AAPL=102.0)
        assert len(await me.until_fired(2)) == 2
