"""API tokens and tickets on a real PostgreSQL."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import trio

from stockstream.credential_keys import CredentialKey
from stockstream.users.accounts import SetDisabled, SetRole
from stockstream.users.api_tokens import NewToken, key_of, new_token
from stockstream.users.credentials import FindCredentials
from stockstream.users.operator_audit import FetchEntries
from stockstream.users.roles import Role, Scope
from stockstream.users.rows import RowRefusal
from stockstream.users.sessions import EndSessions, digest_of
from stockstream.users.tickets import MOST_OF_ONE, Behind, CreateTicket, TakeTicket, new_ticket
from stockstream.users.token_rows import (
    MOST_TOKENS,
    ApiToken,
    CreateToken,
    ListTokens,
    RevokeToken,
)
from tests.support.accounts import AUTHOR, create, log_in
from tests.support.commands import command
from tests.support.database import psql
from tests.support.gateway import running_history

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.users.accounts import Account
    from tests.support.gateway import History

PRICES = frozenset({Scope.PRICES_READ})


async def make(
    history: History,
    account: Account,
    scopes: frozenset[Scope] = PRICES,
    seconds: float = 60.0,
    token: NewToken | None = None,
) -> ApiToken | RowRefusal:
    query = CreateToken(AUTHOR, account.id, "program", scopes, seconds, token or new_token())
    made: ApiToken | RowRefusal = await history.ask(query)
    return made


async def test_a_token_lets_in_until_it_ends(database_url: str) -> None:
    """By what it was given and its account's role has now; each change is in the audit."""
    async with running_history(database_url) as history:
        await history.until_up()
        ann, bob = await create(history, "ann", Role.CHAOS), await create(history, "bob")
        wanted = frozenset({Scope.PRICES_READ, Scope.CHAOS_RUN})
        refused = await make(history, bob, wanted)
        assert refused == RowRefusal("scopes", "the role viewer has no chaos:run")
        token = new_token()
        made = await make(history, ann, wanted, token=token)
        assert isinstance(made, ApiToken)

        async def scopes_of(digest: bytes) -> frozenset[Scope] | None:
            found = await history.ask(FindCredentials((digest,), 60.0))
            return found[digest].credential.scopes if digest in found else None

        assert await scopes_of(token.digest) == wanted
        await history.ask(SetRole(AUTHOR, ann.id, Role.VIEWER))
        assert await scopes_of(token.digest) == PRICES
        await create(history, "root", Role.ADMIN)
        await history.ask(SetDisabled(AUTHOR, ann.id, disabled=True))
        assert await scopes_of(token.digest) is None
        assert await make(history, ann) == RowRefusal("account", "this account is disabled")
        await history.ask(SetDisabled(AUTHOR, ann.id, disabled=False))
        assert await scopes_of(token.digest) == PRICES

        # Another's is as one that does not exist.
        theirs = await history.ask(RevokeToken(AUTHOR, made.key, bob.id))
        assert theirs == await history.ask(RevokeToken(AUTHOR, "nothere0", bob.id))
        assert isinstance(theirs, RowRefusal)
        assert await scopes_of(token.digest) == PRICES
        revoked = await history.ask(RevokeToken(AUTHOR, made.key, ann.id))
        assert revoked.credential == CredentialKey("token", made.id)
        assert await scopes_of(token.digest) is None
        again = await history.ask(RevokeToken(AUTHOR, made.key))
        assert again.revoked == revoked.revoked
        short = new_token()
        await make(history, ann, token=short)
        assert await scopes_of(short.digest) == PRICES
        await history.select(
            "UPDATE user_tokens SET expires_at = now() WHERE key = $1 RETURNING 1", short.key
        )
        assert await scopes_of(short.digest) is None
        assert [one.key for one in await history.ask(ListTokens(ann.id))] == [short.key, made.key]
        assert await history.ask(ListTokens(bob.id)) == []
        entries = await history.ask(FetchEntries(100, action="token"))
        told = [(one.entry.action, one.entry.target) for one in entries]
        assert told == [
            ("token.create", f"ann {short.key}"),
            ("token.revoke", f"ann {made.key}"),
            ("token.create", f"ann {made.key}"),
        ]
        assert all(token.text[12:] not in repr(one) for one in entries)


