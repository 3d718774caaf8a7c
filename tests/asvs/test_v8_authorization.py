"""OWASP ASVS 5.0, chapter V8, authorization; each route by each role is in the matrix of routes.

See `tests/integration/users/test_matrix.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.asvs.conftest import code_of

if TYPE_CHECKING:
    import httpx

    from tests.asvs.conftest import World


def made(client: httpx.Client, path: str, body: object, *, field: str = "id") -> str:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()[field])


def test_8_2_1_functions_take_a_scope(world: World) -> None:
    """What a role has not is refused by the name of what is missing."""
    with world.person("operator") as client:
        kill = {"action": "kill", "target": "market/streamer"}
        answer = client.post("/admin/api/chaos/inject", json=kill)
        assert (answer.status_code, code_of(answer)) == (403, "missing_scope")
        assert "chaos:run" in answer.json()["error"]["reason"]
        assert client.get("/admin/api/audit").status_code == 403


def test_8_2_2_what_is_another_s_is_as_what_is_not_there(world: World) -> None:
    """Every route with every kind of another user's identifiers: no word tells them apart."""
    with world.person() as owner, world.person() as other:
        name, account = "mine", world.sql("SELECT max(id) - 1 FROM user_accounts")
        rule = {"symbol": "AAPL", "kind": "above", "threshold": 1e6}
        watchlist = made(owner, "/api/v1/watchlists", {"name": name, "symbols": ["AAPL"]})
        rule_id = made(owner, "/api/v1/alerts/rules", rule)
        body = {"name": "x", "scopes": ["prices:read"]}
        key = owner.post("/api/v1/tokens", json=body).json()["token"]["key"]
        world.sql(
            "INSERT INTO alerts (rule_id, owner, symbol, kind, threshold, price, quoted_at, epoch, "
            f"seq, fired_at) VALUES ({rule_id}, 'account:{account}', 'AAPL', 'above', 1, 2, now(), "
            "1, 1, now())"
        )
        session = world.sql(f"SELECT max(id) FROM user_sessions WHERE account_id = {account}")
        wanted = {"name": "stolen", "symbols": []}
        routes = [
            ("GET", "/api/v1/watchlists/{}", watchlist, None),
            ("PUT", "/api/v1/watchlists/{}", watchlist, wanted),
            ("PATCH", "/api/v1/watchlists/{}", watchlist, {"name": "stolen"}),
            ("DELETE", "/api/v1/watchlists/{}", watchlist, None),
            ("POST", "/api/v1/watchlists/{}/restore", watchlist, None),
            ("GET", "/api/v1/alerts/rules/{}", rule_id, None),
            ("PUT", "/api/v1/alerts/rules/{}", rule_id, rule),
            ("DELETE", "/api/v1/alerts/rules/{}", rule_id, None),
            ("POST", "/api/v1/alerts/rules/{}/restore", rule_id, None),
            ("POST", "/api/v1/alerts/fired/{}/post", f"{rule_id}-1-1", None),
            ("DELETE", "/api/v1/tokens/{}", key, None),
        ]
        nobodys = {watchlist: "999999", rule_id: "999999", key: "zzzzzzzz"}
        for method, path, theirs, sent in routes:
            nobody = nobodys.get(theirs, "999999-1-1")
            answers = [
                other.request(method, path.format(number), json=sent) for number in (theirs, nobody)
            ]
            told = [(one.status_code, one.text) for one in answers]
            assert told[0] == told[1], path
            assert told[0][0] == 404, path
        for path in ("/api/v1/watchlists", "/api/v1/alerts/rules", "/api/v1/alerts/fired"):
            listed = next(iter(other.get(path).json().values()))
            assert listed == [], path
        assert other.get("/api/v1/tokens").json() == {"tokens": []}
        csrf = other.get("/account").text.partition('name="csrf_token" value="')[2][:64]
        for number in (session, "999999"):
            form = {"csrf_token": csrf, "session": number}
            answer = other.post("/account/sessions/end", data=form)
            assert (answer.status_code, answer.headers["location"]) == (
                303,
                "/account?done=ended",
            )
        # All of it is as it was.
        assert owner.get(f"/api/v1/watchlists/{watchlist}").json()["name"] == name
        assert owner.get(f"/api/v1/alerts/rules/{rule_id}").status_code == 200
        assert owner.get("/api/v1/tokens").json()["tokens"][0]["revoked_at"] is None


def test_8_2_3_nobody_sets_what_is_not_theirs_to_set(world: World) -> None:
    """A field that a body has not is refused, not taken."""
    with world.person() as client:
        for path, body in (
            ("/api/v1/watchlists", {"name": "x", "owner": "account:1"}),
            ("/api/v1/tokens", {"name": "x", "scopes": ["prices:read"], "account_id": 1}),
            ("/api/v1/tokens", {"name": "x", "scopes": ["users:write"]}),
        ):
            answer = client.post(path, json=body)
            assert answer.status_code == 422, (path, answer.text)


def test_8_3_1_the_server_decides(world: World) -> None:
    """A page that a role does not see is refused, however it is asked for."""
    with world.person() as client:
        for path in ("/admin", "/admin/users", "/admin/api/tree"):
            assert client.get(path).status_code == 403, path


def test_8_3_2_another_role_acts_at_once(world: World) -> None:
    """On sessions and tokens that are in use."""
    name = world.account("operator")
    with world.person("admin") as admin, world.person(name=name) as client:
        body = {"name": "x", "scopes": ["metrics:read"]}
        secret = client.post("/api/v1/tokens", json=body).json()["secret"]
        with world.program(secret) as program:
            assert program.get("/metrics").status_code == 200
            assert client.get("/admin/api/tree").status_code == 200
            number = world.sql(f"SELECT id FROM user_accounts WHERE name = '{name}'")
            csrf = admin.get("/account").text.partition('name="csrf_token" value="')[2][:64]
            form = {"csrf_token": csrf, "do": "role", "role": "viewer"}
            assert admin.post(f"/admin/users/{number}", data=form).status_code == 200
            assert program.get("/metrics").status_code == 403
            assert client.get("/admin/api/tree").status_code == 403
