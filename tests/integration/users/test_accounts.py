"""Accounts and their changes, on a real PostgreSQL: each with its audit, in one transaction."""

from __future__ import annotations

import pytest
import trio

from stockstream.users.accounts import (
    LAST_ADMIN,
    MISSING,
    NAME_TAKEN,
    NO_PASSWORD,
    Account,
    Changed,
    CreateAccount,
    FindAccount,
    FindForLogin,
    FindOrCreateBySubject,
    ListAccounts,
    SetDisabled,
    SetPassword,
    SetRehashed,
    SetRole,
    check_name,
)
from stockstream.users.roles import Role
from stockstream.users.sessions import EndSessions, ListSessions, OpenSession, digest_of, new_token
from tests.support.accounts import AUTHOR, LIMITS, create, log_in
from tests.support.gateway import History, running_history

ISSUER = "https://id.example"


async def audited(history: History) -> list[tuple[str, str]]:
    """Actions and targets, in order."""
    rows = await history.select("SELECT action, target FROM operator_audit ORDER BY id")
    return [(action, target) for action, target in rows]


async def test_an_account_is_made_found_and_changed(database_url: str) -> None:
    """By its name in any case; a taken name is refused, and nothing is written."""
    async with running_history(database_url) as history:
        await history.until_up()
        ann = await create(history, "Ann", Role.OPERATOR)
        assert await history.ask(CreateAccount(AUTHOR, "ANN", Role.VIEWER, None)) == NAME_TAKEN
        found = await history.ask(FindForLogin("aNN"))
        assert found is not None
        assert (found.account, found.password_hash, found.password_number) == (ann, "hash", 0)
        assert await history.ask(FindForLogin("bob")) is None
        # In the locale C, which the embedded database has, these are no other cases of anything.
        for name in ("Émile", "İpek", "ΝΙΚΟΣ"):
            made = await create(history, name)
            found = await history.ask(FindForLogin(name))
            assert found is not None, name
            assert found.account == made
        assert await history.ask(FindAccount(name="ann")) == ann
        assert await history.ask(FindAccount(id=ann.id + 1)) is None
        chaos = await history.ask(SetRole(AUTHOR, ann.id, Role.CHAOS))
        assert isinstance(chaos, Account)
        assert chaos.role is Role.CHAOS
        assert await history.ask(SetRole(AUTHOR, ann.id, Role.CHAOS)) == chaos
        assert await history.ask(SetRole(AUTHOR, ann.id + 1, Role.CHAOS)) == MISSING
        assert chaos in await history.ask(ListAccounts())
        entries = await audited(history)
        assert (entries[0], entries[-1]) == (("account.create", "Ann"), ("account.role", "Ann"))
        ((before, after),) = await history.select(
            "SELECT before::text, after::text FROM operator_audit WHERE action = 'account.role'"
        )
        assert (before, after) == ('"operator"', '"chaos"')


async def test_the_last_admin_stays(database_url: str) -> None:
    """Of two that are disabled at once one stays, whoever does it."""
    async with running_history(database_url) as history:
        await history.until_up()
        one, two = [await create(history, name, Role.ADMIN) for name in ("one", "two")]
        answers = []

        async def disable(account: Account) -> None:
            answers.append(await history.ask(SetDisabled(AUTHOR, account.id, disabled=True)))

        async with trio.open_nursery() as nursery:
            for account in (one, two):
                nursery.start_soon(disable, account)
        assert LAST_ADMIN in answers
        assert sum(isinstance(answer, Changed) for answer in answers) == 1
        left = [one.disabled is None for one in await history.ask(ListAccounts())]
        assert sorted(left) == [False, True]
        admin = next(one for one in await history.ask(ListAccounts()) if one.disabled is None)
        assert await history.ask(SetRole(AUTHOR, admin.id, Role.VIEWER)) == LAST_ADMIN


