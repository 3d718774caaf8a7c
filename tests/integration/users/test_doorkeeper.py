"""The doorkeeper on a real PostgreSQL: who comes in, and who does not any more."""

from __future__ import annotations

import pytest
import trio

from stockstream import paths
from stockstream.database.query import Unavailable
from stockstream.messages import AccountChanged, CredentialsEnded
from stockstream.times import Moment
from stockstream.users.accounts import SetDisabled, SetRole
from stockstream.users.credentials import Held
from stockstream.users.doorkeeper import Confirm, known, tell
from stockstream.users.roles import SCOPES, Role, Scope
from stockstream.users.sessions import EndSessions, SessionLimits, digest_of
from tests.support.accounts import (
    AUTHOR,
    create,
    give_token,
    log_in,
    running_doorkeeper,
)


async def test_a_session_and_a_token_are_known_by_their_digests(database_url: str) -> None:
    """With what the account's role allows, of a token's scopes only those."""
    async with running_doorkeeper(database_url) as door:
        ann = await create(door.history, "ann", Role.OPERATOR)
        digest, session = await log_in(door.history, ann)
        token = await give_token(door.history, ann, ["prices:read", "users:write", "of:later"])
        assert known(door.tables, digest, Moment.now()) is None
        found = await door.asked(digest)
        assert found is not None
        assert (found.key, found.account_name, found.role) == (session.key, "ann", Role.OPERATOR)
        assert found.scopes == SCOPES[Role.OPERATOR]
        assert abs(found.expires_ms - session.expires) < 2
        assert known(door.tables, digest, Moment.now()) == found
        assert known(door.tables, digest, Moment.now().after(10.1)) is None
        program = await door.asked(token)
        assert program is not None
        assert (program.kind, program.scopes) == ("token", {Scope.PRICES_READ})
        assert await door.asked(digest_of("nobody's")) is None


async def test_what_has_ended_lets_nobody_in(database_url: str) -> None:
    """Idle, over its time, ended, of a disabled account: each as the database sees it."""
    async with running_doorkeeper(database_url) as door:
        history = door.history
        ann, bob = await create(history, "ann"), await create(history, "bob")
        over, _ = await log_in(history, ann, SessionLimits(3600, 0))
        ended, session = await log_in(history, ann)
        off, _ = await log_in(history, bob)
        idle, other = await log_in(history, ann)
        await history.select(
            "UPDATE user_sessions SET seen_at = now() - interval '61 min' WHERE id = $1 "
            "RETURNING 1",
            other.id,
        )
        token = await give_token(history, ann, ["prices:read"], days=0)
        revoked = await give_token(history, ann, ["prices:read"])
        await history.select("UPDATE user_tokens SET revoked_at = now() RETURNING 1")
        await history.ask(EndSessions(AUTHOR, ids=(session.id,)))
        await history.ask(SetDisabled(AUTHOR, bob.id, disabled=True))
        for digest in (over, ended, off, idle, token, revoked):
            assert await door.asked(digest) is None
        assert not door.tables.credentials.rows


async def test_an_end_acts_at_once_and_is_told(database_url: str) -> None:
    """Here, to the front end and to the bus; what the bus brings is not sent back."""
    async with running_doorkeeper(database_url) as door:
        ann = await create(door.history, "ann")
        digest, session = await log_in(door.history, ann)
        assert await door.asked(digest) is not None
        keys = await door.history.ask(EndSessions(AUTHOR, ids=(session.id,)))
        await tell(door.keeper, CredentialsEnded(keys))
        assert known(door.tables, digest, Moment.now()) is None
        assert await door.asked(digest) is None
        await door.history.until(lambda: door.told.ended == [session.key])
        assert door.told.bus == [CredentialsEnded((session.key,))]
        await tell(door.keeper, CredentialsEnded((session.key,), heard=True))
        assert len(door.told.bus) == 1


async def test_another_role_counts_from_the_next_request(database_url: str) -> None:
    """And the front end is told which credentials allow something else now."""
    async with running_doorkeeper(database_url) as door:
        ann = await create(door.history, "ann", Role.OPERATOR)
        digest, session = await log_in(door.history, ann)
        assert await door.asked(digest) is not None
        await door.history.ask(SetRole(AUTHOR, ann.id, Role.VIEWER))
        await tell(door.keeper, AccountChanged(ann.id))
        found = await door.asked(digest)
        assert found is not None
        assert found.role is Role.VIEWER
        await door.history.until(lambda: door.told.changed == [session.key])
        assert door.told.bus == [AccountChanged(ann.id)]


async def test_what_nobody_told_is_noticed_by_the_round(database_url: str) -> None:
    """A session that was ended in the database alone, by which a socket is open."""
    async with running_doorkeeper(database_url) as door:
        ann = await create(door.history, "ann")
        digest, session = await log_in(door.history, ann)
        await door.hold(7, Held(digest, session.key))
        await door.history.select("UPDATE user_sessions SET ended_at = now() RETURNING 1")
        await door.history.until(lambda: door.told.ended == [session.key], seconds=10.0)


async def test_a_kill_loses_no_session_and_refuses_nobody(database_url: str) -> None:
    """Of the doorkeeper and of the gateway, while many come at once, known and new ones."""
    async with running_doorkeeper(database_url) as door:
        ann = await create(door.history, "ann")
        digests = [(await log_in(door.history, ann))[0] for _ in range(20)]
        for killed in (paths.DOORKEEPER, paths.DATABASE):
            answers: dict[bytes, object] = {}

            async def come(digest: bytes, answers: dict[bytes, object] = answers) -> None:
                answers[digest] = await door.asked(digest)

            async with trio.open_nursery() as nursery:
                for digest in digests:
                    nursery.start_soon(come, digest)
                await trio.lowlevel.checkpoint()
                door.history.system.ref(killed).kill()
            assert None not in answers.values()
            assert len(answers) == len(digests)
            for digest in digests:  # and again, by the database
                row = door.tables.credentials.get(digest)
                assert row is not None


async def test_without_the_database_nobody_new_comes_in(database_url: str) -> None:
    """Who is known does, by the last confirmation."""
    async with running_doorkeeper(database_url) as door:
        ann = await create(door.history, "ann")
        digest, _ = await log_in(door.history, ann)
        new, _ = await log_in(door.history, ann)
        assert await door.asked(digest) is not None
        door.history.url = database_url.replace("test_", "none_")
        door.history.database.kill()
        await door.history.until(lambda: not door.history.status.up)
        answer = await door.keeper.call(Confirm(frozenset({digest})))
        assert not isinstance(answer, Exception)
        assert set(answer) == {digest}
        with pytest.raises(Unavailable):
            await door.asked(new)
        door.history.url = database_url
        door.history.database.kill()
        await door.history.until_up()
        assert await door.asked(new) is not None
