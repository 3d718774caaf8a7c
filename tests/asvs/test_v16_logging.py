"""OWASP ASVS 5.0, chapter V16, security logging and error handling."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from tests.asvs.conftest import PASSWORD, code_of
from tests.support.server import TOKEN

if TYPE_CHECKING:
    from tests.asvs.conftest import World

WAIT_SECONDS = 20.0


def lines(world: World, event: str, **fields: object) -> list[dict[str, Any]]:
    """Lines of the log that say this, once there is one: its reader is a thread."""
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        found = [json.loads(line) for line in world.log.splitlines() if line.startswith("{")]
        matching = [
            line for line in found if line.get("event") == event and fields.items() <= line.items()
        ]
        if matching:
            return matching
        assert time.monotonic() < give_up, f"no line says {event}"
        time.sleep(0.02)


def entries(world: World, action: str, who: str) -> list[str]:
    """Entries of the audit, once there is one."""
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        found = world.sql(
            "SELECT concat_ws(' ', at, who, credential, address, node, action, target, outcome, "
            f"correlation_id) FROM operator_audit WHERE action = '{action}' AND who = '{who}'"
        ).splitlines()
        if found:
            return found
        assert time.monotonic() < give_up, f"no entry of {action}"
        time.sleep(0.02)


def test_16_2_1_and_16_2_2_an_entry_says_when_who_where_what_and_how(world: World) -> None:
    """In UTC, and with the id that the log's lines of the request have."""
    name = world.account("operator")
    with world.person(name=name) as client:
        answer = client.put("/admin/api/loggers/bus", json={"level": "debug", "seconds": 1})
        assert answer.status_code == 200
    (entry,) = entries(world, "log_level.lend", name)
    for said in ("session:", "198.51.", " bus done ", answer.headers["x-request-id"]):
        assert said in entry
    (line,) = lines(world, "log_level.lend", who=name)
    assert line["timestamp"].endswith("Z")


def test_16_2_5_no_log_has_a_secret(world: World) -> None:
    """Passwords, wrong ones too, tokens, tickets and sessions: of all tests of this folder."""
    with world.person() as client:
        body = {"name": "x", "scopes": ["prices:read"]}
        secret = client.post("/api/v1/tokens", json=body).json()["secret"]
        ticket = client.post("/api/v1/ws-tickets").json()["ticket"]
        session = [cookie.value or "" for cookie in client.cookies.jar]
        world.handshake(client, f"?ticket={ticket[::-1]}")
    with world.client() as client:
        world.log_in(client, "nobody", "a wrong guess that nobody logs")
    lines(world, "a login was wrong", name="nobody")
    for text in (PASSWORD, TOKEN, secret, ticket, ticket[::-1], *session, "a wrong guess"):
        assert text not in world.log


def test_16_3_1_logins_are_logged_right_and_wrong(world: World) -> None:
    """By whom and from where."""
    name = world.account()
    with world.client() as client:
        world.log_in(client, name, "wrong guess")
        world.log_in(client, name)
        address = client.headers["X-Forwarded-For"]
    lines(world, "a login was wrong", name=name, address=address)
    lines(world, "logged in", who=name)
    assert address in entries(world, "session.open", name)[0]


def test_16_3_2_and_16_3_3_what_was_refused_is_in_the_audit(world: World) -> None:
    """Of those who may break things, what they tried and could not."""
    name = world.account("chaos")
    with world.person(name=name) as client:
        kill = {"action": "kill", "target": "nobody/here"}
        assert client.post("/admin/api/chaos/inject", json=kill).status_code == 404
    (entry,) = entries(world, "chaos.inject", name)
    assert "refused: no_such_target" in entry


def test_16_4_1_what_is_sent_cannot_forge_a_line(world: World) -> None:
    """A name with line ends is one value of one line."""
    with world.client() as client:
        world.log_in(client, 'x\n{"event": "forged"}', "wrong guess")
    (line,) = lines(world, "a login was wrong", name='x\n{"event": "forged"}')
    assert line["level"] == "warning"


def test_16_4_2_nobody_changes_the_audit_over_http(world: World) -> None:
    """There is reading, for who looks after accounts, and nothing else."""
    with world.person("admin") as client:
        assert client.get("/admin/api/audit").status_code == 200
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert client.request(method, "/admin/api/audit").status_code == 405


def test_16_5_1_an_error_tells_nothing_of_what_is_inside(world: World) -> None:
    """Code and reason; no trace, no address of a file, no query."""
    with world.person() as client:
        for path in ("/api/v1/history/AAPL?from=x", "/api/v1/watchlists/%00", "/nothing"):
            answer = client.get(path)
            assert answer.status_code in {400, 404, 422}
            for inside in ("Traceback", ".py", "SELECT"):
                assert inside not in answer.text
        answer = client.post(
            "/api/v1/tokens", content=b"{", headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, code_of(answer)) == (400, "bad_json")
