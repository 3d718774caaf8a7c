"""`stockstream users`: accounts and their sessions, straight in the database."""

from __future__ import annotations

import getpass
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from stockstream.cli.author import command_author
from stockstream.cli.db.common import Json, Visit, print_json, visiting
from stockstream.cli.printing import dated, table_console
from stockstream.errors import StartError, UsageError
from stockstream.regular_files import read_regular
from stockstream.times import to_datetime
from stockstream.users.accounts import (
    Account,
    Changed,
    CreateAccount,
    FindAccount,
    ListAccounts,
    SetDisabled,
    SetPassword,
    SetRole,
    check_name,
)
from stockstream.users.passwords import ArgonSettings, Passwords, check_password, new_password
from stockstream.users.roles import Role
from stockstream.users.rows import RowRefusal
from stockstream.users.sessions import EndSessions, ListSessions, SessionLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stockstream.users.operator_audit import Author
    from stockstream.users.sessions import Session

T = TypeVar("T")

LONGEST_FILE = 4_096
"""Bytes of a password's file. What is longer is another file."""
_TIMES = ("created", "disabled", "seen", "expires")

PasswordFile = Annotated[Path | None, Parameter(name="--password-file")]
Generate = Annotated[bool, Parameter(name="--generate", negative=())]

users = App(
    name="users",
    help="""Look after accounts: who may log in, with which role, and who has.

The database is the one that DATABASE_URL names, else the embedded one, so this needs no running \
server; running ones act on it within ten seconds. Roles: `viewer` reads prices and has lists and \
alerts; `operator` looks inside, too; `chaos` may break things; `admin` looks after accounts.

For example:

- `stockstream users add alice --role admin` asks for a password
- `stockstream users add bob --generate` makes one up, shows it once, and has bob change it
- `stockstream users disable bob` ends all of bob's sessions
- `stockstream users sessions` shows who has logged in from where; `users end 12` ends one
""",
    help_format="markdown",
)


@dataclass(frozen=True)
class _Here:
    """The database, and who asks it."""

    visit: Visit

    @property
    def author(self) -> Author:
        """The one who is logged in at this machine."""
        return command_author(self.visit.settings)

    @property
    def limits(self) -> SessionLimits:
        """How long sessions last."""
        settings = self.visit.settings
        return SessionLimits(settings.session_idle, settings.session_lifetime)

    async def account(self, name: str) -> Account:
        """The account of that name.

        Raises:
            StartError: there is none.
        """
        found = await self.visit.ask(FindAccount(name=name))
        if found is None:
            raise StartError(f"there is no account {name!r}: `stockstream users list` shows all")
        return found

    async def hashed(self, password: str) -> str:
        """What is kept of it."""
        settings = self.visit.settings
        cost = ArgonSettings(
            settings.argon2_memory, settings.argon2_time, settings.argon2_parallelism
        )
        return await Passwords(cost).hash(password)


@asynccontextmanager
async def _here() -> AsyncIterator[_Here]:
    async with visiting() as visit:
        yield _Here(visit)


def _done(answer: T | RowRefusal) -> T:
    """The answer, where it is no refusal.

    Raises:
        StartError: it is one.
    """
    if isinstance(answer, RowRefusal):
        raise StartError(f"nothing was changed: {answer.reason}")
    return answer


@users.command
async def add(
    name: str,
    *,
    role: Role = Role.VIEWER,
    password_file: PasswordFile = None,
    generate: Generate = False,
    as_json: Json = False,
) -> int:
    """Add an account.

    Parameters
    ----------
    name
        What its user logs in by, in any case.
    role
        What it may do.
    password_file
        File that holds its password, else it is asked for.
    generate
        Make a password up, and show it once; it has to be changed at the first login.
    as_json
        Print JSON.
    """
    name = _checked_name(name)
    chosen = _password(name, password_file, generate=generate)
    async with _here() as here:
        hashed = await here.hashed(chosen)
        made = _done(
            await here.visit.ask(
                CreateAccount(here.author, name, role, hashed, must_change=generate)
            )
        )
    _tell(made, f"{made.name} is added as {made.role.value}", chosen if generate else None, as_json)
    return 0


@users.command(name="list")
async def show(*, as_json: Json = False) -> int:
    """Show all accounts.

    Parameters
    ----------
    as_json
        Print JSON.
    """
    async with _here() as here:
        found = await here.visit.ask(ListAccounts())
    if as_json:
        print_json({"accounts": [dated(one, *_TIMES) for one in found]})
        return 0
    if not found:
        sys.stderr.write("there is no account yet: `stockstream users add NAME --role admin`\n")
        return 0
    table = Table(box=None, header_style="bold")
    for column in ("id", "name", "role", "logs in by", "state", "made"):
        table.add_column(column, justify="right" if column == "id" else "left")
    for one in found:
        how = [*(["password"] if one.has_password else []), *([one.issuer] if one.issuer else [])]
        state = "disabled" if one.disabled is not None else ""
        if one.must_change and not state:
            state = "has to change the password"
        table.add_row(
            str(one.id),
            Text(one.name),
            one.role.value,
            Text(", ".join(how) or "nothing"),
            state,
            _when(one.created),
        )
    table_console().print(table)
    return 0


@users.command(name="role")
async def set_role(name: str, role: Role, *, as_json: Json = False) -> int:
    """Give an account another role; its sessions go on with it.

    Parameters
    ----------
    name
        Of the account.
    role
        The new role.
    as_json
        Print JSON.
    """
    async with _here() as here:
        account = await here.account(name)
        now = _done(await here.visit.ask(SetRole(here.author, account.id, role)))
    _tell(now, f"{now.name} is {now.role.value}", None, as_json)
    return 0