async def test_an_account_has_so_many_tokens_at_most(database_url: str) -> None:
    """Those that ended do not count; nobody makes one more by asking twice at once."""
    async with running_history(database_url) as history:
        await history.until_up()
        ann = await create(history, "ann")
        for _ in range(MOST_TOKENS - 1):
            last = await make(history, ann)
        made: list[ApiToken | RowRefusal] = []

        async def one() -> None:
            made.append(await make(history, ann))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(one)
        assert [type(one) for one in made].count(ApiToken) == 1
        assert isinstance(last, ApiToken)
        await history.ask(RevokeToken(AUTHOR, last.key))
        assert isinstance(await make(history, ann), ApiToken)


async def test_a_ticket_is_good_once_and_for_a_moment(database_url: str) -> None:
    """However many come with it at once; it stands for its credential, which may have ended."""
    async with running_history(database_url) as history:
        await history.until_up()
        ann = await create(history, "ann")
        digest, session = await log_in(history, ann)
        ticket = new_ticket()
        await history.ask(CreateTicket(ticket, session.key))
        taken: list[Behind | None] = []

        async def take() -> None:
            taken.append(await history.ask(TakeTicket(ticket)))

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(take)
        assert sorted(taken, key=str) == [Behind("session", digest), *[None] * 7]

        token = new_token()
        made = await make(history, ann, token=token)
        assert isinstance(made, ApiToken)
        late, good = new_ticket(), new_ticket()
        await history.ask(CreateTicket(late, made.credential))
        await history.select("UPDATE user_tickets SET expires_at = now() RETURNING 1")
        assert await history.ask(TakeTicket(late)) is None
        await history.ask(CreateTicket(good, made.credential))
        assert await history.ask(TakeTicket(good)) == Behind("token", token.digest)
        assert await history.ask(TakeTicket("")) is None

        # Many of one: the oldest go, another's stay.
        await history.ask(CreateTicket(good, session.key))
        for _ in range(MOST_OF_ONE + 3):
            await history.ask(CreateTicket(new_ticket(), made.credential))
        assert await history.select("SELECT count(*) FROM user_tickets") == [(MOST_OF_ONE + 1,)]
        await history.ask(EndSessions(AUTHOR, ids=(session.id,)))
        behind = await history.ask(TakeTicket(good))
        assert await history.ask(FindCredentials((behind.digest,), 60.0)) == {}


def test_the_commands_make_list_and_revoke(database_url: str, tmp_path: Path) -> None:
    """The token alone goes to standard output; what is wrong is named."""
    environment = {**os.environ, "DATABASE_URL": database_url}
    psql(database_url, "INSERT INTO user_accounts (name, role) VALUES ('Ops', 'operator')")

    def run(*arguments: str) -> tuple[int, str, str]:
        done = command(("tokens", *arguments), environment, tmp_path)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    code, text, told = run("create", "prom", "--account", "ops", "--scope", "metrics:read")
    assert code == 0, told
    key = key_of(text.strip())
    assert key is not None
    assert f"tokens revoke {key}" in told
    stored = psql(database_url, "SELECT encode(digest, 'hex') FROM user_tokens")
    assert stored == digest_of(text.strip()).hex()
    code, shown, _ = run("list", "--json")
    (token,) = json.loads(shown)["tokens"]
    assert (token["key"], token["account_name"], token["used"]) == (key, "Ops", None)
    assert "until" in run("list")[1]
    assert run("revoke", text.strip())[:2][0] == 0
    assert "revoked" in run("list", "--account", "OPS")[1]
    for arguments, word in (
        (("create", "x", "--account", "ops", "--scope", "chaos:run"), "the role operator has no"),
        (("create", "x", "--account", "nobody", "--scope", "prices:read"), "no account"),
        (("create", "x", "--account", "ops", "--scope", "prices"), "--scope"),
        (("create", " ", "--account", "ops", "--scope", "prices:read"), "NAME"),
        (("create", "x", "--account", "ops", "--scope", "prices:read", "--days", "nan"), "--days"),
        (("revoke", "ss_nothing"), "checksum"),
    ):
        code, _, told = run(*arguments)
        assert (code, word in told) == (2, True), (arguments, told)
    who = psql(database_url, "SELECT DISTINCT credential FROM operator_audit")
    assert who == "command"
