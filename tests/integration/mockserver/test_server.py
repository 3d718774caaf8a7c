"""The stub API on a real socket: serving, limits, the admin API and its page, reloading."""

import json
import re
from typing import Any

import httpx
import pytest
import trio

from mockserver.__main__ import main
from tests.integration.mockserver.conftest import StubApi, started_stub_api

SOON = 10.0  # seconds for what takes milliseconds


@pytest.mark.proves("M5")
async def test_every_path_and_method_can_be_a_stub(stub_api: StubApi) -> None:
    """Also methods no router knows, and paths that are odd."""
    await stub_api.add(
        {"request": {"method": "PURGE", "url": "//a/%2F?x"}, "response": {"body": "p"}}
    )
    await stub_api.add({"request": {"urlPath": "/any"}, "response": {"status": 201, "body": "any"}})
    url = httpx.URL(stub_api.url).copy_with(raw_path=b"//a/%2F?x")
    assert (await stub_api.client.request("PURGE", url)).text == "p"
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = await stub_api.client.request(method, "/any")
        assert (answer.status_code, answer.text) == (201, "any")
    head = await stub_api.client.head("/any")
    assert (head.status_code, head.content) == (201, b"")
    assert head.headers["content-length"] == "3"


@pytest.mark.proves("M8")
async def test_an_answer_with_a_reason_is_whole(stub_api: StubApi) -> None:
    """It is written on the wire itself, so also a large body must arrive."""
    await stub_api.add(
        {
            "request": {"urlPath": "/big"},
            "response": {"status": 200, "statusMessage": "Fine indeed", "body": "x" * 2_000_000},
        }
    )
    for _ in range(3):
        answer = await stub_api.client.get("/big")
        assert answer.reason_phrase == "Fine indeed"
        assert len(answer.content) == 2_000_000


async def test_a_body_over_the_limit_is_refused(stub_api: StubApi) -> None:
    """5 MB; the answer says so, and the server goes on."""
    await stub_api.add({"request": {"urlPath": "/a"}, "response": {"body": "ok"}})
    fits = await stub_api.client.post("/a", content=b"x" * 5_000_000)
    assert fits.status_code == 200
    for path in ("/a", "/__admin/mappings"):
        large = await stub_api.client.post(path, content=b"x" * 5_000_001)
        assert large.status_code == 413
    assert large.json()["errors"][0]["code"] == 413
    assert (await stub_api.client.get("/a")).text == "ok"


@pytest.mark.proves("M4")
async def test_reset_reads_the_files_again(stub_api: StubApi) -> None:
    """New ranges and symbols; what the admin API added is gone."""
    await stub_api.add({"request": {"urlPath": "/added"}, "response": {}})
    stub_api.write("price", price_stub("META", 500, 510))
    assert (await stub_api.client.post("/__admin/mappings/reset")).status_code == 200
    (quote,) = (await stub_api.client.get("/prices")).json()
    assert quote["symbol"] == "META"
    assert 500 <= quote["price"] <= 510
    assert (await stub_api.client.get("/added")).status_code == 404


@pytest.mark.proves("M4")
async def test_a_saved_file_is_loaded_while_serving(stub_api: StubApi) -> None:
    """With --reload, edits, new files and removed files take effect by themselves."""
    stub_api.write("price", price_stub("META", 500, 510))
    await until(stub_api, "/prices", lambda a: a.status_code == 200 and "META" in a.text)
    stub_api.write("price", price_stub("NVDA", 900, 910))
    await until(stub_api, "/prices", lambda a: "NVDA" in a.text)
    (stub_api.directory / "price.json").unlink()
    await until(stub_api, "/prices", lambda a: a.status_code == 404)


