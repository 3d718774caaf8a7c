"""`stockstream users` as a process, on a real PostgreSQL."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import trio

from stockstream.users.passwords import Passwords
from tests.support.accounts import CHEAP
from tests.support.database import psql

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.cli.conftest import Ended

    Run = Callable[..., Ended]

COST = {"ARGON2_MEMORY": "8192", "ARGON2_TIME": "1", "ARGON2_PARALLELISM": "1"}


@pytest.fixture
def users(stockstream: Run, database_url: str) -> Run:
    """Run `stockstream users ARGUMENTS` on a database of the test's own."""

    def run(*arguments: str) -> Ended:
        return stockstream("users", *arguments, DATABASE_URL=database_url, **COST)

    return run


def document(ended: Ended) -> dict[str, Any]:
    assert (ended.code, ended.err) == (0, "")
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_an_account_from_its_first_day_to_its_last(
    users: Run, database_url: str, tmp_path: Path
) -> None:
    """Each command says what it did, for people and for programs; each is audited."""
    secret = tmp_path / "secret"
    secret.write_text("a password of ann's\n")
    added = users("add", "Ann", "--role", "admin", "--password-file", str(secret))
    assert (added.code, added.out) == (0, "Ann is added as admin\n"), added.err
    bob = document(users("add", "bob", "--generate", "--json"))
    assert (bob["account"]["role"], bob["account"]["must_change"]) == ("viewer", True)
    stored = psql(database_url, "SELECT password_hash FROM user_accounts ORDER BY id").split()
    for kept, given in zip(stored, ["a password of ann's", bob["password"]], strict=True):
        assert trio.run(Passwords(CHEAP).verify, kept, given)
    twice = users("add", "ANN", "--generate")
    assert (twice.code, twice.out) == (1, "")
    assert "nothing was changed: another account has this name" in twice.err
    assert users("role", "bob", "operator").out == "bob is operator\n"
    nobody = users("role", "nobody", "viewer")
    assert (nobody.code, "there is no account 'nobody'" in nobody.err) == (1, True)
    last = users("disable", "ann")
    assert (last.code, "last account" in last.err) == (1, True)
    for number in (1, 2, 3):
        psql(
            database_url,
            "INSERT INTO user_sessions (digest, account_id, how, expires_at, address, agent) "
            f"SELECT sha256('{number}'), id, 'password', now() + interval '1 h', '192.0.2.1', 'x' "
            "FROM user_accounts WHERE name = 'bob'",
        )
    shown = document(users("sessions", "bob", "--json"))["sessions"]
    assert [one["account_name"] for one in shown] == ["bob"] * 3
    assert all(re.fullmatch(r"\d{4}-.*Z", one["created"]) for one in shown), "as other commands do"
    assert "192.0.2.1" in users("sessions").out
    assert users("end", str(shown[0]["id"])).out == "1 session ended\n"
    assert users("end", str(shown[0]["id"])).code == 1
    assert users("disable", "bob").out == "bob is disabled; 2 sessions ended\n"
    assert users("enable", "bob").out == "bob may log in\n"
    again = users("reset", "bob")
    assert again.out.startswith("bob has another password; 0 sessions ended\npassword, shown once:")
    listed = users("list").out
    assert "Ann" in listed
    assert "has to change the password" in listed
    done = psql(database_url, "SELECT action FROM operator_audit ORDER BY id").split()
    assert done == [
        "account.create",
        "account.create",
        "account.role",
        "session.end",
        "account.disable",
        "account.enable",
        "account.reset",
    ]
    who = psql(database_url, "SELECT DISTINCT credential FROM operator_audit")
    assert who == "command"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("add", " ", "--generate"), 2, "NAME: a name is needed"),
        (("add", "ann"), 2, "no terminal to ask for a password"),
        (("add", "ann", "--role", "king", "--generate"), 2, "king"),
        (("add", "ann", "--password-file", "short"), 2, "the password: at least 8 characters"),
        (("add", "ann", "--password-file", "/dev/zero"), 2, "it is no file"),
        (("add", "ann", "--password-file", "none"), 2, "No such file"),
        (("add", "ann", "--password-file", "short", "--generate"), 2, "of no use"),
        (("end",), 2, "the numbers of sessions"),
        (("end", "1", "--all-of", "ann"), 2, "the numbers of sessions"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    stockstream: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """It names what is wrong; nobody asks the database."""
    (tmp_path / "short").write_text("short")
    ended = stockstream("users", *arguments, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