async def test_a_new_password_ends_the_other_sessions(database_url: str) -> None:
    """A disabled account has none at all; and nobody logs in by what was verified before."""
    async with running_history(database_url) as history:
        await history.until_up()
        ann, bob = await create(history, "ann"), await create(history, "bob")
        _, kept = await log_in(history, ann)
        _, other = await log_in(history, ann)
        _, bobs = await log_in(history, bob)
        late = OpenSession(
            digest_of(new_token()), ann.id, "password", "", "", LIMITS, AUTHOR, password_number=0
        )
        changed = await history.ask(SetPassword(AUTHOR, ann.id, "new", but=kept.id))
        assert isinstance(changed, Changed)
        assert changed.ended == (other.key,)
        assert await history.ask(ListSessions(LIMITS, ann.id)) == [kept]
        assert await history.ask(late) is None, "the old password was right a moment ago"
        await history.ask(SetRehashed(ann.id, "hash", "stolen"))
        await history.ask(SetRehashed(ann.id, "new", "rehashed"))
        found = await history.ask(FindForLogin("ann"))
        assert found is not None
        assert (found.password_hash, found.password_number) == ("rehashed", 1)
        off = await history.ask(SetDisabled(AUTHOR, ann.id, disabled=True))
        assert isinstance(off, Changed)
        assert off.ended == (kept.key,)
        assert off.account.disabled is not None
        assert await history.ask(ListSessions(LIMITS)) == [bobs]
        again = OpenSession(digest_of(new_token()), ann.id, "oidc", "", "", LIMITS, AUTHOR)
        assert await history.ask(again) is None
        on = await history.ask(SetDisabled(AUTHOR, ann.id, disabled=False))
        assert isinstance(on, Changed)
        assert on.account.disabled is None
        assert await history.ask(again) is not None


async def test_sessions_end_by_number_or_by_account(database_url: str) -> None:
    """Those of another account are out of reach; each end is told once, and audited."""
    async with running_history(database_url) as history:
        await history.until_up()
        ann, bob = await create(history, "ann"), await create(history, "bob")
        (_, first), (_, second) = await log_in(history, ann), await log_in(history, ann)
        _, bobs = await log_in(history, bob)
        theirs = EndSessions(AUTHOR, ids=(bobs.id,), account_id=ann.id)
        assert await history.ask(theirs) == ()
        mine = EndSessions(AUTHOR, ids=(first.id, bobs.id), account_id=ann.id)
        assert await history.ask(mine) == (first.key,)
        assert await history.ask(mine) == ()
        others = EndSessions(AUTHOR, account_id=ann.id, but=second.id)
        assert await history.ask(others) == ()
        everything = EndSessions(AUTHOR, account_id=ann.id)
        assert await history.ask(everything) == (second.key,)
        assert [one.id for one in await history.ask(ListSessions(LIMITS))] == [bobs.id]
        ends = [target for action, target in await audited(history) if action == "session.end"]
        assert ends == [str(first.key), str(second.key)]
    with pytest.raises(ValueError, match="not said"):
        EndSessions(AUTHOR)


async def test_an_account_elsewhere_is_found_by_its_subject(database_url: str) -> None:
    """Never by its name: a name that is taken here becomes another one."""
    async with running_history(database_url) as history:
        await history.until_up()
        local = await create(history, "ann", Role.ADMIN)
        query = FindOrCreateBySubject(AUTHOR, ISSUER, "1", "ann", Role.VIEWER)
        made = await history.ask(query)
        assert (made.name, made.role, made.has_password) == ("ann (2)", Role.VIEWER, False)
        assert await history.ask(query) == made
        raised = FindOrCreateBySubject(AUTHOR, ISSUER, "1", "renamed", Role.OPERATOR)
        assert (await history.ask(raised)).role is Role.OPERATOR
        kept = FindOrCreateBySubject(AUTHOR, ISSUER, "1", "ann", Role.VIEWER, role_follows=False)
        assert (await history.ask(kept)).role is Role.OPERATOR
        other = FindOrCreateBySubject(AUTHOR, ISSUER, "2", "ann", Role.VIEWER)
        assert (await history.ask(other)).name == "ann (3)"
        assert await history.ask(SetPassword(AUTHOR, made.id, "hash")) == NO_PASSWORD
        assert (await history.ask(FindAccount(id=local.id))) == local


@pytest.mark.parametrize("bad", ["", "  ", "x" * 61, "a\nb", "a\0b", "\ud800"])
def test_a_name_that_cannot_be_read_is_refused(bad: str) -> None:
    """What is left has no spaces around it."""
    with pytest.raises(ValueError, match=r"name|characters"):
        check_name(bad)
    assert check_name(" Ann ") == "Ann"
    assert check_name("Jose\u0301") == "Jos\u00e9"