@users.command
async def disable(name: str, *, as_json: Json = False) -> int:
    """Let an account in no more, and end all of its sessions.

    Parameters
    ----------
    name
        Of the account.
    as_json
        Print JSON.
    """
    return await _set_disabled(name, disabled=True, as_json=as_json)


@users.command
async def enable(name: str, *, as_json: Json = False) -> int:
    """Let a disabled account in again.

    Parameters
    ----------
    name
        Of the account.
    as_json
        Print JSON.
    """
    return await _set_disabled(name, disabled=False, as_json=as_json)


async def _set_disabled(name: str, *, disabled: bool, as_json: bool) -> int:
    async with _here() as here:
        account = await here.account(name)
        query = SetDisabled(here.author, account.id, disabled=disabled)
        changed = _done(await here.visit.ask(query))
    if disabled:
        text = f"{changed.account.name} is disabled; {_sessions_ended(changed)}"
    else:
        text = f"{changed.account.name} may log in"
    _tell(changed.account, text, None, as_json)
    return 0


@users.command
async def reset(name: str, *, password_file: PasswordFile = None, as_json: Json = False) -> int:
    """Give an account another password, which it has to change, and end all of its sessions.

    Parameters
    ----------
    name
        Of the account.
    password_file
        File that holds the password, else one is made up and shown once.
    as_json
        Print JSON.
    """
    async with _here() as here:
        account = await here.account(name)
        generate = password_file is None
        chosen = _password(account.name, password_file, generate=generate)
        hashed = await here.hashed(chosen)
        query = SetPassword(here.author, account.id, hashed, must_change=True)
        changed = _done(await here.visit.ask(query))
    text = f"{changed.account.name} has another password; {_sessions_ended(changed)}"
    _tell(changed.account, text, chosen if generate else None, as_json)
    return 0


@users.command
async def sessions(name: str | None = None, *, as_json: Json = False) -> int:
    """Show who has logged in, from where, and until when.

    Parameters
    ----------
    name
        Of an account, else those of all.
    as_json
        Print JSON.
    """
    async with _here() as here:
        account = None if name is None else (await here.account(name)).id
        found = await here.visit.ask(ListSessions(here.limits, account))
    if as_json:
        print_json({"sessions": [dated(one, *_TIMES) for one in found]})
        return 0
    table = Table(box=None, header_style="bold")
    for column in ("id", "account", "by", "from", "with", "since", "last used", "until"):
        table.add_column(column, justify="right" if column == "id" else "left")
    for one in found:
        table.add_row(*_session_row(one))
    table_console().print(table)
    return 0


@users.command
async def end(
    *numbers: int,
    account: Annotated[str | None, Parameter(name="--all-of")] = None,
    as_json: Json = False,
) -> int:
    """End sessions.

    Parameters
    ----------
    numbers
        Which ones, as `stockstream users sessions` shows them.
    account
        All of the account of this name.
    as_json
        Print JSON.
    """
    if bool(numbers) == (account is not None):
        raise UsageError("write the numbers of sessions, or --all-of NAME")
    async with _here() as here:
        if account is None:
            query = EndSessions(here.author, ids=numbers)
        else:
            query = EndSessions(here.author, account_id=(await here.account(account)).id)
        ended = await here.visit.ask(query)
    if as_json:
        print_json({"ended": [key.id for key in ended]})
    else:
        sys.stdout.write(f"{_count(len(ended), 'session')} ended\n")
    return 0 if ended or account is not None else 1


def _session_row(one: Session) -> tuple[str | Text, ...]:
    return (
        str(one.id),
        Text(one.account_name),
        one.how,
        Text(one.address),
        Text(one.agent[:40]),
        _when(one.created),
        _when(one.seen),
        _when(one.expires),
    )


def _sessions_ended(changed: Changed) -> str:
    return f"{_count(len(changed.ended), 'session')} ended"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _when(moment: int) -> str:
    return f"{to_datetime(moment):%Y-%m-%d %H:%M} UTC"


def _tell(account: Account, text: str, password: str | None, as_json: bool) -> None:
    if as_json:
        shown = {} if password is None else {"password": password}
        print_json({"account": dated(account, *_TIMES), **shown})
        return
    sys.stdout.write(f"{text}\n")
    if password is not None:
        sys.stdout.write(f"password, shown once: {password}\n")


def _checked_name(name: str) -> str:
    try:
        return check_name(name)
    except ValueError as error:
        raise UsageError(f"NAME: {error}") from None


def _password(name: str, path: Path | None, *, generate: bool) -> str:
    """One that the account may have.

    Raises:
        UsageError: it may not, or nobody can be asked.
    """
    if generate:
        if path is not None:
            raise UsageError("--password-file: is of no use with --generate")
        return new_password()
    chosen = _asked() if path is None else _in_file(path)
    try:
        check_password(chosen, name)
    except ValueError as error:
        raise UsageError(f"the password: {error}") from None
    return chosen


def _in_file(path: Path) -> str:
    try:
        data, _ = read_regular(path, LONGEST_FILE)
        if len(data) > LONGEST_FILE:
            raise UsageError(f"--password-file: {str(path)!r} is too long for a password")
        text = data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"--password-file: {str(path)!r} is not UTF-8") from None
    except OSError as error:
        raise UsageError(f"--password-file: {str(path)!r}: {error.strerror or error}") from None
    return text.removesuffix("\n").removesuffix("\r")


def _asked() -> str:
    if not sys.stdin.isatty():
        raise UsageError("no terminal to ask for a password: --password-file or --generate")
    chosen = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != chosen:
        raise UsageError("the two passwords differ")
    return chosen