@pytest.mark.proves("M1", "M4")
async def test_a_broken_file_does_not_take_the_stubs_away(stub_api: StubApi) -> None:
    """Reset answers 422 with the place; health and the page say it; mending it mends all."""
    stub_api.write("price", price_stub("META", 500, 510))
    await stub_api.client.post("/__admin/reset")
    stub_api.write("price", '{"request": {\n"urlPattern": "["}, "response": {}}')
    answer = await stub_api.client.post("/__admin/mappings/reset")
    assert answer.status_code == 422
    assert "price.json:2: request.urlPattern" in answer.json()["errors"][0]["detail"]
    assert (await stub_api.client.get("/prices")).status_code == 200
    health = await stub_api.client.get("/__admin/health")
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert "The stub files are broken" in (await stub_api.client.get("/__admin")).text
    stub_api.write("price", price_stub("META", 1, 2))
    await until(stub_api, "/__admin/health", lambda a: a.status_code == 200)
    assert (await stub_api.client.get("/prices")).json()[0]["price"] <= 2


@pytest.mark.proves("M16")
async def test_health_and_version(stub_api: StubApi) -> None:
    """Fields of WireMock's, of a server that is up."""
    health = (await stub_api.client.get("/__admin/health")).json()
    assert health["status"] == "healthy"
    assert health["uptimeInSeconds"] >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", health["timestamp"])
    assert (await stub_api.client.get("/__admin/version")).json()["version"] == health["version"]


@pytest.mark.proves("M16")
async def test_the_page_shows_stubs_requests_and_scenarios(stub_api: StubApi) -> None:
    """Everything a person looks for, escaped, with no inline script or style."""
    await stub_api.add(
        {
            "name": "<script>alert(1)</script>",
            "scenarioName": "out & back",
            "newScenarioState": "\"down'",
            "webhooks": [],
            "request": {"urlPath": "/a<b>"},
            "response": {"status": 418, "body": "<i>tea</i>"},
        }
    )
    await stub_api.client.get("/missing?q=<u>")
    for path in ("/__admin", "/__admin/"):
        page = await stub_api.client.get(path)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    text = page.text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text
    assert " style=" not in text
    assert re.findall(r"<script[^>]*>", text) == [
        '<script type="module" src="/__admin/static/admin.js">'
    ]
    assert "webhooks: there is no such field, so this stub never matches" in text
    assert "no match" in text
    assert "/missing?q=%3Cu%3E" in text
    assert "out &amp; back" in text
    for asset in re.findall(r'(?:href|src)="(/__admin/static/[^"]+)"', text):
        assert (await stub_api.client.get(asset)).status_code == 200


@pytest.mark.proves("M16")
async def test_other_sites_cannot_change_stubs(stub_api: StubApi) -> None:
    """A page of another origin, open in the same browser, is refused; reading is not changing."""
    mapping = {"request": {"urlPath": "/a"}, "response": {}}
    for origin in ("https://evil.example", "null"):
        answer = await stub_api.client.post(
            "/__admin/mappings", json=mapping, headers={"Origin": origin}
        )
        assert answer.status_code == 403
    own = await stub_api.client.post(
        "/__admin/mappings", json=mapping, headers={"Origin": stub_api.url}
    )
    assert own.status_code == 201


@pytest.mark.proves("M18")
async def test_an_unsupported_field_is_logged(
    stub_api: StubApi, caplog: pytest.LogCaptureFixture
) -> None:
    """One line that names file, stub and field."""
    stub_api.write("odd", {"name": "odd one", "request": {"hosts": {}}, "response": {}})
    await stub_api.client.post("/__admin/reset")
    (line,) = {r.getMessage() for r in caplog.records if "odd one" in r.getMessage()}
    assert "odd.json: odd one: request.hosts: there is no such field (is it 'host'?), so" in line
    await stub_api.add({"name": "added", "response": {"proxyBaseUrl": "http://a"}})
    assert any("added: response.proxyBaseUrl: this" in r.getMessage() for r in caplog.records)


