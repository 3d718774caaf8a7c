"""Alerts by mail, from a whole server to a real SMTP server: asked, confirmed, sent, stopped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import trio
from pydantic import SecretStr

from stockstream import paths
from stockstream.jobs.job import RunJob
from tests.integration.admin.operators import by_token, somebody
from tests.integration.alerts.support import RULES, WAIT_SECONDS, user_of
from tests.support.smtp_server import USER, Mailbox, smtp_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.alerts.support import Me
    from tests.integration.delivery.upstream import PriceApi

MAIL = "/api/v1/alerts/mail"
AUDITED = """
SELECT action, before ->> 'state', after ->> 'state' FROM audit
WHERE what = 'mail_addresses' ORDER BY id
"""
QUEUE = "/admin/api/mail"
ME, MASKED = "me@example.org", "m…@example.org"
BASE = "https://stocks.example"


def mailing(box: Mailbox, **more: Any) -> dict[str, Any]:
    """Settings under which mail goes to the server of the test."""
    return {
        "smtp_url": f"smtp://{USER}@127.0.0.1:{box.port}",
        "smtp_password": "hunter2-of-mail",
        "mail_from": "alerts@example.com",
        "public_url": BASE,
        **more,
    }


async def until(what: Callable[[], object]) -> None:
    with trio.fail_after(WAIT_SECONDS):
        while not what():  # noqa: ASYNC110
            await trio.sleep(0.02)


def link_in(text: str, word: str) -> str:
    """The path of a link in a letter."""
    (found,) = re.findall(rf"{BASE}(/mail/{word}\?\S+)", text)
    return str(found)


async def told(me: Me, state: str) -> dict[str, Any]:
    """The newest alert, once its mail is in that state."""
    with trio.fail_after(WAIT_SECONDS):
        while True:
            fired = await me.fired()
            if fired and fired[-1]["mail"] is not None and fired[-1]["mail"]["state"] == state:
                return dict(fired[-1])
            await trio.sleep(0.05)


async def test_alerts_go_to_an_address_once_it_has_confirmed_and_until_it_stops(
    price_api: PriceApi, database_url: str
) -> None:
    """Nothing before; who reads the mail needs no cookie, and a look changes nothing."""
    box = Mailbox(password="hunter2-of-mail", answers={ME: []})
    with smtp_server(box):
        async with user_of(price_api, database_url, **mailing(box), dashboard="open") as me:
            refused = await me.http.post(
                RULES, json={"symbol": "AAPL", "kind": "above", "threshold": 1, "mail": ME}
            )
            assert refused.json()["error"]["fields"] == {
                "mail": "is none of your addresses: have it asked first"
            }
            asked = await me.http.post(MAIL, json={"address": ME})
            assert (asked.status_code, asked.json()["state"]) == (200, "asked"), asked.text
            await me.add_rule("above", 100.0, hysteresis=1.0, mail=ME)
            await me.price(AAPL=101.0)
            (unmailed,) = await me.until_fired(1)
            assert unmailed["mail"] is None
            await until(lambda: box.letters)
            (question,) = box.letters
            assert question["Subject"] == "May StockStream mail you alerts?"
            confirm = link_in(question.get_content(), "confirm")

            async with httpx.AsyncClient(base_url=me.tree.url, timeout=20) as reader:
                assert ME in (await reader.get(confirm)).text
                states = (await me.http.get(MAIL)).json()["addresses"]
                assert [one["state"] for one in states] == ["asked"]
                forged = await reader.post(confirm[:-1] + ("A" if confirm[-1] != "A" else "B"))
                assert forged.status_code == 410
                assert "Confirmed" in (await reader.post(confirm)).text

                await me.price(AAPL=90.0)
                await me.price(AAPL=102.5)
                mailed = await told(me, "delivered")
                assert mailed["price"] == 102.5
                letter = box.letters[-1]
                assert (letter["Subject"], letter["To"]) == ("AAPL rose to 102.5, over 100", ME)
                assert letter["Message-ID"].startswith(f"<{mailed['id']}.")

                stop = str(letter["List-Unsubscribe"]).strip("<>").removeprefix(BASE)
                one_click = await reader.post(stop, data={"List-Unsubscribe": "One-Click"})
                assert one_click.status_code == 200
            states = (await me.http.get(MAIL)).json()["addresses"]
            assert [one["state"] for one in states] == ["stopped"]
            assert states[0]["since"] > asked.json()["since"] > "2026"
            assert await me.select(AUDITED) == [
                ("create", None, "asked"),
                ("change", "asked", "confirmed"),
                ("change", None, "stopped"),
            ]
            await me.price(AAPL=90.0)
            await me.price(AAPL=103.0)
            assert (await me.until_fired(3))[-1]["mail"] is None
            metrics = (await me.http.get("/metrics")).text
            assert 'stockstream_mail_attempts_total{outcome="delivered"} 2' in metrics
            run = await me.tree.system.ref(paths.job("mail")).call(RunJob())
            assert run is None or "runs already" in run
            note = "SELECT note FROM jobs WHERE name = 'mail' AND outcome = 'ok'"
            with trio.fail_after(WAIT_SECONDS):
                while await me.select(note) != [("0 wait, 0 due, 0 dead",)]:  # noqa: ASYNC110
                    await trio.sleep(0.02)
    assert len(box.letters) == 2


async def test_a_letter_is_tried_again_or_given_up_as_the_server_says(
    price_api: PriceApi, database_url: str
) -> None:
    """A password that is mended; 451, then taken; 550 is the end, and the page is told why."""
    box = Mailbox(password="hunter2-of-mail")
    with smtp_server(box):
        wrong = mailing(box, smtp_password="hunter2-of-before")
        async with user_of(price_api, database_url, **wrong) as me:
            await me.http.post(MAIL, json={"address": ME})
            with trio.fail_after(WAIT_SECONDS):
                while "stockstream_mail_trouble 1" not in (await me.http.get("/metrics")).text:  # noqa: ASYNC110
                    await trio.sleep(0.05)
            await _operators_see_that_all_waits(me)
            right = {"smtp_password": SecretStr("hunter2-of-mail")}
            current = me.tree.current
            current.settings = current.settings.model_copy(update=right)
            await until(lambda: box.letters)
            link = link_in(box.letters[0].get_content(), "confirm")
            await me.http.post(link)
            await me.add_rule("above", 100.0, hysteresis=1.0, mail=ME)
            box.answers[ME] = ["451 4.7.1 try later"]
            await me.price(AAPL=101.0)
            with trio.fail_after(WAIT_SECONDS):
                while (waits := (await told(me, "pending"))["mail"])["attempts"] == 0:  # noqa: ASYNC110
                    await trio.sleep(0.05)
            assert (waits["status"], waits["reason"]) == (451, "451 4.7.1 try later")
            assert waits["next_attempt"] is not None
            await me.select("UPDATE mail_deliveries SET next_attempt_at = now() RETURNING 1")
            assert (await told(me, "delivered"))["mail"]["attempts"] == 2
            box.answers[ME] = [f"550 5.1.1 <{ME}> nobody"]
            await me.price(AAPL=90.0)
            await me.price(AAPL=101.5)
            dead = (await told(me, "dead"))["mail"]
            assert (dead["status"], dead["reason"]) == (550, f"550 5.1.1 <{ME}> nobody")
            await _operators_send_it_again(me, box)


async def _operators_see_that_all_waits(me: Me) -> None:
    """Why the server takes nothing, since when, and by domain what waits for it."""
    async with by_token(me.tree) as operator:
        trouble = "535 the user or the password is refused"
        mail = await me.until_told("mail", trouble=trouble, last_error=trouble)
        assert 0 < mail["trouble_since"] <= mail["last_error_at"]
        with trio.fail_after(WAIT_SECONDS):
            while not (queue := (await operator.get(QUEUE)).json())["domains"][0]["attempts"]:  # noqa: ASYNC110
                await trio.sleep(0.05)
        (domain,) = queue["domains"]
        assert (queue["waiting"], domain["domain"], domain["waiting"]) == (1, "example.org", 1)
        assert domain["reason"] == trouble


async def _operators_send_it_again(me: Me, box: Mailbox) -> None:
    """They see whither it went and why it was given up, but not to whom; once it is sent, no more.

    Where who reads the mail wants no more of it, no operator sends any.
    """
    async with by_token(me.tree) as operator, somebody(me.tree) as stranger:
        queue = (await operator.get(QUEUE)).json()
        (letter,) = queue["dead"]
        assert (queue["waiting"], queue["domains"]) == (0, [])
        assert (letter["symbol"], letter["barred"]) == ("AAPL", None)
        assert (letter["receiver"], letter["reason"]) == (MASKED, f"550 5.1.1 <{MASKED}> nobody")
        mail = await me.until_told("mail", trouble=None, last_error=letter["reason"])
        assert mail["server"] == f"127.0.0.1:{box.port}"
        assert mail["last_error_at"] > mail["taken_at"] > 0
        send = f"{QUEUE}/{letter['letter']}/send"
        assert (await stranger.post(send)).status_code == 401
        came = len(box.letters)
        answer = await operator.post(send)
        assert answer.json() == {"letter": letter["letter"], "receiver": MASKED}, answer.text
        await until(lambda: len(box.letters) == came + 1)
        assert (await told(me, "delivered"))["mail"]["attempts"] == 1
        refused = await operator.post(send)
        assert (refused.status_code, "taken it already" in refused.text) == (409, True)
        for number in ("999999", "9" * 30, "x", "-1"):
            assert (await operator.post(f"{QUEUE}/{number}/send")).status_code == 404, number

        again = "UPDATE mail_deliveries SET state = 'dead' WHERE alert_id IS NOT NULL RETURNING 1"
        await me.select(again)
        stop = link_in(box.letters[-1].get_content(), "stop")
        assert (await me.http.post(stop)).status_code == 200
        refused = await operator.post(send)
        assert (refused.status_code, "wants no more" in refused.text) == (409, True)
        assert {one["barred"] for one in (await operator.get(QUEUE)).json()["dead"]} == {
            "who reads it wants no more"
        }


async def test_addresses_are_asked_seldom_and_never_again_where_one_said_so(
    price_api: PriceApi, database_url: str
) -> None:
    """Whoever asks; and what is no address comes into no letter."""
    box = Mailbox(password="hunter2-of-mail")
    with smtp_server(box):
        async with user_of(price_api, database_url, **mailing(box)) as me:
            for wrong in ("a@b\r\nBcc: c@d.example", "me", "a@b", '"a b"@c.example', "é@a.example"):
                answer = await me.http.post(MAIL, json={"address": wrong})
                assert answer.status_code == 422, (wrong, answer.text)
            answers = [await me.http.post(MAIL, json={"address": ME}) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 409]
            assert "3 times within a day" in answers[-1].text
            await until(lambda: len(box.letters) == 3)
            link = link_in(box.letters[0].get_content(), "confirm")
            assert "Nobody will ask again" in (await me.http.post(link, data={"do": "never"})).text
            again = await me.http.post(MAIL, json={"address": ME.upper().replace("ORG", "org")})
            assert "wants no mail" in again.text
            others = [f"{n}@example.org" for n in range(5)]
            codes = [
                (await me.http.post(MAIL, json={"address": one})).status_code for one in others
            ]
            assert codes == [200, 200, 200, 200, 409]
            number = (await me.http.get(MAIL)).json()["addresses"][0]["id"]
            assert (await me.http.delete(f"{MAIL}/{number}")).status_code == 204
            assert len((await me.http.get(MAIL)).json()["addresses"]) == 4
            assert (await me.select(AUDITED))[-1] == ("delete", "asked", None)


async def test_without_a_server_nothing_is_promised(price_api: PriceApi, database_url: str) -> None:
    """And no page of a link is there."""
    async with user_of(price_api, database_url) as me:
        assert (await me.http.get(MAIL)).json()["enabled"] is False
        refused = await me.http.post(MAIL, json={"address": ME})
        assert "sends no mail" in refused.text
        assert (await me.http.get("/mail/confirm?token=x")).status_code == 404