@pytest.mark.proves("M16", "M18")
@pytest.mark.parametrize(
    ("path", "sent", "pointer"),
    [
        ("/__admin/requests/find", {"urlPaht": "/a"}, "/urlPaht"),
        ("/__admin/requests/count", {"headers": {"A": {"before": "x"}}}, "/headers/A"),
        ("/__admin/settings", {"fixedDelay": -1}, "/fixedDelay"),
        ("/__admin/settings", {"delay": 1}, "/delay"),
        ("/__admin/settings", {"delayDistribution": {"type": "x"}}, "/delayDistribution/type"),
        ("/__admin/mappings", {"request": {"url": "/a", "urlPath": "/b"}}, "/request/urlPath"),
    ],
)
async def test_what_the_admin_api_cannot_use_is_named(
    stub_api: StubApi, path: str, sent: object, pointer: str
) -> None:
    """422 with a pointer to the field."""
    answer = await stub_api.client.post(path, json=sent)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["source"]["pointer"] == pointer


@pytest.mark.parametrize(
    "text", ['{"request":', "[NaN]", '"\\ud800"', "1" * 5_000, "[" * 100_000, b"\xff", ""]
)
async def test_what_is_not_json_is_refused(stub_api: StubApi, text: str | bytes) -> None:
    """422, whatever was sent."""
    answer = await stub_api.client.post("/__admin/mappings", content=text)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["title"] == "Error parsing JSON"


async def test_a_name_that_no_file_can_have(stub_api: StubApi) -> None:
    """It is not there, and writing it says why."""
    (stub_api.directory / "__files").mkdir()
    path = f"/__admin/files/{'a' * 300}"
    assert (await stub_api.client.get(path)).status_code == 404
    written = await stub_api.client.put(path, content=b"x")
    assert "File name too long" in written.json()["errors"][0]["title"]


@pytest.mark.proves("M17")
async def test_the_journal_is_bounded(stub_api: StubApi) -> None:
    """After 1,010 requests it holds the last 1,000."""
    for index in range(1_010):
        await stub_api.client.get(f"/n?{index}")
    journal = (await stub_api.client.get("/__admin/requests?limit=1")).json()
    assert journal["meta"] == {"total": 1_000}
    assert [entry["request"]["url"] for entry in journal["requests"]] == ["/n?1009"]


@pytest.mark.proves("M19")
async def test_outage_switches_work_on_the_wire(stub_api: StubApi) -> None:
    """Errors, faults, latency and down, switched on and off while serving."""
    await stub_api.add({"request": {"urlPath": "/a"}, "response": {"body": "ok"}})

    async def switch(**switches: Any) -> None:
        answer = await stub_api.client.put("/__admin/outage", json=switches)
        assert answer.status_code == 200, answer.text
        shown = (await stub_api.client.get("/__admin/outage")).json()
        assert {name: shown[name] for name in switches} == switches

    await switch(errorRate=1, errorStatus=502)
    assert (await stub_api.client.get("/a")).status_code == 502
    await switch(latencyMilliseconds=150)
    started = trio.current_time()
    assert (await stub_api.client.get("/a")).text == "ok"
    assert trio.current_time() - started >= 0.15
    await switch(faultRate=1, fault="RANDOM_DATA_THEN_CLOSE")
    with pytest.raises(httpx.RemoteProtocolError):
        await stub_api.client.get("/a")
    await switch(down=True)
    with pytest.raises(httpx.ReadError):
        await stub_api.client.get("/a")
    assert "An outage is switched on" in (await stub_api.client.get("/__admin")).text
    bad = await stub_api.client.put("/__admin/outage", json={"errorRate": 7})
    assert bad.status_code == 422
    assert bad.json()["errors"][0]["source"]["pointer"] == "/errorRate"
    assert (await stub_api.client.delete("/__admin/outage")).json()["down"] is False
    assert (await stub_api.client.get("/a")).text == "ok"


@pytest.mark.proves("M10")
async def test_a_fault_ends_one_connection_only(stub_api: StubApi) -> None:
    """Others on other connections are served meanwhile and after."""
    await stub_api.add({"request": {"urlPath": "/a"}, "response": {"body": "ok"}})
    for fault in ("EMPTY_RESPONSE", "CONNECTION_RESET_BY_PEER", "MALFORMED_RESPONSE_CHUNK"):
        await stub_api.add({"request": {"urlPath": "/f"}, "response": {"fault": fault}})
        with pytest.raises(httpx.TransportError):
            await stub_api.client.get("/f")
        assert (await stub_api.client.get("/a")).text == "ok"


@pytest.mark.proves("M9")
async def test_a_slow_answer_does_not_hold_up_others(stub_api: StubApi) -> None:
    """Delays are waited for, not slept through."""
    await stub_api.add(
        {
            "request": {"urlPath": "/slow"},
            "response": {"fixedDelayMilliseconds": 60_000},
        }
    )
    await stub_api.add({"request": {"urlPath": "/a"}, "response": {"body": "ok"}})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stub_api.client.get, "/slow")
        with trio.fail_after(SOON):
            assert (await stub_api.client.get("/a")).text == "ok"
        nursery.cancel_scope.cancel()


def price_stub(symbol: str, low: int, high: int) -> dict[str, Any]:
    price = f"{{{{numberFormat (randomDecimal lower={low} upper={high}) '0.00'}}}}"
    return {
        "request": {"method": "GET", "urlPath": "/prices"},
        "response": {
            "body": f'[{{"symbol":{json.dumps(symbol)},"price":{price}}}]',
            "transformers": ["response-template"],
        },
    }


async def until(stub_api: StubApi, path: str, met: Any) -> None:
    """Ask until the answer is as wanted."""
    with trio.fail_after(SOON):
        while not met(await stub_api.client.get(path)):  # noqa: ASYNC110 - see below
            await trio.sleep(0.02)  # the server watches files; nothing tells us when it has looked


@pytest.mark.proves("M20")
async def test_a_second_s_worth_of_requests_is_answered_whole(stub_api: StubApi) -> None:
    """Five hundred over 25 connections, none refused or mixed up; the bench has the rate."""
    await stub_api.add(
        {
            "request": {"urlPath": "/echo"},
            "response": {"body": "{{request.query.n}}", "transformers": ["response-template"]},
        }
    )
    answers: list[str] = []

    async def ask(numbers: range) -> None:
        for number in numbers:
            answer = await client.get("/echo", params={"n": str(number)})
            assert answer.status_code == 200
            answers.append(answer.text)

    async with httpx.AsyncClient(base_url=stub_api.url, timeout=SOON) as client:
        with trio.fail_after(60):
            async with trio.open_nursery() as askers:
                for first in range(0, 500, 20):
                    askers.start_soon(ask, range(first, first + 20))
    assert sorted(answers, key=int) == [str(number) for number in range(500)]


async def test_the_admin_pages_do_not_answer_to_a_rebound_name(stub_api: StubApi) -> None:
    """421 that names the option, for reading and changing; health and stubs answer to any name."""
    await stub_api.add({"request": {"urlPath": "/a"}, "response": {"body": "stub"}})
    rebound = {"Host": "evil.example:1080", "Origin": "http://evil.example:1080"}
    for path in ("/__admin", "/__admin/mappings", "/__admin/requests"):
        answer = await stub_api.client.get(path, headers=rebound)
        assert answer.status_code == 421, path
        assert "--allowed-hosts" in answer.text
    answer = await stub_api.client.put("/__admin/outage", json={"down": True}, headers=rebound)
    assert answer.status_code == 421
    assert (await stub_api.client.get("/__admin/health", headers=rebound)).status_code == 200
    assert (await stub_api.client.get("/a", headers=rebound)).text == "stub"
    odd = await stub_api.client.delete("/__admin/outage", headers={"Origin": "http://["})
    assert odd.status_code == 403


def test_the_admin_pages_answer_to_names_that_are_given() -> None:
    """As compose gives the name that other services have for it."""
    with started_stub_api("--allowed-hosts", "mockserver, *.internal") as (_, url):
        for host, status in (("mockserver:8080", 200), ("a.internal", 200), ("internal", 421)):
            answer = httpx.get(f"{url}/__admin/mappings", headers={"Host": host})
            assert answer.status_code == status, host


@pytest.mark.parametrize("name", ["http://mockserver", "mockserver:8080", "a b", "*.", "*x", "a/b"])
def test_a_name_that_can_be_no_host_ends_the_start(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would let nobody in, and nobody would know why."""
    with pytest.raises(SystemExit) as ended:
        main(["--port", "0", "--allowed-hosts", name])
    assert ended.value.code == 2
    assert f"{name!r} is no host name" in capsys.readouterr().err


@pytest.mark.proves("M16")
async def test_persistent_and_saved_stubs_outlive_a_reset(stub_api: StubApi) -> None:
    """Each in a file of its own, which goes when the stub is removed; files of people stay."""
    stub_api.write("mine", {"request": {"urlPath": "/mine"}, "response": {}})
    await stub_api.client.post("/__admin/reset")
    kept = await stub_api.add(
        {"name": "kept one", "persistent": True, "request": {"urlPath": "/a"}, "response": {}}
    )
    await stub_api.add({"request": {"urlPath": "/b"}, "response": {}})
    await stub_api.client.post("/__admin/mappings/reset")
    assert (await stub_api.client.get("/a")).status_code == 200
    assert (await stub_api.client.get("/b")).status_code == 404
    assert (stub_api.directory / f"kept-one-{kept}.json").exists()
    saved = await stub_api.add({"request": {"urlPath": "/c"}, "response": {"body": "1"}})
    assert (await stub_api.client.post("/__admin/mappings/save")).status_code == 200
    await stub_api.client.post("/__admin/reset")
    assert (await stub_api.client.get("/c")).text == "1"
    for key in (kept, saved):
        assert (await stub_api.client.delete(f"/__admin/mappings/{key}")).status_code == 200
    await stub_api.client.post("/__admin/reset")
    assert [path.name for path in stub_api.directory.glob("*.json")] == ["mine.json"]
    assert (await stub_api.client.get("/mine")).status_code == 200


@pytest.mark.proves("M16")
async def test_a_stub_that_cannot_be_saved_is_said(stub_api: StubApi) -> None:
    """The answer names the file; the server goes on."""
    for path in stub_api.directory.glob("*"):
        path.unlink()
    stub_api.directory.rmdir()
    stub_api.directory.write_text("a file where the directory was")
    answer = await stub_api.client.post(
        "/__admin/mappings",
        json={"persistent": True, "request": {"urlPath": "/a"}, "response": {}},
    )
    assert answer.status_code == 500
    assert "cannot be written" in answer.json()["errors"][0]["title"]
    assert (await stub_api.client.get("/a")).status_code == 200


@pytest.mark.proves("M8")
async def test_a_stubs_own_date_is_the_only_one(stub_api: StubApi) -> None:
    """Recorded answers carry the date of their recording."""
    date = "Mon, 01 Jan 2024 00:00:00 GMT"
    await stub_api.add(
        {"request": {"urlPath": "/a"}, "response": {"headers": {"Date": date}, "body": "x"}}
    )
    answer = await stub_api.client.get("/a")
    assert answer.headers.get_list("date") == [date]
    assert (answer.status_code, answer.reason_phrase, answer.text) == (200, "OK", "x")


@pytest.mark.proves("M14", "M17")
@pytest.mark.parametrize("body", ["[" * 900, '{"a":' * 900, "[" * 900 + "]" * 900])
async def test_deep_json_is_an_error_answer(stub_api: StubApi, body: str) -> None:
    """What any client can send ends no rendering in an empty answer, and the journal has it."""
    for helper in ("parseJson request.body", "jsonPath request.body '$..a'"):
        await stub_api.add(
            {
                "request": {"urlPath": "/t"},
                "response": {"body": f"[{{{{{helper}}}}}]", "transformers": ["response-template"]},
            }
        )
        answer = await stub_api.client.post("/t", content=body)
        assert answer.text.startswith("[ERROR]") or answer.text == "[]"
        listed = (await stub_api.client.get("/__admin/requests")).json()["requests"]
        assert listed[0]["response"]["body"] == answer.text
    await stub_api.add(
        {"request": {"urlPath": "/m", "bodyPatterns": [{"equalToJson": "{}"}]}, "response": {}}
    )
    assert (await stub_api.client.post("/m", content=body)).status_code == 404
